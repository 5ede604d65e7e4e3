"""Which files are looked into at all, once their project can be asked: what sketches say of them holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import EXAMPLES, FIXTURES
from torchmode_lint import examine as examining
from torchmode_lint.analysis import roots, worth
from torchmode_lint.engine import on_deep_stack
from torchmode_lint.examine import Loaders, examine
from torchmode_lint.outcome import Examination, State

LAYERS = """\
import torch
from torch import nn
class Base(nn.Module):
    @torch.no_grad()
    def init(self, part):
        nn.init.zeros_(part.weight)
"""
# the class is a module only if its base is, which is in another file
DERIVED = """\
import torch
from layers import Base
class Derived(Base):
    @torch.no_grad()
    def init(self, part):
        super().init(part)
        {more}
"""


def _examined(folder: Path, **files: str) -> Examination:
    """What is said of the last file."""
    for name, text in files.items():
        path = folder / f"{name}.py"
        path.write_text(text)
    return on_deep_stack(lambda: examine(path.read_bytes(), path, folder, Loaders()))


def test_a_method_of_what_another_file_makes_a_module_is_left_out(tmp_path: Path) -> None:
    result = _examined(tmp_path, layers=LAYERS, derived=DERIVED.format(more="pass"))
    assert result.state is State.SKIPPED
    assert (tmp_path / "layers.py").as_posix() in result.inputs.files  # and is asked again when that changes


@pytest.mark.parametrize(
    ("layers", "more"),
    [
        (LAYERS.replace("(nn.Module)", "(torch.utils.data.Dataset)"), "Base().net(part)"),  # no module
        (LAYERS.replace("class Base", "if input():\n  Base = nn.Module\nclass Base"), "pass"),  # nobody can tell
        (LAYERS, "self.eval()"),
        (LAYERS, "part.cpu()"),  # whose result is dropped
    ],
)
def test_it_is_looked_into_where_more_may_be_known(tmp_path: Path, layers: str, more: str) -> None:
    layers = layers.replace("nn.init.zeros_(part.weight)", "self.net = nn.Dropout()")
    result = _examined(tmp_path, layers=layers, derived=DERIVED.format(more=more))
    assert result.state is State.ANALYSED


MADE = """\
import torch
from layers import {names}
from data import images, weights
{made}
model.load_state_dict(weights)
out = model(images)
print(out.data)
"""
NET = """\
class Net(Base):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)
    def forward(self, x):
        return self.drop(x)
"""
BUILD = "def build():\n    return Net()\n"


@pytest.mark.parametrize(
    ("names", "made"),
    [
        ("Net", "model = Net()"),
        ("build", "model = build()"),
        ("build as b", "model = b()"),
        ("*", "model = Net()"),
        ("MODEL", "model = MODEL"),
        ("MODELS", "model = MODELS['net']"),
        ("MOVED", "model = MOVED"),
        ("MADE", "model = MADE"),
        ("TABLE", "model = TABLE['net']"),
        ("ALIAS", "model = ALIAS()"),
    ],
)
def test_what_the_body_of_a_file_makes_is_known(tmp_path: Path, names: str, made: str) -> None:
    layers = LAYERS + NET + BUILD + "MODEL = Net()\nMODELS = {'net': MODEL}\n"
    layers += "MOVED = Net().to('cpu')\nMADE = build()\nTABLE = dict(net=MODEL)\nALIAS = build\n"
    result = _examined(tmp_path, layers=layers, script=MADE.format(names=names, made=made))
    assert result.state is State.ANALYSED
    assert [one.diagnostic.code for one in result.findings] == ["TML101"]


@pytest.mark.parametrize(
    "made", ["Net().to('cpu')", "build()", "dict(net=Net())['net']", "helper()", "{'net': Net()}.get('net')"]
)
def test_what_a_call_made_in_another_file_may_be_a_module(tmp_path: Path, made: str) -> None:
    layers = f"{LAYERS}{NET}{BUILD}from helpers import helper\nMADE = {made}\n"
    helpers = "def helper():\n    return again()\ndef again():\n    from layers import build\n    return build()\n"
    script = "import torch\nfrom layers import MADE\nMADE.load_state_dict({})\nprint(MADE.forward(int()).data)\n"
    assert _examined(tmp_path, helpers=helpers, layers=layers, script=script).state is State.ANALYSED


LOOP = """\
import torch
class Trainer:
    def fit(self):
        for batch in self.data:
            self.optimizer.{move}()
            {calls}
"""
HEIR = """\
import torch
from loop import Trainer
class Heir(Trainer):
    def load(self, weights):
        self.net.load_state_dict(weights)
    def first(self, batch): pass
    def second(self, batch): pass
"""


@pytest.mark.parametrize(
    ("move", "calls", "state"),
    [
        ("zero_grad", "self.first(batch); self.second(batch)", State.ANALYSED),
        ("zero_grad", "self.first(batch)", State.SKIPPED),
        ("rest", "self.first(batch); self.second(batch)", State.SKIPPED),
    ],
)
def test_the_loop_of_a_base_class_counts(tmp_path: Path, move: str, calls: str, state: State) -> None:
    assert _examined(tmp_path, loop=LOOP.format(move=move, calls=calls), heir=HEIR).state is state


LOCAL = """\
import torch
def main():
    from layers import Net
    model = Net()
    model.load_state_dict(torch.load("net.pt"))
    outputs = []
    for i in range(9):
        outputs.append(model(torch.randn(i)))
    print(outputs)
main()
"""


def test_what_the_body_of_a_file_calls_is_interpreted_whatever_it_may_know(tmp_path: Path) -> None:
    result = _examined(tmp_path, layers=LAYERS + NET, script=LOCAL)
    assert result.state is State.ANALYSED


def test_in_what_is_not_worth_a_look_nothing_is_found_nor_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """With each file's own folder as the project, and with all of the fixtures."""
    started: list[Path] = []
    start = roots.start
    monkeypatch.setattr(examining, "is_worth_a_look", lambda *arguments: True)
    monkeypatch.setattr(
        roots, "start", lambda run, *rest: (started.append(Path(run.program.source.path)), start(run, *rest))[1]
    )
    left_out = 0
    for path in sorted((*FIXTURES.rglob("*.py"), *EXAMPLES.rglob("*.py"))):
        loaders = Loaders()
        data = path.read_bytes()
        loader = loaders.of(path.parent, examining.NOTHING)
        if worth.is_worth_a_look(data.decode("utf-8", "replace"), path, loader):
            continue
        result = on_deep_stack(lambda data=data, path=path, loaders=loaders: examine(data, path, path.parent, loaders))
        assert (result.findings, started) == ((), []), path
        left_out += 1
    assert left_out >= 10
