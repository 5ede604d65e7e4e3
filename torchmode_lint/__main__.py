"""The command in a process of its own: `torchmode-lint`, or `python -m torchmode_lint`."""

from __future__ import annotations

import gc

from torchmode_lint.cli import main
from torchmode_lint.deep import collect_seldom


def run() -> None:
    """Run the command. What it leaves goes with the process, and is not looked through before."""
    collect_seldom()
    try:
        main(prog_name="torchmode-lint")
    finally:
        gc.freeze()


if __name__ == "__main__":
    run()
