"""The command `torchmode-lint`: reads the call, runs the engine, prints a report, decides the exit code.

Translates only: what is found does not depend on how it is shown. What the commands need is imported
inside them, so that `--version` and `--help` answer at once.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from torchmode_lint import __version__

if TYPE_CHECKING:
    from torchmode_lint.config import Options
    from torchmode_lint.discovery import Found
    from torchmode_lint.engine import FileReport

CLEAN, FOUND, FAILED, INTERRUPTED = 0, 1, 2, 130
_LONG_RUN = 50  # files from which on a progress bar is worth its line
_CONFIDENCES = ("certain", "likely", "possible")
_FORMATS = ("text", "concise", "json")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Find broken train/eval, grad mode, gradient and graph protocols in PyTorch programs.

    Exit codes: 0 nothing to report, 1 diagnostics, 2 a file could not be checked or the call was wrong.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a checked file may hold what the terminal cannot show


def _words(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """`--select a,b --select c` is `a`, `b` and `c`."""
    return tuple(word.strip() for value in values for word in value.split(","))


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@click.option(
    "--select",
    multiple=True,
    callback=_words,
    metavar="RULES",
    help="Only these rules: codes, prefixes of codes or names, separated by commas.",
)
@click.option("--ignore", multiple=True, callback=_words, metavar="RULES", help="Not these rules; wins over --select.")
@click.option(
    "--confidence",
    type=click.Choice(_CONFIDENCES),
    default="likely",
    show_default=True,
    help="Report what is at least this sure.",
)
@click.option(
    "--project-root",
    type=click.Path(path_type=Path, file_okay=False, exists=True, resolve_path=True),
    help="The folder that the project's imports start from.  [default: for each file the nearest folder upwards "
    "with pyproject.toml, setup.cfg, setup.py or .git]",
)
@click.option("--isolated", is_flag=True, help="Read no configuration files.")
@click.option("--output-format", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option(
    "--stdin-filename",
    type=click.Path(path_type=Path),
    help="The path that `-`, standard input, stands for.",
)
def check(
    paths: tuple[Path, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    confidence: str,
    project_root: Path | None,
    isolated: bool,
    output_format: str,
    stdin_filename: Path | None,
) -> None:
    """Check files and folders; `-` is standard input.

    Folders are walked for .py files, leaving out what .gitignore ignores, virtual environments, caches,
    hidden folders and build folders. A path named here is always checked.
    """
    from torchmode_lint.config import ConfigurationError, Options
    from torchmode_lint.diagnostic import Confidence
    from torchmode_lint.engine import enabled_rules, on_deep_stack

    options = Options(select, ignore, Confidence[confidence.upper()], project_root, isolated)
    try:
        enabled_rules(options.select, options.ignore)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    try:
        sys.exit(on_deep_stack(lambda: _check(paths, options, output_format, stdin_filename)))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _check(paths: Iterable[Path], options: Options, output_format: str, stdin_filename: Path | None) -> int:
    from torchmode_lint.discovery import find_files
    from torchmode_lint.engine import Run
    from torchmode_lint.report import FORMATS

    start = time.perf_counter()
    reports = tuple(_reports(list(find_files(paths)), options, stdin_filename))
    run = Run(reports, time.perf_counter() - start)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    click.echo(FORMATS[output_format](run, colour), nl=False, color=colour)
    return FAILED if run.errors else FOUND if run.diagnostics else CLEAN


def _reports(found: list[Found], options: Options, stdin_filename: Path | None) -> Iterator[FileReport]:
    from torchmode_lint.engine import check_paths

    if len(found) < _LONG_RUN or not sys.stderr.isatty():
        yield from check_paths(found, options, stdin_filename)
        return
    with click.progressbar(found, label="Checking", file=sys.stderr) as each:
        yield from check_paths(each, options, stdin_filename)


@main.command()
@click.argument("code_or_name", required=False)
@click.option("--all", "every", is_flag=True, help="List all rules.")
def rule(code_or_name: str | None, every: bool) -> None:
    """Print the page of a rule, named by its code or name."""
    from torchmode_lint.config import nearest
    from torchmode_lint.rules import ALL_RULES

    if every == (code_or_name is not None):
        raise click.UsageError("give the code or name of one rule, or --all")
    if every:
        for each in ALL_RULES:
            click.echo(f"{each.code}  {each.name:<22}  {each.severity!s:<8}  {each.summary}")
        return
    word = str(code_or_name)
    for each in ALL_RULES:
        if word.upper() == each.code or word.lower() == each.name:
            click.echo(f"{each.name} ({each.code}, {each.severity})\n\n{each.doc.strip()}")
            return
    raise click.UsageError(f"unknown rule {word!r}{nearest(word, {each.code: each.name for each in ALL_RULES})}")
