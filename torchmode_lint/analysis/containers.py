"""Methods of lists, sets and dictionaries.

What iterating and indexing yield says `iteration`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint.analysis import iteration, tracking
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Identity, Tensor, Tup, Value

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


def sequence_method(
    frame: Frame, event: Event, identity: Identity, record: r.Sequence, name: str, arguments: Arguments
) -> Value:
    if name in ("append", "add", "insert", "appendleft"):
        added = arguments.get(1, "") if name == "insert" else arguments.first
        grow(frame, event, identity, added or v.TOP)
        return v.NONE
    if name in ("extend", "update"):
        grow(frame, event, identity, iteration.elements(frame, arguments.first, event))
        return v.NONE
    if name == "clear":
        frame.state.heap[identity] = r.Sequence(v.EMPTY, ())
        return v.NONE
    if name in ("pop", "popleft"):
        return record.element or (v.join_all(record.items) if record.items else v.TOP)
    if name == "copy":
        return frame.make(event, record)
    return frame.unknown(event)


def grow(frame: Frame, event: Event, identity: Identity, value: Value) -> None:
    """A container gets another element."""
    record = frame.state.heap.get(identity)
    if isinstance(record, (r.Sequence, r.Mapping)):
        tracking.accumulate(frame, event, record.element, value, listed=True)
    if isinstance(record, r.Sequence):
        turn = max(frame.state.loops.values(), default=-1)
        element = v.join(record.element, value)
        if turn < 0 and record.items is not None and len(record.items) < r.MAX_ITEMS:
            frame.state.heap[identity] = r.Sequence(element, (*record.items, value))
        else:
            frame.state.heap[identity] = r.Sequence(element)
    elif isinstance(record, r.Mapping):
        frame.state.heap[identity] = replace(record, element=v.join(record.element, value))


def mapping_method(
    frame: Frame, event: Event, identity: Identity, record: r.Mapping, name: str, arguments: Arguments
) -> Value:
    every = v.join_all([record.element, *(value for _, value in record.items)])
    if name in ("get", "pop", "setdefault"):
        known = record.get(v.constant(arguments.first, Ellipsis))
        return known if known is not None else (every or frame.unknown(event))
    if name == "values":
        return frame.make(
            event, r.Sequence(every, tuple(value for _, value in record.items) if not record.element else None)
        )
    if name == "items":
        pairs = tuple(v.just(Tup((v.const(key), value))) for key, value in record.items)
        if record.element or not pairs:
            return frame.make(event, r.Sequence(v.just(Tup((v.TOP, every or v.TOP)))))
        return frame.make(event, r.sequence(pairs))
    if name == "keys":
        return frame.make(event, r.sequence(v.const(key) for key, _ in record.items))
    if name == "update":
        for value in arguments.all():
            grow(frame, event, identity, v.join_all(v.just(a) for a in frame.reach(value) if isinstance(a, Tensor)))
    return frame.unknown(event)
