"""Methods of optimizers, and of what libraries wrap around training: scalers, engines, accelerators.

What a step or a cleared gradient does to the state is up to `tracking`.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint import torch_methods as named
from torchmode_lint.analysis import doubts, grad_modes, gradients, inlining, modes, unknown_calls
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Func, Identity, Obj, Tup, Value
from torchmode_lint.protocol import Gradients, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


def method(
    frame: Frame, event: Event, identity: Identity, record: r.Optimizer, name: str, arguments: Arguments
) -> Value:
    if name in named.CLEARING:
        gradients.zero(frame, event, identity)
        return v.NONE
    if name == "step":
        closure = [atom for value in arguments.all() for atom in value if isinstance(atom, Func)]
        for func in closure:
            inlining.inline(frame, event, func, Arguments())
        if not closure and any(frame.tensors(value) for value in arguments.all()):
            gradients.backward(frame, event, arguments.first, Truth.MAYBE)
            modes.blur_mode(frame, identity)
            return frame.unknown(event)
        if any(value != v.NONE for value in arguments.all()):
            doubts.doubt(frame, identity)  # a closure computes the gradients
        gradients.step(frame, event, identity)
        return frame.unknown(event)
    if name == "backward":
        gradients.backward(frame, event, arguments.first, Truth.MAYBE)
        modes.blur_mode(frame, identity)
        return v.NONE
    if name == "add_param_group":
        frame.state.heap[identity] = replace(record, owns=None)
        return v.NONE
    if name in ("state_dict", "load_state_dict", "__repr__"):
        return frame.unknown(event)
    modes.blur_mode(frame, identity)
    unknown_calls.call(frame, event, arguments)
    return frame.unknown(event)


def library_method(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    if name in named.BACKWARD_METHODS:
        gradients.backward(frame, event, arguments.first, Truth.MAYBE)
        return v.NONE
    if name == "scale":
        return arguments.first
    if name in ("prepare", "setup", "setup_module", "setup_optimizers", "prepare_model"):
        given = arguments.positional
        return given[0] if len(given) == 1 else v.just(Tup(given))
    if name == "enter_context":
        for atom in arguments.first:
            entered = frame.state.heap.get(atom.id) if isinstance(atom, Obj) else None
            if isinstance(entered, r.GradSwitch):
                grad_modes.set_grad(frame, event, entered.mode)
        return arguments.first
    if name in ("unwrap_model", "gather", "reduce", "gather_for_metrics"):
        return arguments.first
    if name == "step":
        return step_through(frame, event, arguments)
    if name in ("autocast", "no_sync", "accumulate", "join_uneven_inputs", "main_process_first", "no_backward_sync"):
        return frame.make(event, r.Library("manager"))
    return unknown_calls.call(frame, event, arguments, neutral=name in named.LIBRARY_NEUTRAL)


def step_through(frame: Frame, event: Event, arguments: Arguments) -> Value:
    """`scaler.step(optimizer)`: the optimizer steps."""
    for atom in list(frame.reach(arguments.first)):
        if isinstance(atom, Obj) and (
            isinstance(frame.state.heap.get(atom.id), r.Optimizer) or noted(frame, atom.id, "step")
        ):
            doubts.doubt(frame, atom.id)
            gradients.step(frame, event, atom.id, through=True)
    return frame.unknown(event)


def noted(frame: Frame, identity: Identity, what: str) -> bool:
    """Remember that something unknown is stepped or cleared; whether that is known to be an optimizer."""
    if frame.state.heap.get(identity) is not None:
        return False
    frame.run.learn(identity, what)
    knows = functools.partial(frame.run.knows, identity)
    if knows("step") and (knows("zero_grad") or knows("of parameters")) and not knows("module"):
        frame.state.heap[identity] = r.Optimizer(frame.run.given_parameters.get(identity), Gradients.ENTRY)
        return True
    return False
