"""The transfer function: what each kind of event does to the abstract state."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torchmode_lint import torch_api as api
from torchmode_lint.analysis import calls, imports, iteration, methods, tracking
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.classes import Class
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.program import NoEffect
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
from torchmode_lint.protocol import GradMode, Mode, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame

_BUILTINS = frozenset(dir(builtins))


def step(frame: Frame, event: ev.Event) -> None:
    """Interpret one event on one path."""
    _TRANSFER[type(event)](frame, event)


# --- names -------------------------------------------------------------------------------------------


def _constant(frame: Frame, event: ev.Constant) -> None:
    frame.set(event.dst, v.const(event.value))


def _load(frame: Frame, event: ev.Load) -> None:
    frame.set(event.dst, load(frame, event.variable))


def load(frame: Frame, variable: ev.Variable) -> Value:
    value = frame.state.env.get(variable)
    if value is not None:
        return value
    value = frame.run.globals.get(variable)
    if value is not None:
        return value
    if variable.name in _BUILTINS and not frame.run.star_imported(variable.scope):
        return v.just(Ext(f"builtins.{variable.name}"))
    return v.just(Obj(Path(frame.run.scope_key(variable.scope), variable.name)))


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


# --- attributes and items ------------------------------------------------------------------------------


def _attribute(frame: Frame, event: ev.Attribute) -> None:
    result = v.EMPTY
    for atom in frame.raw(event.obj):
        result = v.join(result, attribute(frame, event, atom, event.name))
    frame.set(event.dst, result or v.TOP)


def attribute(frame: Frame, event: ev.Event, atom: v.Atom, name: str) -> Value:
    match atom:
        case Bound(Tensor() as owner, _):
            return attribute(frame, event, v.derived([owner], exact=False), name)
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
        tracking.read_grad(frame, event, t)
        return v.just(Tensor(leaf=Truth.YES, grad=Truth.NO))
    if name in api.TENSOR_ATTRIBUTES:
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
            if cls is not None and (name not in api.MODULE_API or cls.method(name) is not None):
                return _class_attribute(frame, event, identity, cls, name)
            if name in api.MODULE_API:
                return v.just(Bound(Obj(identity), name))
            if name == "module" and not isinstance(identity, Path):
                return v.just(Obj(identity))
            return v.just(Obj(Path(identity, name)))
        case r.Instance(cls):
            return _class_attribute(frame, event, identity, cls, name)
        case r.Optimizer():
            if name == "param_groups":
                groups = Path(identity, "param_groups")
                state.heap[groups] = r.Groups(identity)
                return v.just(Obj(groups))
            return v.just(Bound(Obj(identity), name))
        case None:
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
                if event.name == "training" and isinstance(record, r.Module):
                    truth = calls.truth_of(value, Truth.YES)
                    modes = {Truth.YES: Mode.TRAIN, Truth.NO: Mode.EVAL}
                    tracking.set_mode(frame, identity, modes.get(truth, Mode.ENTRY), event)
                    continue
                if event.name in ("grad", "_grad"):
                    _write_grad(frame, event, value, None)
                if event.name == "requires_grad":
                    continue
                pair = (identity, event.name)
                old = state.attrs.get(pair)
                state.attrs[pair] = value if len(owners) == 1 or old is None else v.join(old, value)
                _forget_conditions(frame, identity, event.name)
                if isinstance(record, r.Module):
                    _adopt(frame, identity, value)
                tracking.mark(frame, frame.run.program.stored, [value])
            case Param(owner, _):
                if event.name == "requires_grad":
                    tracking.freeze_owner(frame, owner, calls.truth_of(value, Truth.YES))
                elif event.name in ("grad", "_grad"):
                    _write_grad(frame, event, value, owner)
                elif event.name == "data" and methods.mentions_gradient(value):
                    tracking.step_by_hand(frame, event, owner)
            case Tensor():
                if event.name == "requires_grad":
                    methods.set_requires_grad(frame, atom, calls.truth_of(value, Truth.YES))
                elif event.name == "grad":
                    _write_grad(frame, event, value, None)
            case Cls(cls):
                cls.methods[event.name] = value
            case _:
                tracking.mark(frame, frame.run.program.stored, [value])


def _adopt(frame: Frame, identity: v.Identity, value: Value) -> None:
    """A module put into an attribute of another is a part of it."""
    parts = frozenset(
        a.id for a in frame.reach(value) if isinstance(a, Obj) and isinstance(frame.state.heap.get(a.id), r.Module)
    )
    record = frame.state.heap.get(identity)
    if parts and isinstance(record, r.Module) and identity not in parts:
        frame.state.heap[identity] = replace(record, parts=record.parts | parts)


def _forget_conditions(frame: Frame, identity: v.Identity, name: str) -> None:
    frame.state.forget(Path(identity, name))


def _write_grad(frame: Frame, event: ev.Event, value: Value, owner: v.Identity | None) -> None:
    if value == v.NONE:
        if owner is None:
            tracking.zero(frame, event, None)
        else:
            methods.zero_owner(frame, event, owner)
    else:
        tracking.touch_gradients(frame)


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
                if tensors:
                    changed = v.derived([atom, *tensors])
                    state.replace_tensor(atom, replace(changed, leaf=atom.leaf if not changed.may else changed.leaf))
            case Obj(identity):
                record = state.heap.get(identity)
                constant = v.single(key)
                if isinstance(record, r.Mapping) and isinstance(constant, Const):
                    items = dict(record.items)
                    items[constant.value] = value
                    state.heap[identity] = r.Mapping(record.element, tuple(items.items()))
                elif isinstance(record, (r.Mapping, r.Sequence)):
                    methods.grow(frame, identity, value)
                    if isinstance(record, r.Sequence):
                        state.heap[identity] = r.Sequence(v.join(record.element, value))
                else:
                    tracking.mark(frame, frame.run.program.stored, [value])
            case _:
                tracking.mark(frame, frame.run.program.stored, [value])


def _nothing(frame: Frame, event: ev.Event) -> None:
    return


# --- operators ----------------------------------------------------------------------------------------

MAX_EXPRESSION = 4  # `not (i + 1) % n == 0`; deeper ones would grow turn by turn

_FOLDED: dict[str, Callable[[Any, Any], object]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "is": lambda a, b: a is b or a == b,
    "is not": lambda a, b: not (a is b or a == b),
}


def _binary(frame: Frame, event: ev.Binary | ev.InPlace) -> None:
    left, right = frame.get(event.left), frame.get(event.right)
    tensors = [*frame.tensors(left), *frame.tensors(right)]
    if isinstance(event, ev.InPlace):
        if methods.mentions_gradient(right):
            for atom in left:
                if isinstance(atom, Param):
                    tracking.step_by_hand(frame, event, atom.owner)
        _grow_in_place(frame, left, right)
        list_like = v.single(left)
        if isinstance(list_like, Obj) and isinstance(frame.state.heap.get(list_like.id), r.Sequence):
            frame.set(event.dst, left)
            return
    if tensors:
        if frame.state.grad is GradMode.OFF:
            data = frozenset().union(*(t.data for t in tensors))
            in_place_leaf = isinstance(event, ev.InPlace) and any(t.grad is Truth.YES for t in frame.tensors(left))
            if in_place_leaf:
                frame.set(event.dst, left)
                return
            result = Tensor(data=data, leaf=Truth.YES, grad=Truth.NO)
        else:
            result = v.derived(tensors)
            sure = all(isinstance(a, (Tensor, Const)) for a in (*left, *right)) and len(left) == len(right) == 1
            if not sure:
                result = replace(
                    result,
                    must=result.must if _one_tensor(left, right) else frozenset(),
                    grad=result.grad if result.grad is Truth.YES else Truth.MAYBE,
                    leaf=result.leaf if result.grad is Truth.YES else Truth.MAYBE,
                    synthetic=False,
                )
        frame.set(event.dst, v.just(replace(result, made=event)))
        return
    folded = _fold(event.operator, left, right)
    if folded is not None:
        frame.set(event.dst, folded)
        return
    joined = _joined_lists(frame, event, left, right)
    if joined is not None:
        frame.set(event.dst, joined)
        return
    if isinstance(event, ev.InPlace):
        frame.set(event.dst, frame.unknown(event))  # a counter: another value each time
        return
    frame.set(event.dst, _expression(frame, event, event.operator, (left, right)))


def _joined_lists(frame: Frame, event: ev.Event, left: Value, right: Value) -> Value | None:
    """`[a] + [b]` and `[a] * n`: a list of all of them."""
    found: list[Value] = []
    for side in (left, right):
        atom = v.single(side)
        record = frame.state.heap.get(atom.id) if isinstance(atom, Obj) else None
        if isinstance(record, r.Sequence):
            found.append(record.element or v.join_all(record.items or ()))
    return frame.make(event, r.Sequence(v.join_all(found))) if found else None


def _one_tensor(left: Value, right: Value) -> bool:
    """Whether each side is surely a tensor or surely a number: `0 + loss`, `loss / n`."""
    return all(not any(isinstance(a, Tensor) for a in side) or len(side) == 1 for side in (left, right))


def _grow_in_place(frame: Frame, left: Value, right: Value) -> None:
    for atom in left:
        if isinstance(atom, Obj) and isinstance(frame.state.heap.get(atom.id), r.Sequence):
            for other in right:
                methods.grow(frame, atom.id, v.join_all(v.just(a) for a in frame.reach(v.just(other))))


def _fold(operator: str, left: Value, right: Value) -> Value | None:
    a, b = v.single(left), v.single(right)
    if isinstance(a, Const) and isinstance(b, Const) and isinstance(a.value, (int, float)) and operator in "+-":
        if isinstance(b.value, (int, float)) and abs(a.value) < 50:
            return None  # counters must not be unrolled
    if isinstance(a, Const) and isinstance(b, Const) and operator == "%" and isinstance(a.value, int):
        if isinstance(b.value, int) and b.value:
            return v.const(a.value % b.value)
    return None


def _expression(frame: Frame, event: ev.Event, operator: str, operands: tuple[Value, ...]) -> Value:
    """A symbol for an expression over unknown values, or a fresh unknown where it gets too deep."""
    depth = 1
    for operand in operands:
        if len(operand) > 2 or v.ANY in operand:
            return frame.unknown(event)
        for atom in operand:
            if isinstance(atom, Obj) and isinstance(atom.id, Expression):
                depth = max(depth, atom.id.depth + 1)
            elif isinstance(atom, (Tup, Func)):
                return frame.unknown(event)
    if depth > MAX_EXPRESSION:
        return frame.unknown(event)
    return v.just(Obj(Expression(operator, operands, depth=depth)))


def _compare(frame: Frame, event: ev.Compare) -> None:
    left, right = frame.get(event.left), frame.get(event.right)
    decided = compare(frame, event.operator, left, right)
    if decided is not None:
        frame.set(event.dst, decided)
        return
    tensors = [*frame.tensors(left), *frame.tensors(right)]
    if tensors and event.operator not in ("is", "is not", "in", "not in"):
        data = frozenset().union(*(t.data for t in tensors))
        frame.set(event.dst, v.just(Tensor(data=data, leaf=Truth.YES, grad=Truth.NO)))
        return
    frame.set(event.dst, _expression(frame, event, event.operator, (left, right)))


def compare(frame: Frame, operator: str, left: Value, right: Value) -> Value | None:
    """The outcome where both sides are known well enough, None otherwise."""
    a, b = v.single(left), v.single(right)
    if isinstance(a, Const) and isinstance(b, Const) and operator in _FOLDED:
        try:
            return v.const(bool(_FOLDED[operator](a.value, b.value)))
        except TypeError:
            return None
    if operator in ("is", "is not") and right == v.NONE and v.NONE & left == v.EMPTY:
        if all(_is_thing(frame, atom) for atom in left):
            return v.const(operator == "is not")
    if operator in ("in", "not in") and isinstance(a, Const):
        items = _known_items(frame, b)
        if items is not None and all(isinstance(v.single(i), Const) for i in items):
            return v.const((left in items) == (operator == "in"))
    return None


def _known_items(frame: Frame, atom: v.Atom | None) -> tuple[Value, ...] | None:
    if isinstance(atom, Tup):
        return atom.items
    if isinstance(atom, Obj):
        record = frame.state.heap.get(atom.id)
        if isinstance(record, r.Sequence):
            return record.items
    return None


def _is_thing(frame: Frame, atom: v.Atom) -> bool:
    """Whether an atom is surely not None."""
    match atom:
        case Obj(identity):
            record = frame.state.heap.get(identity)
            return record is not None and not (
                (isinstance(record, r.Optimizer) and not record.made) or isinstance(identity, Path)
            )
        case Func() | Cls() | Ext() | Tup():
            return True
        case Tensor(exact=True, may=may):
            return bool(may)
        case _:
            return False


def _unary(frame: Frame, event: ev.Unary) -> None:
    operand = frame.get(event.operand)
    if event.operator == "not":
        from torchmode_lint.analysis.branches import possible

        may_true, may_false = possible(frame.state, operand)
        if may_true != may_false:
            frame.set(event.dst, v.const(may_false))
            return
        frame.set(event.dst, _expression(frame, event, "not", (operand,)))
        return
    tensors = frame.tensors(operand)
    if tensors:
        frame.set(event.dst, calls.operation(frame, Arguments((operand,))))
        return
    number = v.constant(operand, None)
    if event.operator == "-" and isinstance(number, (int, float)) and not isinstance(number, bool):
        frame.set(event.dst, v.const(-number))
        return
    frame.set(event.dst, _expression(frame, event, event.operator, (operand,)))


# --- displays, unpacking, loops -------------------------------------------------------------------------


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
            methods.grow(frame, atom.id, frame.get(event.src))


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


# --- functions and classes ------------------------------------------------------------------------------


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
    frame.set(event.dst, value)


_KINDS = {
    "builtins.staticmethod": "static",
    "builtins.classmethod": "class",
    "builtins.property": "property",
    "functools.cached_property": "property",
    "contextlib.contextmanager": "contextmanager",
}
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
    atom = v.single(decorator)
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
        got = calls.apply(frame, event, atom, Arguments((value,)))
        if any(isinstance(a, Func) for a in got):
            return got
    if isinstance(atom, Bound) and atom.name in ("setter", "getter", "deleter"):
        return v.just(replace(func, kind="setter"))
    return v.just(replace(func, grad=func.grad or "unknown"))


def _make_class(frame: Frame, event: ev.MakeClass) -> None:
    run, code = frame.run, event.code
    bases: list[Class | str] = []
    for argument in event.bases:
        if argument.keyword is not None:
            continue
        atom = v.single(frame.get(argument.src))
        if isinstance(atom, Cls):
            bases.append(atom.cls)
        elif isinstance(atom, Ext):
            bases.append(atom.name)
        else:
            bases.append("")
    cls = run.classes.get(code)
    if cls is None:
        cls = run.classes[code] = Class(code)
    cls.bases = tuple(b for b in bases if b is not cls)
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


# --- with, generators, imports --------------------------------------------------------------------------


def _enter(frame: Frame, event: ev.Enter) -> None:
    managers = frame.get(event.manager)
    state = frame.state
    state.env[frame.context.code.scope, event.manager] = managers
    before = (state.grad, state.grad_why)
    result = managers
    modes: list[GradMode] = []
    for atom in managers:
        record = state.heap.get(atom.id) if isinstance(atom, Obj) else None
        if isinstance(record, r.GradSwitch):
            assert isinstance(atom, Obj)
            before = state.saved.get(atom.id, before)
            modes.append(state.grad if record.mode is GradMode.ENTRY else record.mode)
        elif isinstance(record, r.Resumable):
            result = _enter_generator(frame, event, record)
            if isinstance(atom, Obj):
                before = state.saved.get(atom.id, before)
        elif isinstance(record, r.Instance):
            method = record.cls.method("__enter__")
            if method is not None and isinstance(atom, Obj):
                result = calls.call_method(frame, event, method, atom.id, Arguments())
        else:
            modes.append(before[0])
    if modes and any(mode is not before[0] for mode in modes):
        mode = modes[0]
        for other in modes[1:]:
            mode |= other
        frame.state.grad, frame.state.grad_why = mode, frozenset({frame.point(event)})
    frame.state.saved[event] = before
    frame.set(event.dst, result)


def _enter_generator(frame: Frame, event: ev.Event, record: r.Resumable) -> Value:
    """Run a `@contextmanager` function to its yield."""
    activation = frame.run.solve(record.context, frame.state, to_yield=True)
    outcomes = [o for o in activation.outcomes if o.block is not None]
    if not outcomes:
        return v.TOP
    loops = frame.state.loops
    frame.state = outcomes[0].state.copy()
    for other in outcomes[1:]:
        frame.state.join(other.state)
    frame.state.loops = dict(loops)
    return v.join_all(o.value for o in outcomes)


def _leave(frame: Frame, event: ev.Leave) -> None:
    managers = frame.state.env.get((frame.context.code.scope, event.manager), v.EMPTY)
    for atom in managers:
        record = frame.state.heap.get(atom.id) if isinstance(atom, Obj) else None
        if isinstance(record, r.Resumable):
            _leave_generator(frame, record)
        elif isinstance(record, r.Instance):
            method = record.cls.method("__exit__")
            if method is not None and isinstance(atom, Obj):
                calls.call_method(frame, event, method, atom.id, Arguments((v.NONE, v.NONE, v.NONE)))
    saved = frame.state.saved.get(event.enter)
    if saved is not None:
        frame.state.grad, frame.state.grad_why = saved


def _leave_generator(frame: Frame, record: r.Resumable) -> None:
    """Run a `@contextmanager` function on from its yield to its end."""
    resume = [
        block.successors()[0]
        for block in record.code.blocks
        if block.events and isinstance(block.events[-1], ev.Yield) and block.successors()
    ]
    if not resume:
        return
    activation = frame.run.solve(record.context, frame.state, start=resume[0])
    if activation.outcomes:
        loops = frame.state.loops
        frame.state = activation.outcomes[0].state.copy()
        for other in activation.outcomes[1:]:
            frame.state.join(other.state)
        frame.state.loops = dict(loops)


def _await(frame: Frame, event: ev.Await) -> None:
    frame.set(event.dst, frame.get(event.src))


def _yield(frame: Frame, event: ev.Yield) -> None:
    value = frame.get(event.src)
    if frame.run.active:
        activation = frame.run.active[-1]
        activation.yielded = v.join(activation.yielded, value)
    frame.set(event.dst, frame.unknown(event))


def _import(frame: Frame, event: ev.Import) -> None:
    frame.set(event.dst, imports.module(frame, event.module, event.loaded))


def _import_from(frame: Frame, event: ev.ImportFrom) -> None:
    frame.set(event.dst, imports.name(frame, event.module, event.name, event.level))


def _discard(frame: Frame, event: ev.Discard) -> None:
    if not frame.run.recording:
        return
    for atom in frame.raw(event.src):
        if isinstance(atom, Bound) and isinstance(atom.owner, Tensor) and atom.name == "backward":
            frame.run.program.trained |= tracking.keys(atom.owner.may)
        form = _no_effect(frame, event, atom)
        if form is not None and len(frame.raw(event.src)) == 1:
            frame.run.program.no_effects.append(NoEffect(event, frame.context, form[0], form[1]))


_SWITCHES = ("eval", "train", "zero_grad", "step", "backward")


def _no_effect(frame: Frame, event: ev.Discard, atom: v.Atom) -> tuple[str, str] | None:
    """(what, form) where dropping the value means that the statement does nothing."""
    match atom:
        case Bound(Obj(identity), name) if not isinstance(frame.state.heap.get(identity), (r.Sequence, r.Mapping)):
            record = frame.state.heap.get(identity)
            if name in _SWITCHES and isinstance(record, (r.Module, r.Optimizer)):
                return name, "method"
        case Bound(Tensor(), name) if name in ("backward", "detach_", "requires_grad_", "retain_grad"):
            return name, "method"
        case Obj(Path(base, name)) if name in ("eval", "zero_grad"):
            if "module" in frame.run.evidence.get(base, ()) or frame.run.evidence.get(base, set()) & {"zero_grad"}:
                return name, "method"
        case Obj(identity) if isinstance(frame.state.heap.get(identity), r.GradSwitch) and isinstance(identity, v.Site):
            made = identity.event
            if isinstance(made, ev.Call) and _is_call_of(event, made) and identity not in frame.state.saved:
                return "", "grad mode"
    return _dropped_call(frame, event)


def _is_call_of(event: ev.Discard, made: ev.Call) -> bool:
    return event.src == made.dst


def _dropped_call(frame: Frame, event: ev.Discard) -> tuple[str, str] | None:
    if frame.guarded:
        return None
    return frame.run.dropped.get((frame.context, event.src))


_TRANSFER: dict[type, Callable[[Frame, Any], None]] = {
    ev.Constant: _constant,
    ev.Load: _load,
    ev.Store: _store,
    ev.Delete: _delete,
    ev.Annotate: _annotate,
    ev.Copy: _copy,
    ev.Attribute: _attribute,
    ev.SetAttribute: _set_attribute,
    ev.DeleteAttribute: _delete_attribute,
    ev.Item: _item,
    ev.SetItem: _set_item,
    ev.DeleteItem: _nothing,
    ev.Call: calls.call,
    ev.Unary: _unary,
    ev.Binary: _binary,
    ev.InPlace: _binary,
    ev.Compare: _compare,
    ev.Build: _build,
    ev.Grow: _grow,
    ev.Unpack: _unpack,
    ev.Part: _part,
    ev.Test: _test,
    ev.MakeFunction: _make_function,
    ev.MakeClass: _make_class,
    ev.Iterate: _iterate,
    ev.Enter: _enter,
    ev.Leave: _leave,
    ev.Await: _await,
    ev.Yield: _yield,
    ev.Import: _import,
    ev.ImportFrom: _import_from,
    ev.Caught: lambda frame, event: frame.set(event.dst, frame.unknown(event)),
    ev.Discard: _discard,
}
