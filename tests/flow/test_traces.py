"""Random programs run for real: what they did, step by step, is a path through their CFG.

Programs are made of marks (`mark(n)`), managers (`cm(n)`), conditions and jumps. While one runs, an oracle
decides what marks return and when they raise, whether managers swallow exceptions and how often loops
turn; the sequence of marks and of entered and left managers must then be one that the CFG allows.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import NamedTuple

import libcst
import pytest
from graphs import lowered
from random_programs import Writer

from torchmode_lint.flow import events as ev
from torchmode_lint.flow.cfg import Block, Branch, Code, Return
from torchmode_lint.flow.shared import writes

PROGRAMS = 45
RUNS = 15
FUEL = 60

Step = tuple[str, int, bool | None]  # what happens, to which number, and the truth of what a mark returns


class FirstError(Exception):
    pass


class SecondError(Exception):
    pass


class Oracle:
    """What a program sees while it runs; `steps` is what it did until the fuel ran out."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.steps: list[Step] = []
        self.left = FUEL
        self.trouble = self.random.choice([0.0, 0.05, 0.3])

    def record(self, kind: str, number: int, truth: bool | None = None) -> None:
        if self.left > 0:
            self.steps.append((kind, number, truth))
        self.left -= 1

    def mark(self, number: int) -> bool:
        truth = self.random.random() < 0.5
        trouble = self.left > 1 and self.random.random() < self.trouble
        self.record("mark", number, None if trouble else truth)
        if trouble:
            raise self.random.choice([FirstError, SecondError, KeyboardInterrupt])
        return truth

    def c(self) -> bool:
        self.left -= 1
        return self.left > 0 and self.random.random() < 0.7

    def it(self) -> range:
        return range(self.random.randint(0, 2))

    def cm(self, number: int) -> Manager:
        return Manager(self, number)


class Manager:
    def __init__(self, oracle: Oracle, number: int) -> None:
        self.oracle = oracle
        self.number = number

    def __enter__(self) -> int:
        self.oracle.record("enter", self.number)
        return self.number

    def __exit__(self, *error: object) -> bool:
        self.oracle.record("leave", self.number)
        if self.oracle.left > 0 and self.oracle.random.random() < self.oracle.trouble / 2:
            raise SecondError
        return self.oracle.random.random() < 0.5


def run(program: str, seed: int) -> tuple[list[Step], bool]:
    """The steps of one run, and whether it ended while they were recorded."""
    oracle = Oracle(seed)
    space: dict[str, object] = {name: getattr(oracle, name) for name in ("mark", "c", "it", "cm")}
    space |= {"FirstError": FirstError, "SecondError": SecondError}
    exec(compile(program, "program", "exec"), space)
    function = space["f"]
    assert callable(function)
    with contextlib.suppress(BaseException):  # whatever the program raised, it has ended
        function()
    return oracle.steps, oracle.left > 0


def explained(program: str, seed: int, steps: list[Step]) -> str:
    return f"run {seed} of\n{program}\n" + " ".join(f"{kind}-{number}-{truth}" for kind, number, truth in steps)


def step_of(event: ev.Event) -> tuple[str, int] | None:
    """The step that an event records when it happens."""
    if isinstance(event, ev.Call):
        node, kind, name = event.node, "mark", "mark"
    elif isinstance(event, ev.Enter | ev.Leave) and isinstance(event.node, libcst.WithItem):
        node, kind, name = event.node.item, type(event).__name__.lower(), "cm"
    else:
        return None
    if not isinstance(node, libcst.Call) or not isinstance(node.func, libcst.Name) or node.func.value != name:
        return None
    number = node.args[0].value
    assert isinstance(number, libcst.Integer)
    return kind, int(number.value)


Known = tuple[frozenset[int], bool]


class Place(NamedTuple):
    """Before the event of a number; `known` are the registers with what the last mark returned, and its truth."""

    block: Block
    position: int
    known: Known | None = None


def after(event: ev.Event, registers: frozenset[int], truth: bool) -> Known:
    """What is known past an event that is no step."""
    if isinstance(event, ev.Copy) and event.src in registers:
        return registers | {event.dst}, truth
    return registers.difference(writes(event)), truth


class Paths:
    """The paths through one code, followed all at once."""

    def __init__(self, code: Code) -> None:
        self.steps = {block: [step_of(event) for event in block.events] for block in code.blocks}
        self.places = self.closed({Place(code.entry, 0)})

    def closed(self, places: set[Place]) -> set[Place]:
        """All places that are reached without a further step."""
        found = set(places)
        waiting = list(places)
        while waiting:
            for place in self.onward(*waiting.pop()):
                if place not in found:
                    found.add(place)
                    waiting.append(place)
        return found

    def onward(self, block: Block, position: int, known: Known | None) -> Iterator[Place]:
        """Anything may raise; a branch on the last mark goes where its truth says."""
        yield from (Place(handler, 0) for handler in block.handlers)
        if position < len(block.events):
            if self.steps[block][position] is None:
                yield Place(block, position + 1, known and after(block.events[position], *known))
            return
        targets = block.successors()
        if isinstance(block.end, Branch) and known is not None and block.end.condition in known[0]:
            targets = (block.end.then if known[1] else block.end.otherwise,)
        yield from (Place(target, 0, known) for target in targets)

    def take(self, step: Step) -> bool:
        """Follows the paths on which `step` comes next; whether there are any."""
        kind, number, truth = step
        taken: set[Place] = set()
        for block, position, _ in self.places:
            if position < len(block.events) and self.steps[block][position] == (kind, number):
                event = block.events[position]
                known = (frozenset((event.dst,)), truth) if isinstance(event, ev.Call) and truth is not None else None
                taken.add(Place(block, position + 1, known))
        self.places = self.closed(taken)
        return bool(taken)

    def may_end(self) -> bool:
        """Whether a path ends here: by a return, or by an exception that nothing surely catches."""
        return any(
            (position == len(block.events) and isinstance(block.end, Return)) or not any(map(catches, block.handlers))
            for block, position, _ in self.places
        )


def catches(handler: Block) -> bool:
    """Whether every exception stops here: in a cleanup or an except clause for all."""
    for event in handler.events:
        if isinstance(event, ev.Load) and event.variable.name == "BaseException":
            return True
        if isinstance(event, ev.Caught):
            return not event.types
    return True


@pytest.mark.parametrize("seed", range(8))
def test_what_happens_is_a_path(seed: int) -> None:
    for number in range(PROGRAMS):
        program = Writer(seed * PROGRAMS + number).program(1 + number % 3)
        try:
            compile(program, "program", "exec")
        except SyntaxError as error:  # a catch-all case that is not the last
            assert "makes remaining patterns unreachable" in str(error), f"{error}\n{program}"
            continue
        (code,) = lowered(program).codes
        for seed_of_run in range(RUNS):
            steps, ended = run(program, seed_of_run)
            paths = Paths(code)
            for position, step in enumerate(steps):
                assert paths.take(step), explained(program, seed_of_run, steps[: position + 1])
            if ended:
                assert paths.may_end(), explained(program, seed_of_run, steps)
