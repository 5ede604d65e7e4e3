"""The solver's promises: it ends, never raises, and says the same each time."""

from __future__ import annotations

import dataclasses
import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from interpreting import IMPORTS, interpret

from commands import EXAMPLES, FIXTURES, ROOT, run
from torchmode_lint.analysis import analyse, interpreter
from torchmode_lint.analysis.budget import MAX_FILE_STEPS
from torchmode_lint.analysis.interpreter import Interpreter
from torchmode_lint.analysis.program import Program
from torchmode_lint.analysis.values import told_apart
from torchmode_lint.config import Options
from torchmode_lint.diagnostic import Confidence, Diagnostic
from torchmode_lint.engine import check_bytes, on_deep_stack
from torchmode_lint.source import read_source
from torchmode_lint.text import SourceError

RULES = Options(confidence=Confidence.POSSIBLE)


def diagnose(path: Path) -> list[Diagnostic]:
    report = on_deep_stack(lambda: check_bytes(path.read_bytes(), path, RULES))
    assert not report.errors, report.errors
    return list(report.diagnostics)


# --- recursion and cycles -------------------------------------------------------------------------------

RECURSIVE = {
    "a function that calls itself": """
def f(net, n):
    net.eval()
    f(net, n - 1)
    reveal_state(net)

f(nn.Linear(2, 2), 3)
""",
    "two that call each other": """
def even(net, n):
    net.eval()
    return odd(net, n - 1)

def odd(net, n):
    net.train()
    return even(net, n - 1)

even(nn.Linear(2, 2), 4)
""",
    "a function without end": """
def f(net):
    net.eval()
    while True:
        return f(net)

f(nn.Linear(2, 2))
""",
    "a method that calls itself": """
class Tree(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.inner = Tree(depth - 1) if depth else nn.Linear(2, 2)
        self.eval()

    def forward(self, x):
        return self.inner(x)

    def off(self):
        self.inner.off()
        return self.eval()

Tree(3).off()(torch.randn(1, 2))
""",
    "a class that is its own base in name": """
class Net(nn.Module):
    pass

class Net(Net):
    def forward(self, x):
        return super().forward(x)

Net().eval()(torch.randn(1, 2))
""",
    "a lambda that is given itself": """
apply = lambda f: f(f)
net = nn.Linear(2, 2).eval()
apply(apply)
net(torch.randn(1, 2))
""",
    "a closure that calls the function around it": """
def outer(net):
    def inner():
        net.eval()
        return outer(net)
    return inner()

outer(nn.Linear(2, 2))
""",
    "a list that holds itself": """
nets = [nn.Linear(2, 2)]
nets.append(nets)
for net in nets:
    net.eval()
nets[0](torch.randn(1, 2))
""",
    "a module that is a part of itself": """
net = nn.Sequential(nn.Linear(2, 2))
net.me = net
net.append(net)
net.eval()
net(torch.randn(1, 2))
""",
    "a generator that delegates to itself": """
def walk(net):
    net.eval()
    yield net
    yield from walk(net)

for net in walk(nn.Linear(2, 2)):
    net.train()
""",
    "a manager that enters itself": """
import contextlib

@contextlib.contextmanager
def off(net):
    with off(net):
        net.eval()
        yield

with off(nn.Linear(2, 2)):
    pass
""",
    "decorators that decorate each other": """
def one(f):
    return two(f)

def two(f):
    return one(f)

@one
def f(net):
    return net.eval()

f(nn.Linear(2, 2))
""",
    "tuples that grow in a loop, to a depth": """
def f(loader):
    net = nn.Linear(2, 2)
    x = None
    for x in loader:
        x = (x, (x, x))
        net.eval()
    net(x)
""",
}


@pytest.mark.parametrize("text", RECURSIVE.values(), ids=RECURSIVE)
def test_recursion_of_any_kind_ends(text: str, interpreters: list[Interpreter]) -> None:
    program = interpret(text)
    assert program.degraded == []
    assert interpreters[0].budget.spent < MAX_FILE_STEPS / 3


