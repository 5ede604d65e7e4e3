"""The screen: what it leaves out would have held nothing, and costs no import of libcst."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from commands import BAD, EXAMPLES, FIXTURES
from torchmode_lint import examine
from torchmode_lint.config import Options
from torchmode_lint.engine import check_bytes, on_deep_stack
from torchmode_lint.examine import Loaders, read
from torchmode_lint.outcome import Examination, State
from torchmode_lint.screen import screened

MODEL = "import torch\n\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return torch.relu(x)\n"


@pytest.mark.parametrize(
    "line", ["import torch", "from pytorch_lightning import Trainer", "import timm", "from accelerate import x"]
)
def test_whatever_uses_torch_and_makes_a_move_is_looked_into(line: str) -> None:
    assert screened(line.encode() + b"\nmodel.eval()\n", Path("a.py")) is None


@pytest.mark.parametrize("text", ["import numpy\nmodel.eval()\n", MODEL])
def test_whatever_does_not_is_left_out(text: str) -> None:
    assert screened(text.encode(), Path("a.py")) == Examination(Path("a.py").absolute().as_posix(), State.SKIPPED)


def test_a_file_that_python_refuses_is_not_left_out() -> None:
    assert screened(b"x = (\n", Path("a.py")) is None


def test_a_statement_may_stand_at_the_top_of_a_file() -> None:
    report = check_bytes(b'import torch\n\nx = torch.ones(3)\nx.to("cpu")\nprint(x)\n', Path("a.py"), Options())
    assert [(one.code, one.span.line) for one in report.diagnostics] == [("TML501", 4)]


def test_cells_are_no_lines() -> None:
    assert screened(b'{"cells": [{"source": ["import torch\\n", "    net.to(device)\\n"]}]}', Path("a.ipynb")) is None


def _files() -> list[Path]:
    own = [*FIXTURES.rglob("*.py"), *EXAMPLES.rglob("*.py")]
    return sorted(own)


def test_without_the_screen_nothing_more_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of files that name torch: what the others may mean to the analysis is decided by their imports."""
    left_out = [path for path in _files() if screened(path.read_bytes(), path) is not None]
    monkeypatch.setattr(examine, "screened", lambda *arguments: None)
    monkeypatch.setattr(examine, "is_worth_a_look", lambda *arguments: True)
    loaders = Loaders()
    assert left_out
    for path in left_out:
        result = on_deep_stack(lambda path=path: read(path, path.parent, loaders))
        assert (result.state, result.findings) == (State.ANALYSED, ()), path


def test_what_is_left_out_imports_no_parser(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom torchmode_lint.config import Options\n"
        "from torchmode_lint.engine import check_bytes\n"
        "check_bytes(Path(sys.argv[1]).read_bytes(), Path(sys.argv[1]), Options())\nprint('libcst' in sys.modules)\n"
    )
    for text, imported in ((MODEL, "False"), (BAD, "True")):
        path = tmp_path / "a.py"
        path.write_text(text)
        done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == imported
