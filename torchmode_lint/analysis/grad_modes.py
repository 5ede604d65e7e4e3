"""Grad modes entered and left by hand.

With statements over them are in `managers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchmode_lint.analysis import library
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis.values import Identity, Value

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


def method(frame: Frame, event: Event, identity: Identity, record: r.GradSwitch, name: str) -> Value:
    """A grad mode entered and left by hand."""
    if name == "__enter__":
        frame.state.saved[identity] = (frame.state.grad, frame.state.grad_why)
        library.set_grad(frame, event, record.mode)
    elif name == "__exit__" and identity in frame.state.saved:
        frame.state.grad, frame.state.grad_why = frame.state.saved[identity]
    return frame.unknown(event)
