"""Grad modes: made, switched at once, and entered and left by hand.

With statements over them are in `managers`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torchmode_lint.analysis import branches, calls
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Identity, Obj, Value
from torchmode_lint.protocol import GradMode, Truth
from torchmode_lint.torch_effects import Effect

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


def _grad_off(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.GradSwitch(GradMode.OFF))


def _grad_on(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.GradSwitch(GradMode.ON))


def _grad_flag(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """`set_grad_enabled(flag)` acts at once and may be a context manager; `inference_mode(flag)` only the latter."""
    inference = name.endswith("inference_mode")
    flag = arguments.get(0, "mode")
    truth = calls.truth_of(flag, Truth.YES)
    if inference:
        modes = {Truth.YES: GradMode.OFF, Truth.NO: GradMode.ON}
        return frame.make(event, r.GradSwitch(modes.get(truth, GradMode.ON | GradMode.OFF)))
    made = frame.make(event, r.GradSwitch({Truth.YES: GradMode.ON, Truth.NO: GradMode.OFF}.get(truth, GradMode.ENTRY)))
    (atom,) = made
    assert isinstance(atom, Obj)
    frame.state.saved[atom.id] = (frame.state.grad, frame.state.grad_why)
    if truth is not Truth.MAYBE or flag is None:
        set_grad(frame, event, GradMode.OFF if truth is Truth.NO else GradMode.ON)
        return made

    def follow(one: Frame, yes: bool) -> None:
        set_grad(one, event, GradMode.ON if yes else GradMode.OFF)
        one.state.heap[atom.id] = r.GradSwitch(GradMode.ON if yes else GradMode.OFF)
        register = getattr(event, "dst", None)
        if register is not None:
            one.set(register, made)

    branches.split(frame, flag, follow)
    return made


def set_grad(frame: Frame, event: Event, mode: GradMode) -> None:
    frame.state.grad = mode
    frame.state.grad_why = frozenset({frame.point(event)})


def method(frame: Frame, event: Event, identity: Identity, record: r.GradSwitch, name: str) -> Value:
    """A grad mode entered and left by hand."""
    if name == "__enter__":
        frame.state.saved[identity] = (frame.state.grad, frame.state.grad_why)
        set_grad(frame, event, record.mode)
    elif name == "__exit__" and identity in frame.state.saved:
        frame.state.grad, frame.state.grad_why = frame.state.saved[identity]
    return frame.unknown(event)


EFFECTS: dict[Effect, Callable[[Frame, Event, str, Arguments], Value]] = {
    Effect.GRAD_OFF: _grad_off,
    Effect.GRAD_ON: _grad_on,
    Effect.GRAD_FLAG: _grad_flag,
}
