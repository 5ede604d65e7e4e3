"""The solver's promises: it ends, within its budget and counted, never raises, and says the same each time."""

from __future__ import annotations

import dataclasses
import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import EXAMPLES, FIXTURES, ROOT, run
from torchmode_lint.analysis import analyse, budget, interpreter
from torchmode_lint.analysis.activations import Activation
from torchmode_lint.analysis.budget import MAX_FILE_STEPS
from torchmode_lint.analysis.interpreter import Interpreter
from torchmode_lint.analysis.program import Program
from torchmode_lint.analysis.state import State
from torchmode_lint.analysis.values import Context, told_apart
from torchmode_lint.config import Options
from torchmode_lint.diagnostic import Confidence, Diagnostic
from torchmode_lint.engine import check_bytes, on_deep_stack
from torchmode_lint.protocol import Mode
from torchmode_lint.source import parse_source, read_source
from torchmode_lint.text import SourceError

IMPORTS = "import torch\nfrom torch import nn\n\n"
RULES = Options(confidence=Confidence.POSSIBLE)


def interpret(text: str) -> Program:
    return on_deep_stack(lambda: analyse(parse_source((IMPORTS + text).encode(), "a.py")))


def diagnose(path: Path) -> list[Diagnostic]:
    report = on_deep_stack(lambda: check_bytes(path.read_bytes(), path, RULES))
    assert not report.errors, report.errors
    return list(report.diagnostics)


# --- the budget ----------------------------------------------------------------------------------------


@pytest.fixture
def interpreters(monkeypatch: pytest.MonkeyPatch) -> list[Interpreter]:
    """Every interpreter that is made."""
    made: list[Interpreter] = []
    init = Interpreter.__init__

    def remember(self: Interpreter, *arguments: object) -> None:
        init(self, *arguments)  # type: ignore[arg-type]
        made.append(self)

    monkeypatch.setattr(Interpreter, "__init__", remember)
    return made


def nested(depth: int) -> str:
    """Ifs and loops in turn, each of which switches another module."""
    lines = ["def f(args, loader):", *(f"    net{i} = nn.Linear(2, 2)" for i in range(depth))]
    for i in range(depth):
        indent = "    " * (i + 1)
        lines.append(f"{indent}if args.flag{i}:" if i % 2 else f"{indent}for x{i} in loader.part({i}):")
        lines += [f"{indent}    net{i}.eval()", f"{indent}    net{i}(x0)"]
    for i in reversed(range(depth)):
        lines.append("    " * (i + 2) + f"net{i}.train()")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("depth", [3, 12])
def test_nested_ifs_and_loops_end_within_the_budget_or_are_counted(depth: int, interpreters: list[Interpreter]) -> None:
    program = interpret(nested(depth))
    (solver,) = interpreters
    assert 0 < solver.budget.spent < 1.01 * MAX_FILE_STEPS  # the last event may be one too many, on each of a few paths
    assert program.degraded in ([], ["f"])
    assert program.degraded or program.forwards


def test_a_root_over_budget_is_counted_and_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MIN_STEPS", 20)
    monkeypatch.setattr(budget, "MAX_FILE_STEPS", 600)
    program = interpret(
        nested(4) + "\n\ndef g():\n    net = nn.Linear(2, 2)\n    net.eval()\n    net(torch.randn(1, 2))\n"
    )
    assert program.degraded == ["f"]
    assert {forward.context.code.name for forward in program.forwards} == {"g"}


def test_who_calls_what_a_root_was_given_up_in_is_given_up_at_once(
    monkeypatch: pytest.MonkeyPatch, interpreters: list[Interpreter]
) -> None:
    monkeypatch.setattr(budget, "MIN_STEPS", 20)
    monkeypatch.setattr(budget, "MAX_FILE_STEPS", 3_000)
    callers = "".join(f"\n\ndef g{i}(args, loader):\n    f(args, loader)\n" for i in range(20))
    program = interpret(nested(6) + callers)
    assert sorted(program.degraded) == sorted(["f", *(f"g{i}" for i in range(20))])
    (solver,) = interpreters
    assert solver.budget.spent < 2_000  # a third of all, and then a third of what is left for `f` itself


def test_a_file_over_budget_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MAX_FILE_STEPS", 3)
    program = interpret("net = nn.Linear(2, 2)\nnet.eval()\nnet(torch.randn(1, 2))\n")
    assert program.degraded == ["<module>"]
    assert not program.forwards


LARGE_DECORATOR = """
def documented(inner):
    text = inner.__doc__
{lines}
    inner.__doc__ = sources(text)
    return inner

@documented
def evaluate(net: nn.Module, loader):
    net.train()
    with torch.no_grad():
        for x in loader:
            print(net(x).argmax(1))
"""


