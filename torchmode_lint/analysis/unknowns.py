"""Methods of receivers that are unknown: the few names that belong to the protocol mean what they always mean.

The use is remembered as evidence of what the receiver is; what is known once and for all is in `methods`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchmode_lint import torch_methods as named
from torchmode_lint.analysis import (
    calls,
    doubts,
    gradients,
    inlining,
    methods,
    modes,
    optimizers,
    tracking,
    unknown_calls,
)
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Const, Expression, Func, Identity, Obj, Path, Tensor, Tup, Value
from torchmode_lint.protocol import Mode, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


def method(frame: Frame, event: Event, identity: Identity, name: str, arguments: Arguments, dst: int | None) -> Value:
    """A method of something unknown: the names of the protocol mean what they always mean."""
    run, me = frame.run, v.just(Obj(identity))
    plain = not arguments.positional and not arguments.rest
    if name == "eval" and plain and not arguments.keywords:
        run.learn(identity, "module")
        modes.set_mode(frame, identity, Mode.EVAL, event)
        return me
    if name == "train" and (plain or _is_flag(arguments)) and set(arguments.keywords) <= {"mode"}:
        methods.switch(frame, event, identity, name, arguments)
        return me
    if name in named.CLEARING:
        return _unknown_zero_grad(frame, event, identity)
    if name == "step":
        return _unknown_step(frame, event, identity, arguments)
    if name in named.BACKWARD_METHODS:
        gradients.backward(frame, event, arguments.first if not plain else me, _retains(arguments))
        if not plain:
            gradients.touch_gradients(frame)
        return v.NONE
    if name in named.MODULE_EVIDENCE and name != "load_state_dict":
        run.learn(identity, "module")
        modes.ensure_module(frame, identity)
        return methods.call(frame, event, Obj(identity), name, arguments, dst)
    if name in ("to", "cuda", "cpu", "float", "double", "half") and _is_placed(identity):
        return me
    if name == "load_state_dict":
        return frame.unknown(event)
    if name in ("requires_grad_", "retain_grad"):
        modes.ask(frame, identity)
        modes.thaw_around(frame, identity)
        return me
    if name in ("item", "detach") and plain and not arguments.keywords:
        return v.just(Tensor(leaf=Truth.YES, grad=Truth.NO, exact=name == "detach", made=event))
    if name == "scale":
        return arguments.first
    if name == "prepare" and arguments.positional:
        return arguments.positional[0] if len(arguments.positional) == 1 else v.just(Tup(arguments.positional))
    if run.knows(identity, "module"):
        record = modes.ensure_module(frame, identity)
        return methods.module_method(frame, event, identity, record, name, arguments)
    if _is_open_self(frame, identity):
        _blur_self(frame, identity)
    doubts.through(frame, identity, arguments)
    return unknown_calls.call(frame, event, arguments)


def _retains(arguments: Arguments) -> Truth:
    return calls.truth_of(arguments.keywords.get("retain_graph"), Truth.NO)


def _is_flag(arguments: Arguments) -> bool:
    if len(arguments.positional) != 1 or arguments.rest:
        return False
    atom = v.single(arguments.positional[0])
    return (isinstance(atom, Const) and isinstance(atom.value, bool)) or isinstance(atom, Obj)


def _is_placed(identity: Identity) -> bool:
    return not isinstance(identity, Expression)


def _is_open_self(frame: Frame, identity: Identity) -> bool:
    record = frame.state.heap.get(identity)
    return isinstance(record, (r.Instance, r.Module)) and record.cls is not None and record.cls.is_open


def _blur_self(frame: Frame, identity: Identity) -> None:
    for (owner, _), value in list(frame.state.attrs.items()):
        if owner == identity:
            for atom in frame.reach(value):
                if isinstance(atom, Obj):
                    modes.blur_mode(frame, atom.id)
    for key in list(frame.state.heap):
        if isinstance(key, Path) and key.base == identity:
            modes.blur_mode(frame, key)


def instance_method(
    frame: Frame, event: Event, identity: Identity, record: r.Instance, name: str, arguments: Arguments
) -> Value:
    if record.cls.is_open or name in named.BACKWARD_METHODS:
        if name in named.BACKWARD_METHODS:
            gradients.backward(frame, event, arguments.first, Truth.MAYBE)
        _blur_self(frame, identity)
    return unknown_calls.call(frame, event, arguments)


def _unknown_zero_grad(frame: Frame, event: Event, identity: Identity) -> Value:
    if optimizers.noted(frame, identity, "zero_grad"):
        gradients.zero(frame, event, identity)
    else:
        gradients.zero(frame, event, None)
    return v.NONE


def _unknown_step(frame: Frame, event: Event, identity: Identity, arguments: Arguments) -> Value:
    if not arguments.positional or isinstance(v.single(arguments.first), Func):
        if optimizers.noted(frame, identity, "step"):
            record = frame.state.heap[identity]
            assert isinstance(record, r.Optimizer)
            return optimizers.method(frame, event, identity, record, "step", arguments)
        for atom in arguments.first:
            if isinstance(atom, Func):
                inlining.inline(frame, event, atom, Arguments())
        return frame.unknown(event)
    if any(
        isinstance(atom, Obj) and isinstance(frame.state.heap.get(atom.id), r.Optimizer)
        for atom in frame.reach(arguments.first)
    ):
        return optimizers.step_through(frame, event, arguments)
    if any(t.may for value in arguments.all() for t in frame.tensors(value)):  # a loss, not an action
        gradients.touch_gradients(frame)
        gradients.backward(frame, event, arguments.first, Truth.MAYBE)
        return frame.unknown(event)
    if frame.run.recording:
        sites = (t.data for value in arguments.all() for t in frame.tensors(value))
        frame.run.program.acted |= tracking.keys(frozenset().union(*sites))
    doubts.through(frame, identity, arguments)
    return unknown_calls.call(frame, event, arguments)
