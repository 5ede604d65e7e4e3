"""Calls of things outside the project, by what `torch_api` says of them.

Here are the way to them and what is handed on or left to others; the rest is in files that bring their part of
the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from torchmode_lint import torch_api as api
from torchmode_lint.analysis import (
    builtin_functions,
    calls,
    forwards,
    grad_modes,
    gradients,
    methods,
    modes,
    modules,
    operations,
    told,
    tracking,
    unknown_calls,
)
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Func, Obj, Path, Tup, Value
from torchmode_lint.flow.events import Variable
from torchmode_lint.protocol import GradMode, Truth
from torchmode_lint.torch_api import effect_of
from torchmode_lint.torch_effects import Effect

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


def call(frame: Frame, event: Event, name: str, arguments: Arguments, dst: int | None = None) -> Value:
    """Call the external name."""
    if name == "builtins.super":
        return _super(frame, arguments)
    if name.startswith("torch.nn.Module.") and arguments.positional:
        for atom in arguments.positional[0]:
            given = Arguments(arguments.positional[1:], arguments.keywords, arguments.rest)
            return methods.call(frame, event, atom, name.rpartition(".")[2], given, dst)
    if name in ("builtins.dict", "collections.OrderedDict"):
        return _dict(frame, event, arguments)
    if name.endswith("[]") and effect_of(name) is not Effect.FACTORY:
        return unknown_calls.call(frame, event, arguments)
    decorating = v.single(arguments.first)
    effect = effect_of(name)
    if isinstance(decorating, Func) and effect in (Effect.GRAD_OFF, Effect.GRAD_ON, Effect.GRAD_FLAG):
        # @torch.no_grad without parentheses
        told.bare_decorator(frame, event, name)
        grad = "on" if effect is Effect.GRAD_ON else "off"
        return v.just(replace(decorating, grad=grad))
    return _effects().get(effect, _unknown)(frame, event, name, arguments)


@cache
def _effects() -> dict[Effect, Callable[[Frame, Event, str, Arguments], Value]]:
    """The whole table, put together on the first call, as the files with its parts import this one, too."""
    parts = (_EFFECTS, grad_modes.EFFECTS, modules.EFFECTS, operations.EFFECTS, builtin_functions.EFFECTS, told.EFFECTS)
    return {effect: call for part in parts for effect, call in part.items()}


def _dict(frame: Frame, event: Event, arguments: Arguments) -> Value:
    element = v.join_all(v.just(atom) for value in arguments.positional for atom in frame.reach(value))
    return frame.make(event, r.Mapping(v.join(element, arguments.rest), tuple(arguments.keywords.items())))


def _super(frame: Frame, arguments: Arguments) -> Value:
    """`super()`: the rest of the class line, for the object of the method that says it."""
    for at in frame.context.chain():
        cls = frame.run.class_of.get(at.code)
        if cls is not None and at.code.parameters:
            owner = frame.state.env.get(Variable(at.code.scope, at.code.parameters[0].name), v.TOP)
            return v.just(v.Super(cls, owner))
    return v.TOP


def _unknown(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    result = unknown_calls.call(frame, event, arguments)
    return result


def _neutral(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    if name in ("builtins.getattr", "builtins.setattr", "builtins.vars"):
        namespace = v.single(arguments.first)
        if isinstance(namespace, v.Ext) and effect_of(some := f"{namespace.name}.__dict__[]") is Effect.FACTORY:
            return v.just(v.Ext(some))
        _blur(frame, arguments)
    return unknown_calls.call(frame, event, arguments, neutral=True)


def _all_arguments(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    given = arguments.positional
    if not given or arguments.rest:
        return unknown_calls.call(frame, event, arguments)
    return given[0] if len(given) == 1 else v.just(Tup(given))


def _lent(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return arguments.first or frame.unknown(event)


def handed_back(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """The arguments that a library takes over and returns, or something unknown in place of those that are missing."""
    if arguments.rest or api.HANDED_BACK_PERHAPS & arguments.keywords.keys():
        return unknown_calls.call(frame, event, arguments)
    made = v.single(frame.unknown(event))
    assert isinstance(made, Obj)
    given = {at[1]: arguments.get(*at) for at in api.HANDED_BACK[name]}
    return v.just(Tup(tuple(v.just(Obj(Path(made.id, key))) if one is None else one for key, one in given.items())))


def _apply(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    applying = api.APPLYING[name]
    if applying.lent and frame.state.grad is not GradMode.OFF:  # it is those parameters that may get gradients
        return operations.EFFECTS[Effect.FUNCTIONAL](frame, event, name, arguments)
    return applied(frame, event, applying, arguments)


def applied(frame: Frame, event: Event, by: api.Applying, arguments: Arguments) -> Value:
    """One of the arguments is applied to others."""
    what, given = arguments.get(*by.what), arguments.get(*by.to)
    if what is None or given is None:
        return unknown_calls.call(frame, event, arguments)
    inputs = arguments.positional[by.to[0] :] if by.rest else (given,)
    packed = v.single(given)
    if by.packed and isinstance(packed, Tup):
        inputs = packed.items
    return v.join_all([calls.apply(frame, event, callee, Arguments(inputs)) for callee in what])


def _second(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return arguments.positional[1] if len(arguments.positional) > 1 else frame.unknown(event)


def _partial(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    if len(arguments.positional) == 1 and not arguments.keywords:
        return arguments.positional[0]
    _blur(frame, arguments)
    return frame.unknown(event)


def _blur(frame: Frame, arguments: Arguments) -> None:
    """What is handed on may be switched by whoever gets it."""
    for value in arguments.all():
        for atom in frame.reach(value):
            if isinstance(atom, Obj):
                modes.blur_mode(frame, atom.id)


def _library(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    kind = name
    if name.startswith("torch.distributed.autograd"):
        gradients.touch_gradients(frame)
        for value in arguments.all():
            gradients.backward(frame, event, value, Truth.MAYBE, accumulates=False)
        return frame.unknown(event)
    unknown_calls.call(frame, event, arguments)
    return frame.make(event, r.Library(kind))


def _foreign(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    tracking.mark(frame, frame.run.program.foreign, arguments.all())
    result = unknown_calls.call(frame, event, arguments)
    is_class = name.rpartition(".")[2][:1].isupper()
    if is_class or any(isinstance(atom, Func) for value in arguments.all() for atom in value):
        return result
    return frame.make(event, r.Library(r.FOREIGN))


def _manager(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    decorating = v.single(arguments.first)
    if isinstance(decorating, Func):
        return v.just(decorating)
    return frame.make(event, r.Library("manager"))


def _wraps(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """`functools.wraps(f)`: a decorator that leaves the function as it is; `f` is not called."""
    return frame.make(event, r.Library("manager"))


def _namespace(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    site = frame.fresh(event)
    frame.state.heap[site] = r.Namespace()
    frame.state.attrs.update({(site, key): given for key, given in arguments.keywords.items()})
    return v.just(Obj(site))


def _suppress(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.Library("suppress"))


def _export(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """What is exported is evaluated, on whatever examples."""
    for atom in arguments.first:
        if isinstance(atom, Obj) and modes.module_of(frame, atom.id) is not None:
            inputs = Arguments(arguments.positional[1:], arguments.keywords)
            tracking.keep(frame, forwards.forward(frame, event, atom.id, inputs, exported=True))
    return frame.unknown(event)


def _trace(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    _export(frame, event, name, arguments)
    return arguments.first or frame.unknown(event)


_EFFECTS: dict[Effect, Callable[[Frame, Event, str, Arguments], Value]] = {
    Effect.ALL_ARGUMENTS: _all_arguments,
    Effect.SECOND: _second,
    Effect.LENT: _lent,
    Effect.HANDED_BACK: handed_back,
    Effect.APPLY: _apply,
    Effect.EXPORT: _export,
    Effect.TRACE: _trace,
    Effect.NEUTRAL: _neutral,
    Effect.PARTIAL: _partial,
    Effect.FOREIGN: _foreign,
    Effect.LIBRARY: _library,
    Effect.MANAGER: _manager,
    Effect.SUPPRESS: _suppress,
    Effect.WRAPS: _wraps,
    Effect.NAMESPACE: _namespace,
    Effect.UNKNOWN: _unknown,
}
