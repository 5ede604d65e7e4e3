"""A code object solved from one entry state: its states at each block, and its ways out.

How they are found is up to `interpreter`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchmode_lint.analysis import values as v

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchmode_lint.analysis.state import Signature, State
    from torchmode_lint.analysis.values import Context, Site, Value
    from torchmode_lint.flow.cfg import Block


@dataclass(slots=True)
class Outcome:
    """One way out of a code object: the state there and the value returned (or yielded, at `block`)."""

    state: State
    value: Value
    block: Block | None = None

    def join(self, other: Outcome) -> None:
        """Cover the other way out too; the values are joined as a variable of the states would be."""
        slot = (-1, 0)
        self.state.env[slot], other.state.env[slot] = self.value, other.value
        self.state.join(other.state)
        self.value = self.state.env.pop(slot)
        del other.state.env[slot]


def joined(outcomes: Sequence[Outcome]) -> State:
    """The state after a code object, whichever way it was left."""
    state = outcomes[0].state.copy()
    for outcome in outcomes[1:]:
        state.join(outcome.state)
    return state


@dataclass(slots=True, eq=False)
class Activation:
    """A code object solved from one entry state in one context."""

    context: Context
    entry: State
    start: Block
    to_yield: bool
    table: dict[Block, list[State]] = field(default_factory=dict)
    signatures: dict[Block, list[Signature]] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    yielded: Value = v.EMPTY
    made: set[Site] = field(default_factory=set)
    shows: bool = False  # whether there is anything to record in it
    recorded: bool = False
    began: int = 0  # the steps of the root before it was last entered

    def may_grow(self, entry: State) -> bool:
        """Whether another entry state says the same of the protocol and of all that conditions may ask for.

        It is then the state of an earlier call that has grown since, and is solved by going on from there.
        """
        mine = self.entry
        return (
            mine.outer == entry.outer
            and entry.facts.items() <= mine.facts.items()
            and _told(mine) == _told(entry)
            and mine.signature() == entry.signature()
            and mine.unify(entry) is entry
        )


def _told(state: State) -> dict[object, Value]:
    """The names that stand for something known for sure: constants, functions, classes."""
    return {
        slot: value
        for slot, value in state.env.items()
        if any(isinstance(atom, (v.Const, v.Func, v.Cls, v.Ext)) for atom in value)
    }
