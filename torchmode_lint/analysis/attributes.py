"""Attributes and items: reading, writing and deleting them.

What an item of a value is says `iteration`; what a method does when it is called, `methods`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torchmode_lint import torch_methods as named
from torchmode_lint.analysis import (
    calls,
    containers,
    gradients,
    imports,
    iteration,
    modes,
    parameters,
    tensors,
    tracking,
)
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.classes import Class
from torchmode_lint.analysis.frame import Arguments, attribute_of
from torchmode_lint.analysis.tensors import written_into
from torchmode_lint.analysis.values import (
    Bound,
    Cls,
    Const,
    Expression,
    Ext,
    Func,
    Obj,
    Param,
    Path,
    Tensor,
    Tup,
    Value,
)
from torchmode_lint.flow import events as ev
from torchmode_lint.protocol import Mode, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame


def _attribute(frame: Frame, event: ev.Attribute) -> None:
    result = v.EMPTY
    for atom in frame.raw(event.obj):
        result = v.join(result, attribute(frame, event, atom, event.name))
    frame.set(event.dst, result or v.TOP)


def attribute(frame: Frame, event: ev.Event, atom: v.Atom, name: str) -> Value:
    match atom:
        case Bound(Tensor() as owner, within):
            return attribute(frame, event, attribute_of(owner, within), name)
        case Tensor():
            return _tensor_attribute(frame, event, atom, name)
        case Obj(identity):
            return _object_attribute(frame, event, identity, name)
        case Param(owner, gradient):
            if name in ("grad", "_grad"):
                return v.just(Param(owner, True))
            if name == "data":
                return v.just(atom)
            return v.just(Bound(Param(owner, gradient), name))
        case Ext(qualified):
            return v.just(Ext(f"{qualified}.{name}"))
        case Cls(cls):
            found = cls.method(name)
            if found is not None:
                return frozenset(
                    replace(a, owner=v.just(atom)) if isinstance(a, Func) and a.kind == "class" else a for a in found
                )
            return v.just(Bound(atom, name))
        case v.File():
            return imports.member(frame, atom, name)
        case v.Super(cls, owner):
            return _super_attribute(frame, cls, owner, name)
        case Func() | Tup() | Const() | Bound():
            return v.just(Bound(atom, name))
        case _:
            return v.TOP


def _super_attribute(frame: Frame, cls: Class, owner: Value, name: str) -> Value:
    for base in list(cls.line())[1:]:
        found = base.methods.get(name)
        if found is not None:
            return frozenset(replace(a, owner=owner) if isinstance(a, Func) else a for a in found)
    return v.just(Ext("builtins.object." + name)) if name.startswith("__") else v.just(v.ANY)


def _tensor_attribute(frame: Frame, event: ev.Event, t: Tensor, name: str) -> Value:
    if name == "data":
        return v.just(v.detached(t))
    if name == "grad":
        gradients.read_grad(frame, event, t)
        return v.just(Tensor(leaf=Truth.YES, grad=Truth.MAYBE))  # with create_graph=True it hangs on a graph
    if name in named.TENSOR_ATTRIBUTES:
        return v.just(Obj(Expression(f".{name}", (v.just(t),), "attribute")))
    if name in ("T", "mT", "H", "real", "imag"):
        return v.just(v.derived([t]))
    return v.just(Bound(t, name))


def _object_attribute(frame: Frame, event: ev.Event, identity: v.Identity, name: str) -> Value:
    state = frame.state
    stored = state.attrs.get((identity, name))
    if stored is not None:
        return stored
    record = state.heap.get(identity)
    match record:
        case r.Module(cls=cls, mode=mode):
            if name == "training" and mode in (Mode.TRAIN, Mode.EVAL):
                return v.const(mode is Mode.TRAIN)
            if name in ("eval", "train", "parameters", "named_parameters", "modules", "zero_grad", "to", "forward"):
                own = cls.method(name) if cls is not None and name not in ("forward",) else None
                if own is None or (name in ("eval", "train") and _is_override(own)):
                    return v.just(Bound(Obj(identity), name))
            if name == "module" and not isinstance(identity, Path) and not (cls and _has_own(cls, name)):
                return v.just(Obj(identity))
            if cls is not None and (name not in named.MODULE_API or cls.method(name) is not None):
                return _class_attribute(frame, event, identity, cls, name)
            if name in named.MODULE_API:
                return v.just(Bound(Obj(identity), name))
            return v.just(Obj(Path(identity, name)))
        case r.Instance(cls):
            return _class_attribute(frame, event, identity, cls, name)
        case r.Optimizer():
            if name == "param_groups":
                groups = Path(identity, "param_groups")
                state.heap[groups] = r.Groups(identity)
                return v.just(Obj(groups))
            return v.just(Bound(Obj(identity), name))
        case None | r.Namespace():
            return v.just(Obj(Path(identity, name)))
        case _:
            return v.just(Bound(Obj(identity), name))


def _is_override(own: Value) -> bool:
    """Whether a method named `train` or `eval` switches the mode (it takes at most `mode`), unlike a loop."""
    for atom in own:
        if isinstance(atom, Func):
            parameters = [p.name for p in atom.code.parameters[1:] if p.kind in ("normal", "positional")]
            return len(parameters) <= 1 and (not parameters or parameters[0] == "mode")
    return False


def _has_own(cls: Class, name: str) -> bool:
    """Whether objects of a class may have an attribute of their own by this name, not of what wraps them."""
    return (
        cls.is_open
        or cls.method(name) is not None
        or any(
            isinstance(event, ev.SetAttribute) and event.name == name
            for one in cls.line()
            for code in one.code.walk()
            for block in code.blocks
            for event in block.events
        )
    )


def _class_attribute(frame: Frame, event: ev.Event, identity: v.Identity, cls: Class, name: str) -> Value:
    found = cls.method(name)
    if found is None:
        return v.just(Obj(Path(identity, name)))
    result = v.EMPTY
    for atom in found:
        if isinstance(atom, Func) and atom.kind == "property":
            result = v.join(
                result, calls.call_method(frame, event, v.just(replace(atom, kind="")), identity, Arguments())
            )
        elif isinstance(atom, Func) and atom.owner is None and atom.kind != "static":
            owner = v.just(Cls(cls)) if atom.kind == "class" else v.just(Obj(identity))
            result = v.join(result, v.just(replace(atom, owner=owner)))
        else:
            result = v.join(result, v.just(atom))
    return result


def _set_attribute(frame: Frame, event: ev.SetAttribute) -> None:
    value, state = frame.get(event.src), frame.state
    tracking.keep(frame, value)
    owners = frame.get(event.obj)
    for atom in owners:
        match atom:
            case Obj(identity):
                record = state.heap.get(identity)
                if event.name == "training" and modes.module_of(frame, identity) is not None:
                    truth = calls.truth_of(value, Truth.YES)
                    told = {Truth.YES: Mode.TRAIN, Truth.NO: Mode.EVAL}
                    modes.set_mode(frame, identity, told.get(truth, Mode.ENTRY), event)
                    continue
                if event.name in ("grad", "_grad"):
                    _write_grad(frame, event, value, None)
                if event.name == "requires_grad":
                    modes.ask(frame, identity)
                    continue
                pair = (identity, event.name)
                old = state.attrs.get(pair)
                state.attrs[pair] = value if len(owners) == 1 or old is None else v.join(old, value)
                _forget_conditions(frame, identity, event.name)
                if isinstance(record, r.Module):
                    modes.adopt(frame, identity, value)
                tracking.mark(frame, frame.run.program.stored, [value])
                tracking.leave(frame, [value])
            case Param(owner, _):
                if event.name == "requires_grad":
                    modes.freeze_owner(frame, owner, calls.truth_of(value, Truth.YES))
                elif event.name in ("grad", "_grad"):
                    _write_grad(frame, event, value, owner)
                elif event.name == "data" and parameters.mentions_gradient(value):
                    gradients.step_by_hand(frame, event, owner)
            case Tensor():
                if event.name == "requires_grad":
                    tensors.set_requires_grad(frame, atom, calls.truth_of(value, Truth.YES))
                elif event.name == "grad":
                    _write_grad(frame, event, value, None)
            case Cls(cls):
                cls.methods[event.name] = value
            case _:
                tracking.mark(frame, frame.run.program.stored, [value])


def _forget_conditions(frame: Frame, identity: v.Identity, name: str) -> None:
    frame.state.forget(Path(identity, name))


def _write_grad(frame: Frame, event: ev.Event, value: Value, owner: v.Identity | None) -> None:
    if value == v.NONE:
        if owner is None:
            gradients.zero(frame, event, None)
        else:
            parameters.zero_owner(frame, event, owner)
    else:
        gradients.touch_gradients(frame)


def _delete_attribute(frame: Frame, event: ev.DeleteAttribute) -> None:
    for atom in frame.get(event.obj):
        if isinstance(atom, Obj):
            frame.state.attrs.pop((atom.id, event.name), None)


def _item(frame: Frame, event: ev.Item) -> None:
    frame.set(event.dst, iteration.item(frame, frame.get(event.obj), frame.get(event.key), event))


def _set_item(frame: Frame, event: ev.SetItem) -> None:
    value, key, state = frame.get(event.src), frame.get(event.key), frame.state
    tracking.keep(frame, value)
    for atom in frame.get(event.obj):
        match atom:
            case Tensor():
                tensors = frame.tensors(value)
                if isinstance(v.constant(key), str):  # no tensor, but a structure that was taken for one
                    changed = replace(v.derived([atom, *tensors], exact=False), made=event)
                    state.replace_tensor(atom, changed)
                elif tensors:
                    tracking.accumulate(frame, event, v.just(atom), value, listed=True)
                    written_into(frame, atom, tensors)
            case Obj(identity):
                record = state.heap.get(identity)
                constant = v.single(key)
                if isinstance(record, r.Mapping) and isinstance(constant, Const):
                    items = dict(record.items)
                    items[constant.value] = value
                    state.heap[identity] = r.Mapping(record.element, tuple(items.items()))
                elif isinstance(record, (r.Mapping, r.Sequence)):
                    containers.grow(frame, event, identity, value)
                    if isinstance(record, r.Sequence):
                        state.heap[identity] = r.Sequence(v.join(record.element, value))
                else:
                    tracking.mark(frame, frame.run.program.stored, [value])
                    modes.thaw_around(frame, Path(identity, "[]"))  # perhaps with a new part that is not frozen
            case _:
                tracking.mark(frame, frame.run.program.stored, [value])


def _nothing(frame: Frame, event: ev.Event) -> None:
    return


TRANSFER: dict[type, Callable[[Frame, Any], None]] = {
    ev.Attribute: _attribute,
    ev.SetAttribute: _set_attribute,
    ev.DeleteAttribute: _delete_attribute,
    ev.Item: _item,
    ev.SetItem: _set_item,
    ev.DeleteItem: _nothing,
}
