"""Runs the real commands as processes, as users do, for the tests."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
EXAMPLES = ROOT / "examples"
SCRIPTS = Path(sysconfig.get_path("scripts"))

# One diagnostic, TML501 in line 4, from column 1 on.
BAD = "import torch\n\nnet = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())\nnet.eval\n"
GOOD = BAD.replace("net.eval", "net.eval()")


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON is what it is
        assert self.out, f"exit code {self.code}: {self.err}"
        return json.loads(self.out)

    @property
    def places(self) -> list[tuple[str, int, int, str]]:
        """Path, line, column and code of each finding of a JSON report."""
        return [(each["path"], each["line"], each["column"], each["code"]) for each in self.document["findings"]]


def run(*command: object, cwd: Path = ROOT, stdin: bytes = b"", **environment: str) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        env={**os.environ, **environment},
        timeout=600,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def torchmode(*arguments: object, cwd: Path = ROOT, stdin: bytes = b"", **environment: str) -> Ended:
    """Run `torchmode-lint`: the script, since `python -m` would look for modules in `cwd` first."""
    return run(SCRIPTS / "torchmode-lint", *arguments, cwd=cwd, stdin=stdin, **environment)


def inside(*arguments: object, cwd: Path) -> Ended:
    """Run `torchmode-lint` in this process, which saves its start to tests that run it often."""
    from torchmode_lint.cli import main

    before = Path.cwd()
    out, err = io.StringIO(), io.StringIO()
    os.chdir(cwd)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main([str(word) for word in arguments], prog_name="torchmode-lint")
    except SystemExit as ended:
        return Ended(int(ended.code or 0), out.getvalue(), err.getvalue())
    finally:
        os.chdir(before)
    return Ended(0, out.getvalue(), err.getvalue())


def check(*arguments: object, cwd: Path = ROOT, stdin: bytes = b"") -> Ended:
    """Run `torchmode-lint check` for its JSON report, no configuration file read."""
    return torchmode("check", "--isolated", "--output-format", "json", *arguments, cwd=cwd, stdin=stdin)


def flake8(*arguments: object, cwd: Path = ROOT, stdin: bytes = b"") -> Ended:
    """Run flake8 for this plugin alone, no configuration file read."""
    return run(SCRIPTS / "flake8", "--isolated", "--select=TML", *arguments, cwd=cwd, stdin=stdin)
