"""Operators: on tensors they make tensors, on constants they are folded where that is safe, else a symbol is made.

What follows from the truth of such a symbol is up to `branches`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torchmode_lint.analysis import branches, calls, containers, gradients, parameters, tracking
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Cls, Const, Expression, Ext, Func, Obj, Param, Path, Tensor, Tup, Value
from torchmode_lint.flow import events as ev
from torchmode_lint.protocol import GradMode, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame

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
        if parameters.mentions_gradient(right):
            for atom in left:
                if isinstance(atom, Param):
                    gradients.step_by_hand(frame, event, atom.owner)
        _grow_in_place(frame, event, left, right)
        list_like = v.single(left)
        if isinstance(list_like, Obj) and isinstance(frame.state.heap.get(list_like.id), r.Sequence):
            frame.set(event.dst, left)
            return
    joined = _joined_lists(frame, event, left, right)
    if joined is not None:
        frame.set(event.dst, joined)
        return
    if tensors:
        if event.operator in ("+", "-"):
            tracking.accumulate(frame, event, left, right)
            if isinstance(event, ev.Binary):
                tracking.accumulate(frame, event, right, left)
        tracking.combine(frame, event, tensors)
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


def _grow_in_place(frame: Frame, event: ev.Event, left: Value, right: Value) -> None:
    for atom in left:
        if isinstance(atom, Obj) and isinstance(frame.state.heap.get(atom.id), r.Sequence):
            for other in right:
                containers.grow(frame, event, atom.id, v.join_all(v.just(a) for a in frame.reach(v.just(other))))


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
        may_true, may_false = branches.possible(frame.state, operand)
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


TRANSFER: dict[type, Callable[[Frame, Any], None]] = {
    ev.Unary: _unary,
    ev.Binary: _binary,
    ev.InPlace: _binary,
    ev.Compare: _compare,
}
