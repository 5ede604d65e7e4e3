"""Which functions are roots: those that may know the mode of a module, however they come by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchmode_lint import check_paths

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
NETS = {"net": Net}
BUILDERS = [build]
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
    (tmp_path / "models" / "__init__.py").write_text("from .net import BUILDERS, NETS, Net, build\n")
    (tmp_path / "models" / "net.py").write_text(NET)
    script = tmp_path / "run.py"
    script.write_text(EVALUATE.format(names=names, made=made))
    (report,) = check_paths([script], project_root=tmp_path, isolated=True, cached=False)
    assert [(one.code, one.span.line) for one in report.diagnostics] == [("TML101", 5 + names.count("\n") + 1)]


@pytest.mark.parametrize("made", ["loader.dataset.net", "load(loader)", "LOADERS[0]"])
def test_a_function_that_cannot_know_a_mode_is_none(tmp_path: Path, made: str) -> None:
    script = tmp_path / "run.py"
    script.write_text(EVALUATE.format(names="from data import load\nLOADERS = [load]", made=made))
    (report,) = check_paths([script], project_root=tmp_path, isolated=True, cached=False)
    assert report.diagnostics == ()
