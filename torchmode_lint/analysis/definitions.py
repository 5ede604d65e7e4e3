"""Definitions of functions and classes, and what decorators make of them.

Calling and constructing them is up to `calls`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torchmode_lint.analysis import calls
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.classes import Class
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Bound, Cls, Ext, Func, Imported, Obj, Value
from torchmode_lint.flow import events as ev

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame


def _make_function(frame: Frame, event: ev.MakeFunction) -> None:
    run, code = frame.run, event.code
    run.defaults[code] = tuple(None if register is None else frame.get(register) for register in event.defaults)
    if frame.context.code.kind == "class":
        cls = run.classes.get(frame.context.code)
        if cls is not None:
            run.class_of[code] = cls
    value = v.just(Func(code))
    for register in reversed(event.decorators):
        value = decorate(frame, event, frame.raw(register), value)
    run.decorated[code] = value
    frame.set(event.dst, value)


_KINDS = {
    "builtins.staticmethod": "static",
    "builtins.classmethod": "class",
    "builtins.property": "property",
    "functools.cached_property": "property",
    "contextlib.contextmanager": "contextmanager",
}


LARGE = 1_000  # events within the reach of a decorator, from which on it is worth much to leave it alone

_TRANSPARENT = frozenset(
    {
        "functools.lru_cache",
        "functools.cache",
        "torch.jit.export",
        "torch.jit.ignore",
        "torch.jit.unused",
        "abc.abstractmethod",
        "typing.overload",
        "numba.jit",
        "torch.compile",
    }
)


def decorate(frame: Frame, event: ev.Event, decorator: Value, value: Value) -> Value:
    """A decorated function: what is known of the decorator is applied, else the function stays itself."""
    atom = v.single(frame.run.resolved(decorator))
    func = v.single(value)
    if not isinstance(func, Func):
        return value
    if isinstance(atom, Ext):
        kind = _KINDS.get(atom.name)
        if kind is not None:
            return v.just(replace(func, kind=kind))
        if atom.name in _TRANSPARENT:
            return value
        got = calls.apply(frame, event, atom, Arguments((value,)))
        if any(isinstance(a, Func) for a in got):
            return got
        return v.just(replace(func, grad=func.grad or "unknown"))
    if isinstance(atom, Obj) and isinstance(frame.state.heap.get(atom.id), (r.GradSwitch, r.Library)):
        got = calls.apply(frame, event, atom, Arguments((value,)))
        return got if any(isinstance(a, Func) for a in got) else value
    if isinstance(atom, Func):
        reach = frame.run.nameless(atom.code)
        if reach is not None and (reach.events > LARGE or not reach.applies):
            return value  # whatever it puts around the function, it is nothing of the protocol
        got = calls.apply(frame, event, atom, Arguments((value,)))
        if any(isinstance(a, Func) for a in got):
            return got
    if isinstance(atom, Bound) and atom.name in ("setter", "getter", "deleter"):
        return v.just(replace(func, kind="setter"))
    return v.just(replace(func, grad=func.grad or "unknown"))


def _make_class(frame: Frame, event: ev.MakeClass) -> None:
    run, code = frame.run, event.code
    bases: list[Class | str | Imported] = []
    for argument in event.bases:
        if argument.keyword is not None:
            continue
        atom = v.single(frame.get(argument.src))
        if isinstance(atom, Cls):
            bases.append(atom.cls)
        elif isinstance(atom, Imported):
            bases.append(atom)
        elif isinstance(atom, Ext):
            bases.append(atom.name)
        else:
            bases.append("")
    cls = run.classes.own.get(code)
    if cls is None:
        cls = run.classes[code] = Class(code, loader=run.loader)
    cls.stated = tuple(bases)
    context = run.enter(frame.context, event, code)  # type: ignore[arg-type]
    entry = frame.state.copy()
    activation = run.solve(context, entry)
    if activation.outcomes:
        loops = frame.state.loops
        frame.state = activation.outcomes[0].state.copy()
        frame.state.loops = dict(loops)
        for slot in [s for s in frame.state.env if isinstance(s, ev.Variable) and s.scope == code.scope]:
            del frame.state.env[slot]
    frame.set(event.dst, v.just(Cls(cls)))


TRANSFER: dict[type, Callable[[Frame, Any], None]] = {
    ev.MakeFunction: _make_function,
    ev.MakeClass: _make_class,
}
