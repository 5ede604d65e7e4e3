"""The command `torchmode-lint`: reads the call, runs the engine, prints a report, decides the exit code.

Translates only: what is found does not depend on how it is shown. One command a file; what they need is imported
inside them, so that `--version` and `--help` answer at once.
"""

from __future__ import annotations

import io
import sys

import click

from torchmode_lint import __version__
from torchmode_lint.cli.check import check
from torchmode_lint.cli.config import config
from torchmode_lint.cli.confirm import confirm
from torchmode_lint.cli.kept import clean, merge
from torchmode_lint.cli.rule import rule

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Find broken train/eval, grad mode, gradient and graph protocols in PyTorch programs.

    Exit codes: 0 nothing to report, 1 diagnostics, 2 a file could not be checked or the call was wrong.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a checked file may hold what the terminal cannot show


for command in (check, clean, config, confirm, merge, rule):
    main.add_command(command)
