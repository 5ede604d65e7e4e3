"""Methods of the parameters of modules and of their gradients, read or written one by one.

What an optimizer does to them is in `optimizers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchmode_lint.analysis import calls, gradients, modes, unknown_calls
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Expression, Identity, Obj, Param, Value
from torchmode_lint.protocol import Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


def method(frame: Frame, event: Event, owner: Param, name: str, arguments: Arguments) -> Value:
    if owner.gradient:
        if name in ("zero_", "detach_") or (name == "fill_" and not v.constant(arguments.first, 1)):
            if name != "detach_":
                zero_owner(frame, event, owner.owner)
        elif name.endswith("_"):
            gradients.touch_gradients(frame)
        return v.just(owner)
    if name == "requires_grad_":
        modes.freeze_owner(frame, owner.owner, calls.truth_of(arguments.get(0, "requires_grad"), Truth.YES))
        return v.just(owner)
    if name == "grad":
        return v.just(Param(owner.owner, True))
    if name.endswith("_") and any(mentions_gradient(value) for value in arguments.all()):
        gradients.step_by_hand(frame, event, owner.owner)
    unknown_calls.call(frame, event, arguments, neutral=True)
    return v.just(owner)


def mentions_gradient(value: Value) -> bool:
    """Whether the gradient of a parameter goes into a value."""
    return any(
        (isinstance(atom, Param) and atom.gradient)
        or (
            isinstance(atom, Obj)
            and isinstance(atom.id, Expression)
            and any(mentions_gradient(operand) for operand in atom.id.operands)
        )
        for atom in value
    )


def zero_owner(frame: Frame, event: Event, identity: Identity) -> None:
    """The gradient of a parameter is cleared by hand: of an optimizer's groups, or of a module."""
    if isinstance(frame.state.heap.get(identity), r.Optimizer):
        gradients.zero(frame, event, identity)
    else:
        gradients.zero(frame, event, None, identity)