def test_files_that_import_themselves_or_each_other_end(tmp_path: Path) -> None:
    files = {
        "alone.py": "import alone\nfrom alone import net\n",
        "one.py": "import two\nfrom two import *\n",
        "two.py": "from one import net, f\nimport three\n",
        "three.py": "from . import one\nimport one as again\nagain.f(again.net)\n",
    }
    for name, text in files.items():
        body = "net = nn.Linear(2, 2)\n\ndef f(net):\n    net.eval()\n    return net(torch.randn(1, 2))\n\nf(net)\n"
        (tmp_path / name).write_text(IMPORTS + text + body)
    for name in files:
        program = on_deep_stack(lambda name=name: analyse(read_source(tmp_path / name), tmp_path))
        assert program.degraded == []
        assert program.forwards


# --- any file -------------------------------------------------------------------------------------------

OURS = sorted([*FIXTURES.rglob("*.py"), *EXAMPLES.glob("*.py")])


def installed() -> Iterator[Path]:
    """Files that people wrote, spread over the standard library and what the tests need."""
    paths = sysconfig.get_paths()
    for folder, count in (("stdlib", 20), ("purelib/libcst", 14), ("purelib/_pytest", 13), ("purelib/hypothesis", 13)):
        base, _, below = folder.partition("/")
        found = sorted(Path(paths[base], below).glob("*.py" if base == "stdlib" else "**/*.py"))
        files = [path for path in found if 1_000 < path.stat().st_size < 60_000]
        yield from files[:: max(1, len(files) // count)][:count]


def test_no_file_of_the_project_raises_or_costs_too_much() -> None:
    for path in OURS:
        program = on_deep_stack(lambda path=path: analyse(read_source(path), path.parent))
        assert program.degraded == [], path


def test_no_installed_file_raises() -> None:
    files = list(installed())
    assert len(files) >= 50
    for path in files:
        try:
            source = read_source(path)
        except SourceError:
            continue
        # as if it used torch: else the screen would leave it out
        on_deep_stack(lambda source=source: analyse(source))


# --- the recording pass ---------------------------------------------------------------------------------


def test_what_is_not_recorded_would_show_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = [(path, on_deep_stack(lambda path=path: analyse(read_source(path), path.parent))) for path in OURS]
    monkeypatch.setattr(Interpreter, "shows", property(lambda _: True, lambda *_: None), raising=False)
    for path, program in programs:
        whole = on_deep_stack(lambda path=path: analyse(read_source(path), path.parent))
        for field in dataclasses.fields(Program):
            if field.type.startswith(("list", "set")) and field.name != "degraded":
                assert len(getattr(program, field.name)) == len(getattr(whole, field.name)), (path, field.name)


# --- the same each time ---------------------------------------------------------------------------------

REPEATED = sorted(FIXTURES.glob("missing_*/bad.py"))


@pytest.mark.parametrize("path", REPEATED, ids=lambda path: path.parent.name)
def test_a_program_analysed_twice_says_the_same_in_the_same_order(path: Path) -> None:
    first = diagnose(path)
    assert first
    assert diagnose(path) == first


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*/bad.py")), ids=lambda path: path.parent.name)
def test_what_long_blocks_give_up_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "LONG", 10**9)
    first = diagnose(path)
    monkeypatch.setattr(interpreter, "LONG", 0)
    assert diagnose(path) == first


def test_the_seed_of_hashes_changes_nothing() -> None:
    command = ["-m", "torchmode_lint", "check", "--isolated", "--output-format", "json"]
    files = [path.relative_to(ROOT) for path in (*REPEATED, *EXAMPLES.glob("*_wrong.py"))]
    python = Path(sysconfig.get_path("scripts")) / "python"
    outputs = [run(python, *command, *files, PYTHONHASHSEED=seed).out for seed in ("0", "1")]
    findings = [json.loads(text)["findings"] for text in outputs]
    assert findings[0] == findings[1]
    assert findings[0]


ONE_OF_SEVERAL = """
def main(loader, kind):
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    losses = [nn.MSELoss(), nn.L1Loss(), nn.Sequential(nn.Linear(2, 1), nn.Dropout()), nn.Linear(2, 1)]
    loss_of = losses[kind]
    for x in loader:
        loss_of(net(x)).backward()
        print(loss_of(net(x)).item())
"""


def test_what_is_observed_of_one_of_several_objects_comes_in_the_same_order_each_time() -> None:
    programs = [interpret(ONE_OF_SEVERAL) for _ in range(8)]  # all are kept, so that no two share addresses
    orders = {tuple(told_apart(forward.identity) for forward in program.forwards) for program in programs}
    assert len(orders) == 1 and len(set(*orders)) == 3
