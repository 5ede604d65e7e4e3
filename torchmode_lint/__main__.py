"""`python -m torchmode_lint`: the same command as `torchmode-lint`."""

from __future__ import annotations

from torchmode_lint.cli import main

if __name__ == "__main__":
    main(prog_name="torchmode-lint")
