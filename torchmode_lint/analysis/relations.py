"""How values are related: whether an optimizer owns parts of a module, and what is computed from what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from torchmode_lint.analysis.records import Module
from torchmode_lint.analysis.values import Expression, Identity, Obj, Path, Site, Value
from torchmode_lint.protocol import Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.state import State


def relation(owns: frozenset[Identity] | None, modules: Iterable[Identity]) -> Truth:
    """Whether an optimizer owns parameters of one of the modules."""
    if owns is None:
        return Truth.MAYBE
    answer = Truth.NO
    for module in modules:
        for owned in owns:
            if _overlap(owned, module):
                return Truth.YES
            if _symbolic(owned) or _symbolic(module):
                answer = Truth.MAYBE
    return answer


def with_parts(state: State, modules: Iterable[Identity]) -> frozenset[Identity]:
    """These modules and all that they hold, which is named after the place where it was made and not after them."""
    found: set[Identity] = set()
    pending = list(modules)
    while pending:
        at = pending.pop()
        if at not in found:
            found.add(at)
            record = state.heap.get(at)
            pending += record.parts if isinstance(record, Module) else ()
    return frozenset(found)


def covered(owns: frozenset[Identity] | None, cleared: Iterable[Identity]) -> bool:
    """Whether all that an optimizer owns surely is among these modules and their parts."""
    if owns is None:
        return False
    whole = [_ancestry(identity)[0] for identity in cleared]
    return all(any(step in whole for step in _ancestry(owned)) for owned in owns)


def _overlap(a: Identity, b: Identity) -> bool:
    """Whether one is a part of the other; the age of what a site makes is left aside."""
    steps_a, steps_b = _ancestry(a), _ancestry(b)
    return steps_a[0] in steps_b or steps_b[0] in steps_a


def _ancestry(identity: Identity) -> list[object]:
    result: list[object] = []
    at: Identity = identity
    while True:
        result.append((at.event, at.context) if isinstance(at, Site) else at)
        if not isinstance(at, Path):
            return result
        at = at.base


def _symbolic(identity: Identity) -> bool:
    """Whether two different names may still mean the same thing."""
    while isinstance(identity, Path):
        identity = identity.base
    return not isinstance(identity, Site)


def shared_facts(mine: Mapping[Value, bool], other: Mapping[Value, bool]) -> dict[Value, bool]:
    """What is known to hold in both of two states.

    Where a condition on a remainder holds in one, and another condition, in its place, in the other: `or` of the two.
    """
    both = {fact: truth for fact, truth in mine.items() if other.get(fact) is truth}
    for one, two in ((mine, other), (other, mine)):
        for fact, truth in one.items():
            if not truth or fact in both or not has_remainder(fact):
                continue
            sides = _operands(fact, "or")
            if any(_holds(two, side) for side in sides):
                both[fact] = True
            elif not sides:
                for instead, holds in two.items():
                    apart = two.get(fact) is False or one.get(instead) is not None
                    if apart and instead != fact and one.get(instead) is not holds and not _operands(instead, "or"):
                        side = instead if holds else _symbol("not", instead)
                        both[_symbol("or", fact, side)] = True
    return both


def _symbol(operator: str, *operands: Value) -> Value:
    return frozenset({Obj(Expression(operator, operands))})


def _holds(facts: Mapping[Value, bool], side: Value) -> bool:
    return facts.get(side) is True or any(facts.get(one) is False for one in _operands(side, "not"))


def _operands(value: Value, operator: str) -> tuple[Value, ...]:
    ids = [atom.id for atom in value if isinstance(atom, Obj)]
    return next((i.operands for i in ids if isinstance(i, Expression) and i.operator == operator), ())


def has_remainder(value: Value) -> bool:
    """Whether a value is computed from a remainder, such as that of a counter."""
    return any(
        isinstance(atom, Obj)
        and isinstance(atom.id, Expression)
        and (atom.id.operator == "%" or any(map(has_remainder, atom.id.operands)))
        for atom in value
    )
