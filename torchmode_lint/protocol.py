"""The typestates of PyTorch's protocol, as plain tables: states, the events that move them, broken moves.

Two interpreters step through these tables: the static analysis moves *sets* of states along a
control-flow graph, and the runtime monitor moves single states while a real program runs. Nothing
here knows torch or libcst. Not modelled: the values of gradients, and devices.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, TypeVar

S = TypeVar("S", bound=enum.Flag)


class _States(enum.Flag):
    """Sets of states. Each is one object, so that it can be hashed by what it is and not by its name."""

    __hash__ = object.__hash__


class Mode(_States):
    """`nn.Module.training`; ENTRY is whatever the caller had, or what an unseen call left behind."""

    TRAIN = enum.auto()
    EVAL = enum.auto()
    ENTRY = enum.auto()


class GradMode(_States):
    """Whether autograd records; ENTRY is whatever the caller had."""

    ON = enum.auto()
    OFF = enum.auto()
    ENTRY = enum.auto()


class Gradients(_States):
    """What `.grad` of the parameters of one optimizer holds.

    MIXED is a fresh gradient added to one that a step has already used; it does harm when the next
    step uses it. DISCARDED is a gradient cleared before any step has used it.
    """

    ENTRY = enum.auto()
    CLEAN = enum.auto()
    FILLED = enum.auto()
    STALE = enum.auto()
    MIXED = enum.auto()
    DISCARDED = enum.auto()


class Graph(_States):
    """The graph of one forward: its saved tensors are there (LIVE) or freed by a backward (FREED)."""

    LIVE = enum.auto()
    FREED = enum.auto()


class Truth(_States):
    """A yes-or-no property of which each answer may be possible; the flags are joined by `|`."""

    NO = enum.auto()
    YES = enum.auto()
    MAYBE = NO | YES


@dataclass(frozen=True)
class Table(Generic[S]):
    """One kind of object. A move that is not listed leaves the state as it is."""

    moves: Mapping[tuple[S, str], S]
    broken: Mapping[tuple[S, str], str] = field(default_factory=dict)

    def step(self, states: S, event: str) -> S:
        """The states after `event`, for every state that may hold before it."""
        result: S | None = None
        for state in members(states):
            after = self.moves.get((state, event), state)
            result = after if result is None else result | after
        return states if result is None else result

    def may_break(self, states: S, event: str) -> str | None:
        """The rule that `event` breaks in one of the states, if any."""
        return next((self.broken[state, event] for state in members(states) if (state, event) in self.broken), None)

    def must_break(self, states: S, event: str) -> bool:
        """Whether `event` breaks a rule in every one of the states."""
        return all((state, event) in self.broken for state in members(states))


@lru_cache(maxsize=256)
def members(states: S) -> tuple[S, ...]:
    """The single states of a set, in order of definition."""
    return tuple(state for state in type(states) if state in states)


MODE = Table[Mode](
    moves={
        (Mode.TRAIN, "eval"): Mode.EVAL,
        (Mode.EVAL, "train"): Mode.TRAIN,
        (Mode.ENTRY, "eval"): Mode.EVAL,
        (Mode.ENTRY, "train"): Mode.TRAIN,
    },
    broken={
        (Mode.TRAIN, "evaluated forward"): "TML101",
        (Mode.EVAL, "trained forward"): "TML102",
    },
)

GRAD_MODE = Table[GradMode](
    moves={
        (GradMode.ON, "disable"): GradMode.OFF,
        (GradMode.ENTRY, "disable"): GradMode.OFF,
        (GradMode.OFF, "enable"): GradMode.ON,
        (GradMode.ENTRY, "enable"): GradMode.ON,
    },
    broken={(GradMode.ON, "evaluated forward"): "TML201"},
)

GRADIENTS = Table[Gradients](
    moves={
        (Gradients.ENTRY, "backward"): Gradients.FILLED,
        (Gradients.ENTRY, "step"): Gradients.STALE,
        (Gradients.ENTRY, "zero"): Gradients.CLEAN,
        (Gradients.CLEAN, "backward"): Gradients.FILLED,
        (Gradients.FILLED, "step"): Gradients.STALE,
        (Gradients.FILLED, "zero"): Gradients.DISCARDED,
        (Gradients.STALE, "backward"): Gradients.MIXED,
        (Gradients.STALE, "zero"): Gradients.CLEAN,
        (Gradients.MIXED, "step"): Gradients.STALE,
        (Gradients.MIXED, "zero"): Gradients.DISCARDED,
        (Gradients.DISCARDED, "backward"): Gradients.FILLED,
        (Gradients.DISCARDED, "step"): Gradients.CLEAN,
    },
    broken={
        (Gradients.CLEAN, "step"): "TML303",
        (Gradients.MIXED, "step"): "TML301",
        (Gradients.DISCARDED, "step"): "TML302",
    },
)

GRAPH = Table[Graph](
    moves={(Graph.LIVE, "backward"): Graph.FREED},
    broken={(Graph.FREED, "backward"): "TML401", (Graph.FREED, "retaining backward"): "TML401"},
)
