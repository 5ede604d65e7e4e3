"""The transfer function: what each kind of event does to the abstract state.

Here are its table, and names: constants, variables and imports. Everything else has a file of its own
and brings its part of the table.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torchmode_lint.analysis import (
    attributes,
    calls,
    definitions,
    displays,
    imports,
    managers,
    operators,
    statements,
    tracking,
)
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.values import Ext, Obj, Path, Value
from torchmode_lint.flow import events as ev

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame

_BUILTINS = frozenset(dir(builtins))


def step(frame: Frame, event: ev.Event) -> None:
    """Interpret one event on one path."""
    _TRANSFER[type(event)](frame, event)


def _constant(frame: Frame, event: ev.Constant) -> None:
    frame.set(event.dst, v.const(event.value))


def _load(frame: Frame, event: ev.Load) -> None:
    frame.set(event.dst, load(frame, event.variable))


def load(frame: Frame, variable: ev.Variable) -> Value:
    run = frame.run
    value = frame.state.env.get(variable)
    if value is None:
        value = run.globals.get(variable)
    if value is None and variable.name in _BUILTINS and not run.star_imported(variable.scope):
        return v.just(Ext(f"builtins.{variable.name}"))
    if value is None:
        value = run.name(variable)
    if value is not None:
        if run.lazy:
            return value
        value = run.resolved(value)
        run.lend(frame.state, value)
        return value
    if variable.name == "torch":  # bound nowhere that can be seen: by a star import, or forgotten
        return v.just(Ext("torch"))
    return v.just(Obj(Path(run.scope_key(variable.scope), variable.name)))


def _store(frame: Frame, event: ev.Store) -> None:
    value = frame.get(event.src)
    tracking.keep(frame, value)
    run = frame.run
    if run.is_file_scope(event.variable.scope):
        if run.note_global(event.variable, value):
            frame.state.env.pop(event.variable, None)
        else:
            frame.state.env[event.variable] = value
        if frame.context.code.kind == "function":
            tracking.mark(frame, run.program.stored, [value])
            tracking.leave(frame, [value])
    else:
        frame.state.env[event.variable] = value
    if frame.context.code.kind == "class":
        cls = run.classes.get(frame.context.code)
        if cls is not None:
            cls.methods[event.variable.name] = value


def _delete(frame: Frame, event: ev.Delete) -> None:
    frame.state.env.pop(event.variable, None)


def _annotate(frame: Frame, event: ev.Annotate) -> None:
    return


def _copy(frame: Frame, event: ev.Copy) -> None:
    frame.set(event.dst, frame.raw(event.src))


def _import(frame: Frame, event: ev.Import) -> None:
    frame.set(event.dst, imports.module(frame, event.module, event.loaded))


def _import_from(frame: Frame, event: ev.ImportFrom) -> None:
    frame.set(event.dst, imports.name(frame, event.module, event.name, event.level))


_TRANSFER: dict[type, Callable[[Frame, Any], None]] = {
    ev.Constant: _constant,
    ev.Load: _load,
    ev.Store: _store,
    ev.Delete: _delete,
    ev.Annotate: _annotate,
    ev.Copy: _copy,
    ev.Import: _import,
    ev.ImportFrom: _import_from,
    ev.Caught: lambda frame, event: frame.set(event.dst, frame.unknown(event)),
    ev.Call: calls.call,
    **attributes.TRANSFER,
    **operators.TRANSFER,
    **displays.TRANSFER,
    **definitions.TRANSFER,
    **managers.TRANSFER,
    **statements.TRANSFER,
}