@pytest.mark.parametrize(("lines", "entered"), [(2, True), (400, False)])
def test_a_large_decorator_with_nothing_of_the_protocol_is_not_entered(
    lines: int, entered: bool, interpreters: list[Interpreter]
) -> None:
    text = LARGE_DECORATOR.format(lines="\n".join(f"    text = text.replace('{i}', inner.name)" for i in range(lines)))
    program = interpret(text)
    assert {forward.module.mode for forward in program.forwards} == {Mode.TRAIN}
    assert entered is any(code.name == "documented" for one in interpreters for code in one.visited)


PLANNED = """
def plan(net, sizes, names):
{loops}
    return names


def main(loader, sizes):
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    names = plan(net, sizes, [])
    with torch.no_grad():
        for x in loader:
            print(net(x).argmax(1), names)
"""


def planning(depth: int) -> str:
    """A plan for a model, in loops within loops, that names nothing of the protocol."""
    lines = []
    for i in range(depth):
        indent = "    " * (i + 1)
        lines += [f"{indent}for size{i}, names in sizes.of(names):", f"{indent}    if size{i} and net.{'x' * (i + 1)}:"]
        lines += [f"{indent}        names = [*names, size{i}, net]"]
    return PLANNED.format(loops="\n".join(lines))


@pytest.fixture
def given_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was called and given up for its cost, once for each call."""
    names: list[str] = []
    solve = Interpreter.solve_aside

    def remember(self: Interpreter, context: Context, entry: State) -> Activation | None:
        activation = solve(self, context, entry)
        if activation is None:
            names.append(context.code.name)
        return activation

    monkeypatch.setattr(Interpreter, "solve_aside", remember)
    return names


@pytest.mark.parametrize("depth", [1, 7])
def test_a_call_that_names_nothing_of_the_protocol_is_given_up_alone(
    depth: int, given_up: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MAX_FILE_STEPS", 20_000)
    program = interpret(planning(depth))
    assert set(given_up) == (set() if depth == 1 else {"plan"})
    assert not program.degraded
    assert {(forward.context.code.name, forward.module.mode) for forward in program.forwards} == {("main", Mode.TRAIN)}


def test_many_calls_that_name_nothing_of_the_protocol_are_given_up_together(
    given_up: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MAX_ASIDE_IN_ALL", 200)
    calls = "".join(f"    names = plan(net, sizes, [{i}])\n" for i in range(30))
    program = interpret(planning(1).replace("    names = plan(net, sizes, [])\n", calls))
    assert 10 < len(given_up) < 100
    assert program.forwards


FACTORY = """
@torch.no_grad()
def build(sizes, names):
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).train()
{loops}
    return net

def export(sizes):
    return build(sizes, [])

def main(loader, sizes):
    {first}
    net = build(sizes, [])
    net.eval()
    for x in loader:
        print(net(x).argmax(1))
"""


@pytest.mark.parametrize(("first", "seen"), [("pass", False), ("nn.Linear(2, 2)(torch.randn(1, 2))", True)])
def test_a_root_that_comes_to_nothing_is_given_up_early(
    first: str, seen: bool, monkeypatch: pytest.MonkeyPatch, interpreters: list[Interpreter]
) -> None:
    """And so are, at once, those that get there as it did; not those that have come to something before."""
    monkeypatch.setattr(budget, "MAX_IDLE", 1_000)
    loops = planning(7).partition(":\n")[2].partition("    return")[0]
    program = interpret(FACTORY.format(loops=loops, first=first))
    (solver,) = interpreters
    assert program.degraded == (["export"] if seen else ["export", "main", "build"])
    assert bool(program.forwards) is seen
    assert seen or solver.budget.spent < 4_000


def test_what_was_given_up_in_a_call_is_looked_at_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """What drops its result matters by itself, though it is nothing of the protocol where it is called."""
    monkeypatch.setattr(budget, "MAX_ASIDE", 40)
    text = """
def move(x: torch.Tensor):
    zeros = torch.zeros(2)
    zeros.cuda()
    return x

def plan(net, sizes):
    for size in sizes:
        move(size)
        size = [size, size, size, size, [size, size], [size, size, size]]
        size = {"a": size, "b": size, "c": [size, size, size]}
    return size

def main(sizes):
    net = nn.Linear(2, 2)
    plan(net, sizes)
    net(plan(net, sizes)).sum().backward()
"""
    program = interpret(text)
    assert {effect.context.code.name for effect in program.no_effects} == {"move"}


def test_many_alternatives_in_a_loop_settle(interpreters: list[Interpreter]) -> None:
    """More values than a variable may hold, more modes than a block has partitions."""
    lines = ["def f(loader, args):", "    kind = None", *(f"    net{i} = nn.Linear(2, 2)" for i in range(9))]
    lines.append("    for x in loader:")
    for i in range(9):
        lines += [f"        if args.flag{i}:", f"            kind = 'kind {i}'", f"            net{i}.eval()"]
    program = interpret("\n".join([*lines, "    net0(kind)"]) + "\n")
    assert not program.degraded
    assert interpreters[0].budget.spent < MAX_FILE_STEPS / 3
    assert program.forwards


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
