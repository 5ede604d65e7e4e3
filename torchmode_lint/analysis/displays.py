"""Displays, unpacking and iterators: tuples, lists, dictionaries and f-strings as they are written.

What iterating over them yields says `iteration`; what their methods do, `methods`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torchmode_lint.analysis import calls, containers, iteration, tracking
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Const, Obj, Tensor, Tup, Value
from torchmode_lint.flow import events as ev
from torchmode_lint.protocol import Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame


def _build(frame: Frame, event: ev.Build) -> None:
    values = [frame.get(item.src) for item in event.items]
    for value in values:
        tracking.keep(frame, value)
    starred = any(item.star for item in event.items)
    if event.kind == "tuple" and not starred and max(map(v.depth_of, values), default=0) < v.MAX_DEPTH:
        frame.set(event.dst, v.just(Tup(tuple(values))))
    elif event.kind in ("tuple", "list", "set"):
        if starred:
            inner = [
                iteration.elements(frame, value, event) if item.star else value
                for item, value in zip(event.items, values, strict=True)
            ]
            frame.set(event.dst, frame.make(event, r.Sequence(v.join_all(inner))))
        else:
            frame.set(event.dst, frame.make(event, r.sequence(values)))
    elif event.kind == "dict":
        _build_dict(frame, event, values)
    else:
        tensors = [t for value in values for t in frame.tensors(value)]
        if event.kind == "slice":
            frame.set(event.dst, iteration.SLICE)
        elif event.kind == "string" and tensors:
            data = frozenset().union(*(t.data for t in tensors))
            frame.set(event.dst, v.just(Tensor(data=data, leaf=Truth.YES, grad=Truth.NO)))
        else:
            frame.set(event.dst, frame.unknown(event))


def _build_dict(frame: Frame, event: ev.Build, values: list[Value]) -> None:
    element, items = v.EMPTY, {}
    for key, value in zip(event.keys, values, strict=True):
        constant = v.single(frame.get(key)) if key is not None else None
        if isinstance(constant, Const):
            items[constant.value] = value
        elif key is None:
            found = v.single(value)
            record = frame.state.heap.get(found.id) if isinstance(found, Obj) else None
            if isinstance(record, r.Mapping):
                items.update(dict(record.items))
                element = v.join(element, record.element)
            else:
                element = v.join(element, v.TOP)
        else:
            element = v.join(element, value)
    frame.set(event.dst, frame.make(event, r.Mapping(element, tuple(items.items()))))


def _grow(frame: Frame, event: ev.Grow) -> None:
    tracking.keep(frame, frame.get(event.src))
    for atom in frame.get(event.container):
        if isinstance(atom, Obj):
            containers.grow(frame, event, atom.id, frame.get(event.src))


def _unpack(frame: Frame, event: ev.Unpack) -> None:
    got = iteration.unpack(frame, frame.get(event.src), len(event.targets), event.star, event)
    for register, value in zip(event.targets, got, strict=True):
        frame.set(register, value)


def _part(frame: Frame, event: ev.Part) -> None:
    tensors = frame.tensors(frame.get(event.src))
    frame.set(event.dst, v.just(v.derived(tensors, exact=False)) if tensors else frame.unknown(event))


def _test(frame: Frame, event: ev.Test) -> None:
    frame.set(event.dst, frame.unknown(event))


def _iterate(frame: Frame, event: ev.Iterate) -> None:
    value = frame.get(event.src)
    atom = v.single(value)
    if isinstance(atom, Tup):
        value = frame.make(event, r.sequence(atom.items))
    elif isinstance(atom, Obj) and isinstance(frame.state.heap.get(atom.id), r.Mapping):
        record = frame.state.heap[atom.id]
        assert isinstance(record, r.Mapping)
        if record.items and not record.element:
            value = frame.make(event, r.sequence(v.const(key) for key, _ in record.items))
    elif isinstance(atom, Obj) and isinstance(frame.state.heap.get(atom.id), r.Instance):
        instance = frame.state.heap[atom.id]
        assert isinstance(instance, r.Instance)
        method = instance.cls.method("__iter__")
        if method is not None:
            value = calls.call_method(frame, event, method, atom.id, Arguments())
    frame.set(event.dst, value)
    frame.state.env[frame.context.code.scope, event.dst] = value


TRANSFER: dict[type, Callable[[Frame, Any], None]] = {
    ev.Build: _build,
    ev.Grow: _grow,
    ev.Unpack: _unpack,
    ev.Part: _part,
    ev.Test: _test,
    ev.Iterate: _iterate,
}
