"""Which functions are roots: those that may know the mode of a module, however they come by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchmode_lint import check_paths
from torchmode_lint.analysis import roots
from torchmode_lint.analysis.classes import Class
from torchmode_lint.analysis.interpreter import Interpreter
from torchmode_lint.analysis.state import State
from torchmode_lint.flow.cfg import Code

NET = """\
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    def forward(self, x):
        return self.layers(x)
def build():
    return Net()
class Holder:
    def __init__(self):
        self.net = Net()
    def get(self):
        return self.net
NETS = {"net": Net}
BUILDERS = [build]
HOLDER = Holder()
"""
EVALUATE = """\
import torch
{names}
def evaluate(loader):
    net = {made}
    with torch.no_grad():
        return [net(x).argmax(1) for x in loader]
"""


@pytest.mark.parametrize(
    ("names", "made"),
    [
        ("from models.net import Net", "Net()"),
        ("from models import Net", "Net()"),
        ("from models import build", "build()"),
        ("from models.net import build", "build()"),
        ("from models import NETS", 'NETS["net"]()'),
        ("from models import BUILDERS", "BUILDERS[0]()"),
        ("from functools import partial\nfrom models import build", "partial(build)()"),
        ("from models import HOLDER", "HOLDER.get()"),
        ("import models", "models.Net()"),
        ("from models import net as it", "it.Net()"),
        ("from models import *", "Net()"),
        ("from torch import nn", "nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))"),
        ("import torchvision", "getattr(torchvision.models, str(loader))()"),
    ],
    ids=lambda text: text.split("import ")[-1],
)
def test_a_function_that_makes_a_module_and_nothing_else_is_a_root(tmp_path: Path, names: str, made: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("from .net import BUILDERS, HOLDER, NETS, Net, build\n")
    (tmp_path / "models" / "net.py").write_text(NET)
    script = tmp_path / "run.py"
    script.write_text(EVALUATE.format(names=names, made=made))
    (report,) = check_paths([script], project_root=tmp_path, isolated=True, cached=False)
    assert [(one.code, one.span.line) for one in report.diagnostics] == [("TML101", 5 + names.count("\n") + 1)]


@pytest.mark.parametrize(
    ("text", "bar", "is_root"),
    [
        ("class Bar:\n    def __call__(self, it):\n        return it\nbar = Bar()\n", "from bar import bar", False),
        ("import torch\nclass Bar:\n    cuda = torch.cuda\nbar = Bar()\n", "from bar import bar", True),
        ("", "from torch.nn.modules.module import _EXTRA_STATE_KEY_SUFFIX as bar", False),
    ],
)
def test_an_object_may_hold_modules_where_its_class_speaks_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, bar: str, is_root: bool
) -> None:
    started: list[str] = []
    start = roots.start

    def told(run: Interpreter, code: Code, after: State, cls: Class | None = None) -> bool:
        started.append(code.name)
        return start(run, code, after, cls)

    monkeypatch.setattr(roots, "start", told)
    (tmp_path / "bar.py").write_text(text)
    script = tmp_path / "run.py"
    script.write_text(EVALUATE.format(names=bar, made="loader.get()").replace("in loader", "in bar(loader)"))
    (report,) = check_paths([script], project_root=tmp_path, isolated=True, cached=False)
    assert (started == ["evaluate"]) is is_root
    assert report.diagnostics == ()


@pytest.mark.parametrize("made", ["loader.dataset.net", "load(loader)", "LOADERS[0]"])
def test_a_function_that_cannot_know_a_mode_is_none(tmp_path: Path, made: str) -> None:
    script = tmp_path / "run.py"
    script.write_text(EVALUATE.format(names="from data import load\nLOADERS = [load]", made=made))
    (report,) = check_paths([script], project_root=tmp_path, isolated=True, cached=False)
    assert report.diagnostics == ()
