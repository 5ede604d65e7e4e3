"""Whether gradients that look clean surely are: what may have filled them without the state saying so.

`tracking` moves gradients by what it sees. Here it is noted, on each optimizer, that something unseen may have
gone backward in between; and which unseen things hold a model or an optimizer, so that any later call of
theirs may. Nothing here moves a state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint.analysis import records as r
from torchmode_lint.analysis.relations import relation
from torchmode_lint.analysis.values import Atom, Identity, Obj, Param, Path, Tensor, Value
from torchmode_lint.protocol import Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Arguments, Frame
    from torchmode_lint.flow.events import Event

# objects of libraries that do not touch gradients
_HARMLESS = frozenset({"scheduler", "manager", "suppress"})


def doubt(frame: Frame, identity: Identity | None = None) -> None:
    """From here on it is not known whether the gradients of an optimizer (None: of any) are filled."""
    for key, record in frame.state.heap.items():
        if isinstance(record, r.Optimizer) and not record.doubted and identity in (None, key):
            frame.state.heap[key] = replace(record, doubted=True)


def applied(frame: Frame, event: Event, identity: Identity) -> None:
    """A module is applied while gradients are recorded: whoever owns its parameters has something to wait for."""
    here = frozenset({frame.point(event)})
    for key, record in frame.state.heap.items():
        if isinstance(record, r.Optimizer) and relation(record.owns, [identity]) is Truth.YES:
            if record.applied != here:
                frame.state.heap[key] = replace(record, applied=here)


def handed(frame: Frame, reached: Iterable[Atom], result: Value) -> None:
    """An unseen function got these: it may go backward, and what it returned may later."""
    reached = list(reached)
    if any(_differentiable(atom) for atom in reached):
        doubt(frame)
    if any(_holds(frame, atom) for atom in reached):
        doubt(frame)
        frame.run.carriers.update(atom.id for atom in result if isinstance(atom, Obj))


def through(frame: Frame, identity: Identity, arguments: Arguments) -> None:
    """An unseen method of `identity`, or that itself, is called: it may go backward with what it holds."""
    if _carries(frame, identity) or (isinstance(identity, Path) and identity.step in ("grad", "_grad")):
        doubt(frame)
    elif any(_holds(frame, atom) for value in arguments.all() for atom in frame.reach(value)):
        frame.run.carriers.add(identity)


def through_library(frame: Frame, record: r.Library) -> None:
    """A method of an object of a library that takes over part of the protocol."""
    if record.kind not in _HARMLESS:
        doubt(frame)


def of_gradients(frame: Frame, reached: Iterable[Atom]) -> None:
    """What leaves the protocol alone got these: gradients among them may be written, received or reduced."""
    if any(isinstance(atom, Param) and atom.gradient for atom in reached):
        doubt(frame)


def _differentiable(atom: Atom) -> bool:
    return isinstance(atom, Tensor) and (bool(atom.may) or atom.grad is Truth.YES)


def _holds(frame: Frame, atom: Atom) -> bool:
    """Whether this is, or holds, parameters that a backward may fill."""
    if isinstance(atom, Param):
        return True
    if not isinstance(atom, Obj):
        return False
    record = frame.state.heap.get(atom.id)
    return isinstance(record, (r.Module, r.Optimizer, r.Parameters, r.Groups)) or _carries(frame, atom.id)


def _carries(frame: Frame, identity: Identity) -> bool:
    at = identity
    while at not in frame.run.carriers:
        if not isinstance(at, Path):
            return False
        at = at.base
    return True
