"""The one test command: style, types, import contracts, the tool on itself, and the tests.

Runs every step even when an earlier one fails, pytest last so that its closing line ends the output.
Extra arguments go to pytest (`-n 0` for one process). Exits 1 when any step failed.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = (sys.executable, "-m")
# the experiments hold bugs on purpose
OURS = [p for p in sorted(ROOT.glob("torchmode_lint/*")) if p.suffix == ".py" or (p / "__init__.py").exists()]
CHECKED = [*map(str, (p for p in OURS if p.name != "experiments")), *map(str, sorted(ROOT.glob("tests/*.py")))]
LINT_IMPORTS = str(Path(sysconfig.get_path("scripts")) / "lint-imports")
STEPS: tuple[tuple[str, ...], ...] = (
    (*PYTHON, "ruff", "check", "."),
    (*PYTHON, "ruff", "format", "--check", "."),
    (*PYTHON, "mypy", "--strict", "torchmode_lint"),
    (LINT_IMPORTS, "--no-cache"),
    (*PYTHON, "torchmode_lint", "check", "--isolated", *CHECKED),
)

# with pytest-xdist a process for each core; the tests of one file stay together, with what they keep
SPREAD = ("-n", "auto", "--dist", "loadfile") if importlib.util.find_spec("xdist") else ()


def main(arguments: list[str]) -> int:
    """Run the steps, say which failed."""
    failed = []
    for step in (*STEPS, (*PYTHON, "pytest", *SPREAD, *arguments)):
        name = " ".join(Path(word).name if word in (sys.executable, LINT_IMPORTS) else word for word in step)
        print(f"$ {name[:100]}", flush=True)
        if subprocess.run(step, cwd=ROOT, check=False).returncode:
            failed.append(name[:100])
    for name in failed:
        print(f"failed: {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
