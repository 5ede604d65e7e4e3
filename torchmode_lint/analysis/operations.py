"""Functions of torch that make tensors, compute with them, or go backward through their graphs.

Methods of tensors are in `tensors`, operators in `operators`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint import torch_methods as named
from torchmode_lint.analysis import builtin_functions, calls, gradients, tracking, unknown_calls
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Func, Tensor, Value
from torchmode_lint.protocol import Truth
from torchmode_lint.torch_effects import Effect

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


def _create(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    wants = calls.truth_of(arguments.keywords.get("requires_grad"), Truth.NO)
    frame.state.asked = frame.state.asked or wants is not Truth.NO
    return v.just(Tensor(leaf=Truth.YES, grad=wants, synthetic=True, asked=wants is not Truth.NO, made=event))


def _from_data(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    wants = calls.truth_of(arguments.keywords.get("requires_grad"), Truth.NO)
    data = frozenset().union(*(t.data for value in arguments.all() for t in frame.tensors(value)))
    frame.state.asked = frame.state.asked or wants is not Truth.NO
    return v.just(Tensor(data=data, leaf=Truth.YES, grad=wants, asked=wants is not Truth.NO, made=event))


def _parameter(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    wants = calls.truth_of(arguments.get(1, "requires_grad"), Truth.YES)
    frame.state.asked = True
    return v.just(Tensor(leaf=Truth.YES, grad=wants, asked=True, made=event))


def _variable(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """`Variable(x)` is `x`; with `requires_grad=True` a leaf; with `volatile=True` (torch < 0.4) no graph."""
    volatile = arguments.keywords.get("volatile")
    if volatile is not None and calls.truth_of(volatile, Truth.NO) is not Truth.NO:
        return v.just(Tensor(leaf=Truth.YES, grad=Truth.NO, volatile=True))
    wants = calls.truth_of(arguments.get(1, "requires_grad"), Truth.NO)
    tensors = [t for value in arguments.positional[:1] for t in frame.tensors(value)]
    if wants is Truth.YES:
        frame.state.asked = True
        data = frozenset().union(*(t.data for t in tensors))
        return v.just(Tensor(data=data, leaf=Truth.YES, grad=Truth.YES, asked=True, made=event))
    if tensors:
        return v.just(replace(v.derived(tensors), leaf=Truth.MAYBE)) if len(tensors) > 1 else v.just(tensors[0])
    return v.just(Tensor(leaf=Truth.YES, grad=wants))


def _operation(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    if any(isinstance(a, Func) for value in arguments.all() for a in value):
        return unknown_calls.call(frame, event, arguments)
    tracking.combine(frame, event, (t for value in arguments.all() for t in frame.tensors(value)))
    return _made(calls.operation(frame, arguments), event)


def _made(value: Value, event: Event) -> Value:
    return frozenset(replace(a, made=event) if isinstance(a, Tensor) else a for a in value)


def _no_graph(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    tensors = [t for value in arguments.all() for t in frame.tensors(value)]
    if not tensors:
        return frame.unknown(event)
    if name == "torch.is_tensor" and builtin_functions.is_made(v.single(arguments.first)):
        return v.TRUE
    if name.rpartition(".")[2] in named.ZERO_GRADIENT and name.startswith("torch."):
        return v.just(v.flat(tensors))
    data = frozenset().union(*(t.data for t in tensors))
    return v.just(Tensor(data=data, leaf=Truth.YES, grad=Truth.NO))


def _backward(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    retain = calls.truth_of(
        arguments.get(2, "retain_graph"), calls.truth_of(arguments.get(3, "create_graph"), Truth.NO)
    )
    gradients.backward(frame, event, arguments.get(0, "tensors") or v.EMPTY, retain, own=True)
    return v.NONE


def _gradient(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    create = calls.truth_of(arguments.get(4, "create_graph"), Truth.NO)
    retain = calls.truth_of(arguments.get(3, "retain_graph"), create)
    outputs = arguments.get(0, "outputs") or v.EMPTY
    gradients.backward(frame, event, outputs, retain, accumulates=False, own=True)
    tensors = [t for value in arguments.all() for t in frame.tensors(value)]
    if create is Truth.NO:
        data = frozenset().union(*(t.data for t in tensors))
        return v.just(Tensor(data=data, leaf=Truth.YES, grad=Truth.NO, exact=False))
    return v.just(replace(v.derived(tensors, exact=False), grad=Truth.YES))


def _functional(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """`torch.func` and friends take gradients of whatever they are given."""
    result = unknown_calls.call(frame, event, arguments)
    gradients.backward(frame, event, v.join_all([result, *arguments.all()]), Truth.MAYBE, accumulates=False)
    return result


EFFECTS: dict[Effect, Callable[[Frame, Event, str, Arguments], Value]] = {
    Effect.CREATE: _create,
    Effect.FROM_DATA: _from_data,
    Effect.PARAMETER: _parameter,
    Effect.VARIABLE: _variable,
    Effect.OPERATION: _operation,
    Effect.NO_GRAPH: _no_graph,
    Effect.BACKWARD: _backward,
    Effect.GRADIENT: _gradient,
    Effect.FUNCTIONAL: _functional,
}
