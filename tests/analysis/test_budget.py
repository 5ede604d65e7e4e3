"""The budgets: what costs too much is left out, counted, and costs nothing else its place."""

from __future__ import annotations

import pytest
from interpreting import interpret

from torchmode_lint.analysis import budget, roots
from torchmode_lint.analysis.activations import Activation
from torchmode_lint.analysis.budget import MAX_FILE_STEPS
from torchmode_lint.analysis.classes import Class
from torchmode_lint.analysis.interpreter import Interpreter
from torchmode_lint.analysis.state import State
from torchmode_lint.analysis.values import Context
from torchmode_lint.flow.cfg import Code
from torchmode_lint.protocol import Mode


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


def test_who_comes_to_nothing_the_same_way_is_given_up_where_the_way_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MAX_IDLE", 1_000)
    loops = planning(7).partition(":\n")[2].partition("    return")[0]
    names = [f"export_{i}" for i in range(9)]
    text = FACTORY.partition("def export")[0].format(loops=loops) + "def prepare(sizes):\n"
    text += "".join(f"    sizes = sizes.at_{i}()\n" for i in range(60)) + "    return build(sizes, [])\n\n"
    text += "".join(f"def {name}(sizes):\n    return prepare(sizes)\n\n" for name in names)
    spent: dict[str, int] = {}
    begin = roots.start

    def counted(run: Interpreter, code: Code, after: State, cls: Class | None = None) -> bool:
        before = run.budget.spent
        within = begin(run, code, after, cls)
        spent[code.name] = run.budget.spent - before
        return within

    monkeypatch.setattr(roots, "start", counted)
    assert set(interpret(text).degraded) >= set(names)
    first, second, *others = (spent[name] for name in names)
    assert first > 1_000 > second > 100 and all(other < 30 for other in others)
