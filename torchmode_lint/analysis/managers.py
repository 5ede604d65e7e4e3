"""With statements, and functions that are left and resumed: generators and `await`.

The grad modes of torch are entered and left here; made they are in `library`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torchmode_lint.analysis import calls, doubts, gradients, modes
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Obj, Value
from torchmode_lint.flow import events as ev
from torchmode_lint.protocol import GradMode

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame


def _enter(frame: Frame, event: ev.Enter) -> None:
    managers = frame.get(event.manager)
    state = frame.state
    state.env[frame.context.code.scope, event.manager] = managers
    before = (state.grad, state.grad_why)
    result = managers
    switched: list[GradMode] = []
    for atom in managers:
        record = state.heap.get(atom.id) if isinstance(atom, Obj) else None
        if isinstance(record, r.GradSwitch):
            assert isinstance(atom, Obj)
            before = state.saved.get(atom.id, before)
            switched.append(state.grad if record.mode is GradMode.ENTRY else record.mode)
        elif isinstance(record, r.Resumable):
            result = _enter_generator(frame, event, record)
            if isinstance(atom, Obj):
                before = state.saved.get(atom.id, before)
        elif isinstance(record, r.Instance):
            method = record.cls.method("__enter__")
            if method is not None and isinstance(atom, Obj):
                result = calls.call_method(frame, event, method, atom.id, Arguments())
        else:
            switched.append(before[0])
    if switched and any(mode is not before[0] for mode in switched):
        mode = switched[0]
        for other in switched[1:]:
            mode |= other
        frame.state.grad, frame.state.grad_why = mode, frozenset({frame.point(event)})
    frame.state.saved[event] = before
    frame.set(event.dst, result)


def _enter_generator(frame: Frame, event: ev.Event, record: r.Resumable) -> Value:
    """Run a `@contextmanager` function to its yield."""
    activation = frame.run.solve(record.context, frame.state, to_yield=True)
    outcomes = [o for o in activation.outcomes if o.block is not None]
    if not outcomes:
        return v.TOP
    loops = frame.state.loops
    frame.state = outcomes[0].state.copy()
    for other in outcomes[1:]:
        frame.state.join(other.state)
    frame.state.loops = dict(loops)
    return v.join_all(o.value for o in outcomes)


def _leave(frame: Frame, event: ev.Leave) -> None:
    managers = frame.state.env.get((frame.context.code.scope, event.manager), v.EMPTY)
    for atom in managers:
        record = frame.state.heap.get(atom.id) if isinstance(atom, Obj) else None
        if isinstance(record, r.Resumable):
            _leave_generator(frame, record)
        elif isinstance(record, r.Instance):
            method = record.cls.method("__exit__")
            if method is not None and isinstance(atom, Obj):
                calls.call_method(frame, event, method, atom.id, Arguments((v.NONE, v.NONE, v.NONE)))
        elif isinstance(record, r.Module):  # lent by what put it into another mode, and may put it back
            assert isinstance(atom, Obj)
            modes.blur_mode(frame, atom.id)
    saved = frame.state.saved.get(event.enter)
    if saved is not None:
        frame.state.grad, frame.state.grad_why = saved


def _leave_generator(frame: Frame, record: r.Resumable) -> None:
    """Run a `@contextmanager` function on from its yield to its end."""
    resume = [
        block.successors()[0]
        for block in record.code.blocks
        if block.events and isinstance(block.events[-1], ev.Yield) and block.successors()
    ]
    if not resume:
        return
    activation = frame.run.solve(record.context, frame.state, start=resume[0])
    if activation.outcomes:
        loops = frame.state.loops
        frame.state = activation.outcomes[0].state.copy()
        for other in activation.outcomes[1:]:
            frame.state.join(other.state)
        frame.state.loops = dict(loops)


def _await(frame: Frame, event: ev.Await) -> None:
    doubts.doubt(frame)
    frame.set(event.dst, frame.get(event.src))


def _yield(frame: Frame, event: ev.Yield) -> None:
    value = frame.get(event.src)
    if frame.run.active:
        activation = frame.run.active[-1]
        activation.yielded = v.join(activation.yielded, value)
    if any(t.may for t in frame.tensors(value)):
        gradients.touch_gradients(frame)  # a loss, as it seems: whoever resumes this clears and fills
    doubts.doubt(frame)  # whoever resumes this may have gone backward
    frame.set(event.dst, frame.unknown(event))


TRANSFER: dict[type, Callable[[Frame, Any], None]] = {
    ev.Enter: _enter,
    ev.Leave: _leave,
    ev.Await: _await,
    ev.Yield: _yield,
}
