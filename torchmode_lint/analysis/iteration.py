"""What iterating, indexing and unpacking yield, for every kind of value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.values import ANY, Obj, Path, Tensor, Value, part
from torchmode_lint.protocol import Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame

SLICE: Value = v.just(v.Ext("builtins.slice"))
BATCH = Tensor(leaf=Truth.YES, grad=Truth.NO, exact=False)


def elements(frame: Frame, value: Value, event: object) -> Value:
    """The join of what iterating over `value` yields; symbols of their own for unknown things."""
    result = v.EMPTY
    for atom in value:
        match atom:
            case Obj(identity):
                result = v.join(result, _object_elements(frame, identity, event))
            case Tensor():
                result = v.join(result, v.just(part(atom)))
            case v.Tup(items):
                result = v.join(result, v.join_all(items))
            case v.Const(_, text) if isinstance(text, str):
                result = v.join(result, frame.unknown(event))
            case _:
                result = v.join(result, frame.unknown(event))
    return result or frame.unknown(event)


def _object_elements(frame: Frame, identity: v.Identity, event: object) -> Value:
    match frame.state.heap.get(identity):
        case r.Sequence(element, items):
            whole = v.join_all(items) if items is not None else element
            return whole or frame.unknown(event)
        case r.Mapping():
            return frame.unknown(event)
        case r.Loader():
            return v.just(BATCH)
        case r.Parameters(owners, named, modules):
            some: Value = frozenset(Obj(Path(owner, "*")) if modules else v.Param(owner) for owner in owners)
            return v.just(v.Tup((frame.unknown(event), some))) if named else some
        case r.Groups(optimizer):
            return _group(frame, optimizer)
        case r.Module():
            return v.just(Obj(Path(identity, "*")))
        case _:
            return frame.unknown(event)


def item(frame: Frame, value: Value, key: Value, event: object) -> Value:
    """`value[key]`."""
    index = v.constant(key, _NOT_CONSTANT)
    result = v.EMPTY
    for atom in value:
        result = v.join(result, _item(frame, atom, key, index, event))
    return result or v.TOP


_NOT_CONSTANT = object()


def _item(frame: Frame, atom: v.Atom, key: Value, index: object, event: object) -> Value:
    if key == SLICE:
        return _sliced(frame, atom, event)
    match atom:
        case Tensor():
            picked = part(atom, index if isinstance(index, (int, str)) else None)
            pickers = frozenset().union(*(t.data for t in frame.tensors(key)))  # numbers by which it is chosen
            return v.just(replace(picked, data=picked.data | pickers))
        case v.Tup(items):
            return _at(items, index)
        case v.Bound(owner, _) if isinstance(owner, Tensor):
            return v.just(part(owner))
        case Obj(identity):
            return _object_item(frame, identity, key, index, event)
        case v.Ext(name):
            return v.just(v.Ext(f"{name}[]"))
        case _:
            return frame.unknown(event)


def _sliced(frame: Frame, atom: v.Atom, event: object) -> Value:
    match atom:
        case Tensor():
            return v.just(v.derived([atom])) if atom.exact else v.just(part(atom))
        case v.Tup(items):
            return frame.make(event, r.Sequence(v.join_all(items)))
        case Obj(identity):
            record = frame.state.heap.get(identity)
            if isinstance(record, r.Sequence):
                whole = v.join_all(record.items) if record.items is not None else record.element
                return frame.make(event, r.Sequence(whole))
            if isinstance(record, r.Parameters):  # some of them: what is done to them is not done to all
                some = frozenset(Path(owner, "*") for owner in record.owners)
                return frame.make(event, r.Parameters(some, record.named, record.modules))
            return v.just(atom) if record is not None else frame.unknown(event)
        case _:
            return frame.unknown(event)


def _at(items: tuple[Value, ...], index: object) -> Value:
    if isinstance(index, int) and -len(items) <= index < len(items):
        return items[index]
    return v.join_all(items) or v.TOP


def _object_item(frame: Frame, identity: v.Identity, key: Value, index: object, event: object) -> Value:
    match frame.state.heap.get(identity):
        case r.Sequence(element, items):
            if items is not None and index is not _NOT_CONSTANT:
                return _at(items, index)
            return v.one_of(element) or frame.unknown(event)
        case r.Mapping() as mapping:
            found = mapping.get(index) if index is not _NOT_CONSTANT else None
            if found is not None:
                return found
            if index is _NOT_CONSTANT:
                every = v.join_all([mapping.element, *(value for _, value in mapping.items)])
                return every or frame.unknown(event)
            return mapping.element or _symbol(identity, key)
        case r.Groups(optimizer):
            if index == "params":
                found_owner = Path(optimizer, "params")
                frame.state.heap[found_owner] = r.Parameters(frozenset({optimizer}))
                return v.just(Obj(found_owner))
            return _group(frame, optimizer)
        case r.Parameters(owners):
            return frozenset(v.Param(owner) for owner in owners)
        case r.Loader():
            return v.just(BATCH)
        case _:
            return _symbol(identity, key)


def _group(frame: Frame, optimizer: v.Identity) -> Value:
    """One of `optimizer.param_groups`."""
    group = Path(optimizer, "group")
    frame.state.heap[group] = r.Groups(optimizer)
    return v.just(Obj(group))


def _symbol(identity: v.Identity, key: Value) -> Value:
    """An element of something unknown: the same symbol for the same constant key."""
    atom = v.single(key)
    if isinstance(atom, v.Const) and not isinstance(atom.value, float):
        return v.just(Obj(Path(identity, f"[{atom.value!r}]")))
    if isinstance(atom, Obj) and _depth(identity) < v.MAX_DEPTH:
        return v.just(Obj(v.Expression("[]", (v.just(Obj(identity)), key), depth=_depth(identity) + 1)))
    return v.TOP


def _depth(identity: v.Identity) -> int:
    match identity:
        case v.Path(base, _):
            return 1 + _depth(base)
        case v.Expression():
            return identity.depth + 1
        case _:
            return 0


def unpack(frame: Frame, value: Value, count: int, star: int | None, event: object) -> list[Value]:
    """What the targets of an unpacking get."""
    columns = [v.EMPTY] * count
    for atom in value:
        for i, got in enumerate(_unpack(frame, atom, count, star, event)):
            columns[i] = v.join(columns[i], got)
    return [column or v.TOP for column in columns]


def _unpack(frame: Frame, atom: v.Atom, count: int, star: int | None, event: object) -> list[Value]:
    items: tuple[Value, ...] | None = None
    match atom:
        case v.Tup(found):
            items = found
        case Obj(identity):
            record = frame.state.heap.get(identity)
            if isinstance(record, r.Sequence):
                items = record.items
                if items is None:
                    return [record.element or v.TOP] * count
            elif isinstance(record, r.Loader):
                return [v.just(BATCH)] * count
            elif record is None:
                return [v.just(Obj(Path(identity, f"[{i}]"))) for i in range(count)]
        case Tensor():
            return [v.just(part(atom, i)) for i in range(count)]
        case _:
            pass
    if items is None or (star is None and len(items) != count):
        return [v.just(ANY)] * count
    if star is None:
        return list(items)
    before, after = star, count - star - 1
    middle = v.join_all(items[before : len(items) - after])
    return [*items[:before], middle or v.TOP, *items[len(items) - after :]][:count]
