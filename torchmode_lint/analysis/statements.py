"""Statements that are only an expression: whether dropping its value means that nothing happens.

What evaluating the expression does has been interpreted before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import tracking
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.program import NoEffect
from torchmode_lint.analysis.values import Bound, Obj, Path, Tensor
from torchmode_lint.flow import events as ev

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame


def _discard(frame: Frame, event: ev.Discard) -> None:
    atoms = frame.raw(event.src)
    if not frame.run.recording:
        if any(_may_show(frame, event, atom) for atom in atoms):
            frame.run.show()
        return
    for atom in atoms:
        if isinstance(atom, Bound) and isinstance(atom.owner, Tensor) and atom.name == "backward":
            frame.run.program.trained |= tracking.keys(atom.owner.may)
        form = _no_effect(frame, event, atom)
        if form is not None and len(atoms) == 1:
            frame.run.program.no_effects.append(NoEffect(event, frame.context, form[0], form[1]))


_SWITCHES = ("eval", "train", "zero_grad", "step", "backward")


def _no_effect(frame: Frame, event: ev.Discard, atom: v.Atom) -> tuple[str, str] | None:
    """(what, form) where dropping the value means that the statement does nothing."""
    match atom:
        case Bound(Obj(identity), name) if not isinstance(frame.state.heap.get(identity), (r.Sequence, r.Mapping)):
            record = frame.state.heap.get(identity)
            if name in _SWITCHES and isinstance(record, (r.Module, r.Optimizer)):
                return name, "method"
        case Bound(Tensor(), name) if name in ("backward", "detach_", "requires_grad_", "retain_grad"):
            return name, "method"
        case Obj(Path(base, name)) if name in ("eval", "zero_grad"):
            if frame.run.knows(base, "module") or frame.run.knows(base, "zero_grad"):
                return name, "method"
        case Obj(identity) if isinstance(frame.state.heap.get(identity), r.GradSwitch) and isinstance(identity, v.Site):
            made = identity.event
            if isinstance(made, ev.Call) and _is_call_of(event, made) and identity not in frame.state.saved:
                return "", "grad mode"
    return _dropped_call(frame, event)


def _may_show(frame: Frame, event: ev.Discard, atom: v.Atom) -> bool:
    """Whether `_no_effect` may be more than None, in the recording pass."""
    match atom:
        case Bound() | Obj(Path(_, "eval" | "zero_grad")):
            return True
        case Obj(identity) if isinstance(frame.state.heap.get(identity), r.GradSwitch):
            return True
    return _dropped_call(frame, event) is not None


def _is_call_of(event: ev.Discard, made: ev.Call) -> bool:
    return event.src == made.dst


def _dropped_call(frame: Frame, event: ev.Discard) -> tuple[str, str] | None:
    name, synthetic = frame.run.dropped.get((frame.context, event.src), ("", False))
    if not name or frame.guarded or (synthetic and _wakes_a_device(frame, event)):
        return None
    return name, "tensor"


def _wakes_a_device(frame: Frame, event: ev.Discard) -> bool:
    """Whether what is moved and dropped was made right there: nobody could have used it."""
    made = {one.dst: one for block in frame.context.code.blocks for one in block.events if hasattr(one, "dst")}
    call = made[event.src]
    method = made.get(call.func) if isinstance(call, ev.Call) else None
    maker = made.get(method.obj) if isinstance(method, ev.Attribute) else None
    return isinstance(maker, ev.Call)


TRANSFER: dict[type, Callable[[Frame, Any], None]] = {
    ev.Discard: _discard,
}
