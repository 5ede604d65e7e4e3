"""Forwards of live modules, from the call to the end of their graph: trained, or only evaluated.

A forward is the outermost call of a module that the user's code makes. Its graph is watched by an object that the
node of the output holds: it is told of every backward, and dies with the graph. Nothing here holds a tensor,
a graph or a module. Forwards made again inside a backward (checkpointing) are not looked at.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from torchmode_lint.protocol import GRAD_MODE, GRAPH, MODE, GradMode, Graph, Mode
from torchmode_lint.runtime.observed import Broken, Forwards
from torchmode_lint.runtime.parts import Parts, mode_of, tensors_in
from torchmode_lint.runtime.places import Chain, Places

KEPT_TURNS = 2  # later forwards from the same place that a graph outlives, before it counts as kept
KEPT_GRAPHS = 2  # graphs of one place that are kept so long at one time, before they are a leak
IN_A_ROW = 2  # evaluated forwards in a row, where others from the same place in the same modes are trained


@dataclass(slots=True, eq=False)
class Spot:
    """What is known of the forwards of one module from one place, in the same modes."""

    chain: Chain
    module: str
    mode: Mode
    parts: Mode
    grad: GradMode
    graph: bool
    total: int = 0
    trained: int = 0
    evaluated: int = 0
    leaked: int = 0
    leaked_walked: int = 0
    left_over: int = 0
    unowned: int = 0
    row: int = 0  # evaluated ones in a row, until now
    longest: int = 0


@dataclass(slots=True, eq=False)
class Forward:
    """One forward whose graph is alive."""

    spot: Spot
    owner: weakref.ref[nn.Module]
    left_over: bool  # in eval mode, after the module was trained in train mode, or evaluated in eval mode
    needed: bool  # an input requires grad, so that the graph is walked for its sake
    graph: Graph = Graph.LIVE
    walked: bool = False
    last: int = 0  # how many of its spot there were at its last backward


class _Watch:
    """Held by the node of an output, called before a backward passes it; it dies with the graph."""

    __slots__ = ("__weakref__", "forward", "tell")

    def __init__(self, forward: Forward, tell: Callable[[Forward], None]) -> None:
        self.forward, self.tell = forward, tell

    def __call__(self, gradients: object) -> None:
        self.tell(self.forward)


@dataclass(slots=True)
class _Past:
    trained_in_train: bool = False
    evaluated_in_eval: bool = False


@dataclass(slots=True, eq=False)
class ForwardWatch:
    """The hooks' side: what is called before and after each module runs."""

    places: Places
    spots: dict[tuple[Any, ...], Spot] = field(default_factory=dict)
    running: list[nn.Module] = field(default_factory=list)  # the modules that are running, outermost first
    walking: list[Forward] | None = None  # those that the backward under way has reached
    drops: Counter[tuple[Chain, str]] = field(default_factory=Counter)  # dropouts that ignore the mode
    walks: Counter[tuple[Chain, Chain, Graph]] = field(default_factory=Counter)
    awaiting: list[Forward] = field(default_factory=list)  # trained in eval mode, unless no optimizer steps for it
    _parts: Parts = field(default_factory=Parts)
    _chain: Chain = ()
    _at: int = 0  # tells two calls on one line apart
    _modes: tuple[Mode, Mode, GradMode] | None = None
    _alive: dict[int, tuple[weakref.ref[_Watch], Forward]] = field(default_factory=dict)
    _past: weakref.WeakKeyDictionary[nn.Module, _Past] = field(default_factory=weakref.WeakKeyDictionary)

    def before(self, module: nn.Module, inputs: object) -> None:
        if not self.running and self.walking is None:
            chain = self.places.here()
            if chain:
                self._chain, self._at = chain, self.places.at
                grad = GradMode.ON if torch.is_grad_enabled() else GradMode.OFF
                self._modes = (mode_of(module), self._parts.modes(module), grad)
        elif module.training and self.running and isinstance(module, _DropoutNd):
            around = self.running[-1]
            if not around.training and all(part is not module for part in around.modules()):
                self.drops[self.places.here(), f"`{type(module).__name__}` is built in a module in eval mode"] += 1
        self.running.append(module)

    def after(self, module: nn.Module, inputs: object, outputs: object) -> None:
        if self.running:
            self.running.pop()
        if self.running:
            return
        modes, self._modes = self._modes, None
        if modes is None or outputs is None:
            return
        mode, parts, grad = modes
        made = [tensor.grad_fn for tensor in tensors_in(outputs) if tensor.grad_fn is not None]
        key = (self._chain, self._at, type(module), id(module), mode, parts, grad, bool(made))
        spot = self.spots.get(key)
        if spot is None:
            spot = self.spots[key] = Spot(self._chain, type(module).__name__, mode, parts, grad, bool(made))
        spot.total += 1
        past = self._past.setdefault(module, _Past())
        if not made:
            self._evaluated(spot, past)
            return
        left_over = mode is Mode.EVAL and (past.trained_in_train or past.evaluated_in_eval)
        needed = any(tensor.requires_grad for tensor in tensors_in(inputs))
        forward = Forward(spot, weakref.ref(module), left_over, needed, last=spot.total)
        watch = _Watch(forward, self._walked)
        for node in made[:8]:
            node.register_prehook(watch)
        at = id(watch)
        self._alive[at] = (weakref.ref(watch, lambda _: self._died(at)), forward)

    def _walked(self, forward: Forward) -> None:
        """A backward passes the output of a forward."""
        if self.walking is not None and forward not in self.walking:
            self.walking.append(forward)

    def close_backward(self, walked: list[Forward], chain: Chain, retaining: bool) -> None:
        """A backward has gone through the graphs of these forwards."""
        for forward in walked:
            self.walks[chain, forward.spot.chain, forward.graph] += 1
            forward.graph = GRAPH.step(forward.graph, "retaining backward" if retaining else "backward")
            forward.last = forward.spot.total
            if forward.walked:
                continue
            forward.walked = True
            forward.spot.trained += 1
            forward.spot.row = 0
            if forward.spot.mode is Mode.EVAL:
                self.awaiting.append(forward)
            module = forward.owner()
            if module is not None and forward.spot.mode is Mode.TRAIN:
                self._past.setdefault(module, _Past()).trained_in_train = True

    def _died(self, at: int) -> None:
        """The graph of a forward is gone."""
        if at in self._alive:
            self._settle(self._alive[at][1])
            del self._alive[at]

    def _settle(self, forward: Forward) -> None:
        spot = forward.spot
        if _is_kept(forward):
            kept = [one for _, one in self._alive.values() if one.spot is spot and _is_kept(one)]
            if len(kept) >= KEPT_GRAPHS:
                spot.leaked = max(spot.leaked, len(kept))
                spot.leaked_walked += forward.walked
        if not forward.walked:
            module = forward.owner()
            self._evaluated(spot, self._past.setdefault(module, _Past()) if module is not None else _Past())

    @staticmethod
    def _evaluated(spot: Spot, past: _Past) -> None:
        spot.evaluated += 1
        spot.row += 1
        spot.longest = max(spot.longest, spot.row)
        if spot.mode is Mode.EVAL:
            past.evaluated_in_eval = True

    def close(self, *, complete: bool) -> None:
        """The run is over; where it ended by itself, no backward will reach what is still alive."""
        if complete:
            for at in list(self._alive):
                self._died(at)
        self._alive.clear()

    def summary(self) -> tuple[Forwards, ...]:
        """The forwards by place, module class and modes."""
        sums: dict[tuple[Any, ...], list[int]] = {}
        for each in self.spots.values():
            key = (each.chain, each.module, each.mode, each.parts, each.grad, each.graph)
            counts = sums.setdefault(key, [0, 0, 0])
            for at, count in enumerate((each.total, each.trained, each.evaluated)):
                counts[at] += count
        return tuple(Forwards(*key, *counts) for key, counts in sums.items())

    def broken(self) -> list[Broken]:
        """The broken moves of modes and graphs, for which one has to know which forwards were trained."""
        found = [Broken("TML103", chain, what, times) for (chain, what), times in self.drops.items() if chain]
        for spot in self.spots.values():
            evaluated = spot.evaluated if not spot.trained or spot.longest >= IN_A_ROW else 0
            rule = MODE.may_break(spot.parts, "evaluated forward")
            if rule and evaluated:
                found.append(Broken(rule, spot.chain, f"`{spot.module}` evaluated in train mode", evaluated))
            rule = GRAD_MODE.may_break(spot.grad, "evaluated forward")
            if rule and evaluated and spot.graph:
                found.append(Broken(rule, spot.chain, f"a graph of `{spot.module}` that no backward walks", evaluated))
            if rule and spot.unowned:
                what = f"the graph of `{spot.module}`, which no optimizer owns, is walked for no input"
                found.append(Broken(rule, spot.chain, what, spot.unowned))
            if spot.leaked:
                kind = "after its backward" if spot.leaked_walked else "that no backward walks"
                found.append(Broken("TML403", spot.chain, f"graphs of `{spot.module}` kept {kind}", spot.leaked))
            rule = MODE.may_break(spot.mode, "trained forward")
            if rule and spot.left_over and Mode.EVAL in spot.parts:
                what = f"`{spot.module}` trained in eval mode"
                found.append(Broken(rule, spot.chain, what, spot.left_over))
        return found

    def dropout(self, training: bool, rate: float, told: bool) -> None:
        """A function that drops is called: does it heed the mode of the module that runs, where it was `told` any?"""
        if not self.running or rate <= 0 or training == self.running[-1].training:
            return
        if training:
            self.drops[self.places.here(), "it drops in a module in eval mode"] += 1
        elif not told:
            self.drops[self.places.here(), "it drops nothing in a module in train mode"] += 1

    def stepped(self, owned: set[int], known: set[int]) -> None:
        """An optimizer steps that owns the parameters of these ids; `known` are those of all optimizers."""
        for forward in self.awaiting:
            module = forward.owner()
            mine = {id(one) for one in module.parameters() if one.requires_grad} if module is not None else set()
            if forward.left_over and mine & owned:
                forward.spot.left_over += 1
            elif mine and not forward.needed and not mine & known:
                forward.spot.unowned += 1
        self.awaiting.clear()

    def cleared(self, parameters: set[int]) -> None:
        """The gradients of these parameters are gone before a step has used them."""
        kept = []
        for forward in self.awaiting:
            module = forward.owner()
            if module is not None and not any(id(one) in parameters for one in module.parameters()):
                kept.append(forward)
        self.awaiting = kept


def _is_kept(forward: Forward) -> bool:
    return forward.spot.total - forward.last >= KEPT_TURNS
