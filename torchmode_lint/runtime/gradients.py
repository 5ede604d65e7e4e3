"""`.grad` of the parameters of every optimizer, stepped through the table of gradients.

Each parameter has a state of its own for each optimizer that owns it; what an optimizer as a whole does is decided
by the parameter that has got worst. A gradient that is cleared by hand is noticed at the next event, by its version
or its absence. Nothing here holds a tensor: parameters are known by the optimizers, which are held weakly.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from torchmode_lint.protocol import GRADIENTS, Gradients
from torchmode_lint.runtime.observed import Broken, GradientEvent
from torchmode_lint.runtime.places import Chain

_read_grad = torch.Tensor.grad.__get__
Stamp = tuple[int, int] | None  # which tensor a gradient is, and how often it was written
# of the states of the parameters of one optimizer, the first that occurs is that of the whole
_WORST = (Gradients.MIXED, Gradients.FILLED, Gradients.DISCARDED, Gradients.ENTRY, Gradients.STALE, Gradients.CLEAN)
_EMPTY = (Gradients.CLEAN, Gradients.DISCARDED)
_WHAT = {
    "TML301": "gradients of a step before are in it",
    "TML302": "gradients cleared here before a step could use them",
    "TML303": "a step with no new gradients",
}


@dataclass(slots=True)
class _Owned:
    """The gradients of one optimizer: by the id of each parameter its state, and what it was when last seen."""

    states: dict[int, Gradients] = field(default_factory=dict)
    stamps: dict[int, Stamp] = field(default_factory=dict)
    mixed_at: Chain = ()
    cleared_at: Chain = ()

    def whole(self) -> Gradients:
        present = set(self.states.values())
        return next((state for state in _WORST if state in present), Gradients.CLEAN)


def stamp(parameter: torch.Tensor) -> Stamp:
    grad = _read_grad(parameter)
    return None if grad is None else (id(grad), grad._version)


@dataclass(slots=True, eq=False)
class GradientWatch:
    """The optimizers that are alive, and what has happened to them."""

    events: Counter[tuple[str, Chain, str, Gradients]] = field(default_factory=Counter)
    broken: Counter[tuple[str, Chain, str]] = field(default_factory=Counter)
    _owned: weakref.WeakKeyDictionary[torch.optim.Optimizer, _Owned] = field(default_factory=weakref.WeakKeyDictionary)

    def add(self, optimizer: torch.optim.Optimizer) -> _Owned:
        """Know an optimizer and all its parameters."""
        owned = self._owned.setdefault(optimizer, _Owned())
        for parameter in parameters_of(optimizer):
            if id(parameter) not in owned.states:
                now = stamp(parameter)
                owned.states[id(parameter)] = Gradients.CLEAN if now is None else Gradients.ENTRY
                owned.stamps[id(parameter)] = now
        return owned

    def notice_changes(self, chain: Chain) -> set[int]:
        """Step those gradients that have been cleared or written by hand since the last event, at `chain` perhaps.

        Returns the ids of the parameters that have lost a gradient.
        """
        lost: set[int] = set()
        for optimizer, owned in list(self._owned.items()):
            before, cleared = owned.whole(), False
            for parameter in parameters_of(optimizer):
                at = id(parameter)
                now, last = stamp(parameter), owned.stamps.get(at)
                if now == last:
                    continue
                owned.stamps[at] = now
                state = owned.states.get(at, Gradients.CLEAN)
                if _is_cleared(parameter):
                    cleared = cleared or state is not Gradients.CLEAN
                    after = GRADIENTS.step(state, "zero")
                    if after is Gradients.DISCARDED and after is not state:
                        owned.cleared_at = chain
                    owned.states[at] = after
                    lost.add(at)
                elif state in _EMPTY or (now and last and now[0] != last[0]):  # put there by hand, all of it
                    owned.states[at] = Gradients.FILLED
            if cleared:
                self.events["zero", chain, type(optimizer).__name__, before] += 1
        return lost

    def accumulated(self, chain: Chain) -> None:
        """A backward has ended: step those whose gradients it has written."""
        for optimizer, owned in list(self._owned.items()):
            before, filled = owned.whole(), False
            for parameter in parameters_of(optimizer):
                at = id(parameter)
                now = stamp(parameter)
                if now == owned.stamps.get(at):
                    continue
                owned.stamps[at] = now
                filled = True
                owned.states[at] = GRADIENTS.step(owned.states.get(at, Gradients.CLEAN), "backward")
            if filled:
                self.events["backward", chain, type(optimizer).__name__, before] += 1
                if owned.whole() is Gradients.MIXED and before is not Gradients.MIXED:
                    owned.mixed_at = chain

    def known(self) -> set[int]:
        """The ids of all parameters that an optimizer owns."""
        return {at for owned in self._owned.values() for at in owned.states}

    def step(self, optimizer: torch.optim.Optimizer, chain: Chain) -> None:
        """An optimizer is about to use its gradients."""
        owned = self.add(optimizer)
        whole = owned.whole()
        self.events["step", chain, type(optimizer).__name__, whole] += 1
        rule = GRADIENTS.may_break(whole, "step")
        if rule is not None:
            where = {"TML301": owned.mixed_at, "TML302": owned.cleared_at}.get(rule, chain)
            self.broken[rule, where or chain, _WHAT[rule]] += 1
        for at, state in owned.states.items():
            owned.states[at] = GRADIENTS.step(state, "step")

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """What the step itself has done to the gradients is not the user's doing."""
        owned = self.add(optimizer)
        for parameter in parameters_of(optimizer):
            owned.stamps[id(parameter)] = stamp(parameter)

    def summary(self) -> tuple[GradientEvent, ...]:
        return tuple(GradientEvent(*key, times) for key, times in self.events.items())

    def broken_moves(self) -> list[Broken]:
        return [Broken(*key, times) for key, times in self.broken.items()]


def parameters_of(optimizer: torch.optim.Optimizer) -> Iterator[torch.Tensor]:
    for group in optimizer.param_groups:
        yield from _tensors(group["params"])


def _tensors(values: Any) -> Iterator[torch.Tensor]:  # noqa: ANN401 - what an optimizer was given
    return (value for value in values if isinstance(value, torch.Tensor))


def _is_cleared(parameter: torch.Tensor) -> bool:
    grad = _read_grad(parameter)
    if grad is None:
        return True
    if grad.is_sparse or grad.device.type == "meta":
        return False
    return not bool(grad.any())
