"""Which functions are nothing of the protocol, so that their calls are left alone where nothing of it is in reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchmode_lint.analysis import execution
from torchmode_lint.analysis.interpreter import Interpreter
from torchmode_lint.analysis.loader import Loader
from torchmode_lint.analysis.program import Program
from torchmode_lint.analysis.project import Project
from torchmode_lint.analysis.state import State
from torchmode_lint.source import parse_source

BEFORE = """\
import copy
import torch
from torch import nn, optim
class Net(nn.Module):
    @torch.no_grad()
    def init(self):
        pass
def turns(x):
    yield x
NET = load()
"""


def is_plain(body: str) -> bool:
    source = parse_source(f"{BEFORE}def f(x):\n    {body}\n".encode(), "a.py")
    run = Interpreter(Program(source), Loader(Project(None)))
    loaded = run.open(source, Path("a.py"))
    loaded.state = execution.execute(run, loaded.context, State())
    (code,) = (code for code in source.code.codes if code.name == "f")
    return run.plain(code) is not None


@pytest.mark.parametrize(
    "body",
    [
        "return copy.deepcopy(x)",
        "return x.optim, x.settings.optim",
        "return torch.nn.functional.one_hot(x)",
        "return torch.compile(x)",
        "return isinstance(x, (Net, nn.Linear))",
        "return list(turns(x))",
        'return f"{x.name}"',
    ],
)
def test_plain(body: str) -> None:
    assert is_plain(body)


@pytest.mark.parametrize(
    "body",
    [
        "return copy.deepcopy(NET)",
        "return NET(x)",
        "return optim.SGD",
        "return x.optim.step()",
        "return torch.nn.functional",
        "return nn.DataParallel(x)",
        "return isinstance(x, Net), Net()",
        "return x.eval()",
        'return f"{x.eval()}"',
        "x.training = True",
        "yield x",
    ],
)
def test_not_plain(body: str) -> None:
    assert not is_plain(body)
