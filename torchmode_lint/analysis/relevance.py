"""Which functions of a file are worth a look, by the names in them and in what they may call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum, auto
from typing import TYPE_CHECKING

from torchmode_lint.analysis.glance import glance
from torchmode_lint.analysis.mentions import (
    ALONE,
    COUNTERS,
    GRAD_MODES,
    MOVES,
    Outside,
    in_namespace,
    leaves,
)
from torchmode_lint.torch_api import told_moves

if TYPE_CHECKING:
    from torchmode_lint.flow.cfg import Code

_MAX_FOLLOWED = 20
_NUMBERS = frozenset({"detach", "cpu", "numpy", "item", "tolist"})  # these take numbers out of a graph
_RETURNING = frozenset({"to", "cuda", "cpu", "clone", "detach"})  # and these matter where what they return is dropped
_DROPPING = _RETURNING | GRAD_MODES
_CALLS_BASE = "?.__init__"  # `super().__init__(..)`
_SWITCHING = frozenset({"eval", "requires_grad_"})


class Kind(Enum):
    """Of whom it is asked. A method of a module may find it in any mode, and its constructor finds none."""

    FUNCTION = auto()
    METHOD = auto()
    CONSTRUCTOR = auto()


class Relevance:
    """Whether functions, or what they may call by name, name a move of the protocol that can be wrong there.

    `by_name` are the functions of the file. In a method of a module, neither a forward of a part nor a grad mode says
    anything by itself; elsewhere they do where the mode of some module may be known, or its gradients; always, without
    `knowing`. Nothing is lowered for it.
    """

    def __init__(self, by_name: dict[str, list[Code]], names: Outside, kind: Kind, *, knowing: bool = True) -> None:
        self._by_name = by_name
        self._names = names
        self._knowing_only = knowing and kind is Kind.FUNCTION
        self._own = MOVES | _NUMBERS if kind is Kind.FUNCTION else MOVES - COUNTERS
        self._alone = ALONE | told_moves()
        if kind is not Kind.FUNCTION:
            self._alone -= GRAD_MODES
        if kind is Kind.CONSTRUCTOR:
            self._alone -= _SWITCHING
        self._steps: dict[Code, tuple[Code, ...] | None] = {}
        self._called_by: dict[Code, tuple[tuple[Code, ...], tuple[str, ...]]] = {}
        self._nothing: set[Code] = set()  # lead nowhere
        self._nothing_here: set[Code] = set()  # lead nowhere within the file
        self._knowing: dict[Code, bool] = {}

    def of(self, code: Code, made_by: Iterable[Code] = ()) -> bool:
        """Whether a function is worth a look; `made_by` are the constructors of the object that it is a method of."""
        if not _DROPPING.isdisjoint(glance(code).dropped):
            return True
        return self.may_be(code) and (not self._knowing_only or self.may_know(code, made_by))

    def may_be(self, code: Code) -> bool:
        """Whether it would be, whatever is known there; what is of no kind of function is of none."""
        seen = glance(code)
        dropped = not _DROPPING.isdisjoint(seen.dropped)
        return dropped or not self._own.isdisjoint(seen.lasts) or self._leads_there(code)

    def _leads_there(self, code: Code) -> bool:
        """Whether a function, or what it may call by name, names the protocol."""
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
                steps = (*steps, *self._outside_of(at, modules=False))
            nothing = self._nothing if looked_at < _MAX_FOLLOWED else self._nothing_here
            new = [one for one in dict.fromkeys(steps) if one not in seen and one not in nothing]
            seen.update(new)
            pending += new
        self._nothing_here |= seen
        if looked_at <= _MAX_FOLLOWED:  # all that is there has been seen
            self._nothing |= seen
        return False

    def may_know(self, code: Code, made_by: Iterable[Code] = ()) -> bool:
        """Whether the mode of a module, or gradients, may be known in a function or in what it may call by name."""
        pending = [code, *made_by]
        seen = set(pending)
        looked_at = 0
        while pending:
            at = pending.pop()
            if self._knows(at):
                return True
            looked_at += 1
            steps = self._called(at)
            if looked_at <= _MAX_FOLLOWED:
                steps = (*steps, *self._outside_of(at, modules=True))
            new = [one for one in dict.fromkeys(steps) if one not in seen]
            pending += new
            seen.update(new)
        return False

    def _knows(self, code: Code) -> bool:
        known = self._knowing.get(code)
        if known is None:
            known = self._knowing[code] = any(_moves(*named) for named in glance(code).names) or any(
                self._names.may_make_modules(code, name) for name in leaves(glance(code))
            )
        return known

    def _steps_of(self, code: Code) -> tuple[Code, ...] | None:
        """The functions of the file that a code may call by name; None where it names the protocol itself."""
        if code not in self._steps:
            alone = any(self._alone.intersection(decorator.split(".")) for decorator in code.decorators) or any(
                name.rpartition(".")[2] in self._alone or in_namespace(name) for name, _ in glance(code).names
            )
            self._steps[code] = None if alone else self._called(code)
        return self._steps[code]

    def _called(self, code: Code) -> tuple[Code, ...]:
        """The functions of the file that a code may call by name."""
        return self._callees(code)[0]

    def _outside_of(self, code: Code, *, modules: bool) -> Iterator[Code]:
        """The functions and classes of other files that a code may call by name, or, with `modules`, at all."""
        names = leaves(glance(code)) if modules else self._callees(code)[1]
        found = (self._names.elsewhere(code, name, modules=modules) for name in names)
        return (one for one in found if one is not None)

    def _callees(self, code: Code) -> tuple[tuple[Code, ...], tuple[str, ...]]:
        """The functions of the file that a code may call by name, and what else it calls."""
        known = self._called_by.get(code)
        if known is None:
            here: dict[Code, None] = {}
            outside: dict[str, None] = {}
            for name, is_called in glance(code).names:
                last = name.rpartition(".")[2]
                if name == _CALLS_BASE:  # of some class or other: all of them would be taken for called
                    continue
                if last in self._by_name:
                    here |= dict.fromkeys(self._by_name[last])
                elif is_called:
                    outside[name] = None
            known = self._called_by[code] = tuple(here), tuple(outside)
        return known


def _moves(name: str, is_called: bool) -> bool:
    """Whether a name says something of the mode of a module, or of gradients."""
    last = name.rpartition(".")[2]
    return (
        (last in ALONE and last not in GRAD_MODES)
        or (last in MOVES and (is_called or last not in COUNTERS))
        or in_namespace(name)
        or last in told_moves()
    )


def calls_several(method: Code, own: set[str]) -> bool:
    """Whether a method of a base class calls two or more of these; one that is put off is only lowered if it may."""
    if method.kind != "function" or method.name == "__init__" or f"self.{method.name}" in own:
        return False
    if method.text and sum(name.removeprefix("self.") in method.text for name in own) < 2:
        return False
    return len(own.intersection(glance(method).called)) > 1


def by_name(*files: Code) -> dict[str, list[Code]]:
    """The functions of files that are in no other function."""
    found: dict[str, list[Code]] = {}
    for code in (code for file in files for code in functions(file)):
        found.setdefault(code.name, []).append(code)
    return found


def functions(code: Code) -> Iterator[Code]:
    """The functions in a code that are in no other function."""
    for inner in code.codes:
        if inner.kind == "function":
            yield inner
        else:
            yield from functions(inner)
