"""Which functions of a file are worth a look, by the names in them and in what they may call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import Enum, auto
from typing import TYPE_CHECKING

from torchmode_lint.analysis.mentions import (
    ALONE,
    COUNTERS,
    GRAD_MODES,
    MOVES,
    Names,
    asked_about,
    in_namespace,
    named_callees,
)
from torchmode_lint.flow import events as ev
from torchmode_lint.torch_api import told_moves

if TYPE_CHECKING:
    from torchmode_lint.flow.cfg import Code

_MAX_FOLLOWED = 20
_NUMBERS = frozenset({"detach", "cpu", "numpy", "item", "tolist"})  # these take numbers out of a graph
_RETURNING = frozenset({"to", "cuda", "cpu", "clone", "detach"})  # and these matter where what they return is dropped
_CALLS_BASE = "?.__init__"  # `super().__init__(..)`
_SWITCHING = frozenset({"eval", "requires_grad_"})


class Kind(Enum):
    """Of whom it is asked. A method of a module may find it in any mode, and its constructor finds none."""

    FUNCTION = auto()
    METHOD = auto()
    CONSTRUCTOR = auto()


class Relevance:
    """Whether functions, or what they may call by name, name a move of the protocol that can be wrong there.

    `by_name` are all functions of the file. In a method of a module, neither a forward of a part nor a grad mode says
    anything by itself; elsewhere they do where the mode of some module may be known, or its gradients; always, without
    `knowing`.
    """

    def __init__(self, by_name: dict[str, list[Code]], names: Names, kind: Kind, *, knowing: bool = True) -> None:
        self._by_name = by_name
        self._names = names
        self._knowing_only = knowing and kind is Kind.FUNCTION
        self._in_function = kind is Kind.FUNCTION
        self._own = MOVES | _NUMBERS if self._in_function else MOVES - COUNTERS
        self._alone = ALONE | told_moves()
        if not self._in_function:
            self._alone -= GRAD_MODES
        if kind is Kind.CONSTRUCTOR:
            self._alone -= _SWITCHING
        self._steps: dict[Code, frozenset[Code] | None] = {}
        self._called_by: dict[Code, tuple[frozenset[Code], tuple[str, ...]]] = {}
        self._nothing: set[Code] = set()  # lead nowhere
        self._nothing_here: set[Code] = set()  # lead nowhere within the file
        self._knowing: dict[Code, bool] = {}

    def of(self, code: Code, made_by: Iterable[Code] = ()) -> bool:
        """Whether a function is worth a look; `made_by` are the constructors of the object that it is a method of."""
        if _drops(code):
            return True
        named = any(name.rpartition(".")[2] in self._own for name, _ in named_callees(code))
        return (named or self._leads_there(code)) and (not self._knowing_only or self._may_know(code, made_by))

    def _leads_there(self, code: Code) -> bool:
        seen = {code}
        pending = [code]
        looked_at = 0
        while pending:
            at = pending.pop()
            steps = self._steps_of(at)
            if steps is None:
                return True
            looked_at += 1
            if looked_at <= _MAX_FOLLOWED:
                steps |= self._outside_of(at, modules=False)
            new = steps - (self._nothing if looked_at < _MAX_FOLLOWED else self._nothing_here) - seen
            seen |= new
            pending += new
        self._nothing_here |= seen
        if looked_at <= _MAX_FOLLOWED:  # all that is there has been seen
            self._nothing |= seen
        return False

    def _may_know(self, code: Code, made_by: Iterable[Code]) -> bool:
        """Whether the mode of a module, or gradients, may be known in a function or in what it may call by name."""
        pending = [code, *made_by]
        seen = set(pending)
        looked_at = 0
        while pending:
            at = pending.pop()
            if self._knows(at):
                return True
            looked_at += 1
            new = self._called(at) - seen
            if looked_at <= _MAX_FOLLOWED:
                new |= self._outside_of(at, modules=True) - seen
            pending += new
            seen |= new
        return False

    def _knows(self, code: Code) -> bool:
        known = self._knowing.get(code)
        if known is None:
            known = self._knowing[code] = any(map(self._moves, named_callees(code))) or any(
                self._names.may_make_modules(code, name) for name in _leaves(code)
            )
        return known

    def _moves(self, named: tuple[str, ev.Call | None]) -> bool:
        name, call = named
        last = name.rpartition(".")[2]
        return (
            (last in ALONE and last not in GRAD_MODES)
            or (last in MOVES and (call is not None or last not in COUNTERS))
            or in_namespace(name)
            or last in told_moves()
        )

    def _steps_of(self, code: Code) -> frozenset[Code] | None:
        """The functions of the file that a code may call by name; None where it names the protocol itself."""
        if code not in self._steps:
            alone = any(self._alone.intersection(decorator.split(".")) for decorator in code.decorators) or any(
                name.rpartition(".")[2] in self._alone or in_namespace(name) for name, _ in named_callees(code)
            )
            self._steps[code] = None if alone else self._called(code)
        return self._steps[code]

    def _called(self, code: Code) -> frozenset[Code]:
        """The functions of the file that a code may call by name."""
        return self._callees(code)[0]

    def _outside_of(self, code: Code, *, modules: bool) -> frozenset[Code]:
        """The functions and classes of other files that a code may call by name, or, with `modules`, at all."""
        names = _leaves(code) if modules else self._callees(code)[1]
        found = (self._names.elsewhere(code, name, modules=modules) for name in names)
        return frozenset(one for one in found if one is not None)

    def _callees(self, code: Code) -> tuple[frozenset[Code], tuple[str, ...]]:
        """The functions of the file that a code may call by name, and what else it calls."""
        known = self._called_by.get(code)
        if known is None:
            here: set[Code] = set()
            outside: dict[str, None] = {}
            for name, call in named_callees(code):
                last = name.rpartition(".")[2]
                if name == _CALLS_BASE:  # of some class or other: all of them would be taken for called
                    continue
                if last in self._by_name:
                    here.update(self._by_name[last])
                elif call is not None:
                    outside[name] = None
            known = self._called_by[code] = frozenset(here), tuple(outside)
        return known


def _leaves(code: Code) -> set[str]:
    """The dotted names in a code object that are no part of longer ones, nor only asked about (`isinstance`)."""
    named = Counter(name for name, call in named_callees(code) if call is None)
    named -= sum((asked_about(inner) for inner in code.walk()), Counter())
    return set(named) - {name.rpartition(".")[0] for name in named}


def _drops(code: Code) -> bool:
    """Whether a function drops what a call returns that is there for nothing else."""
    events = [event for inner in code.walk() for block in inner.blocks for event in block.events]
    dropped = {event.src for event in events if isinstance(event, ev.Discard)}
    return any(
        name.rpartition(".")[2] in _RETURNING | GRAD_MODES and call is not None and call.dst in dropped
        for name, call in named_callees(code)
    )
