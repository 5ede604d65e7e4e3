"""Expressions without branches: each leaves its value in a register of the open block.

Conditions are in `lower_bool`, comprehensions in `lower_comp`, lambdas in `lower_def`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import libcst as cst

from torchmode_lint.flow import events as ev
from torchmode_lint.flow import literals
from torchmode_lint.flow.build import Builder
from torchmode_lint.flow.dispatch import EXPRESSIONS, expression
from torchmode_lint.flow.events import Argument, Register

E = TypeVar("E", cst.BaseElement, cst.BaseDictElement)

BINARY: dict[type[cst.BaseBinaryOp], str] = {
    cst.Add: "+",
    cst.Subtract: "-",
    cst.Multiply: "*",
    cst.MatrixMultiply: "@",
    cst.Divide: "/",
    cst.FloorDivide: "//",
    cst.Modulo: "%",
    cst.Power: "**",
    cst.LeftShift: "<<",
    cst.RightShift: ">>",
    cst.BitOr: "|",
    cst.BitAnd: "&",
    cst.BitXor: "^",
}
UNARY: dict[type[cst.BaseUnaryOp], str] = {cst.Not: "not", cst.Minus: "-", cst.Plus: "+", cst.BitInvert: "~"}
_NAMED_CONSTANTS = {"None": None, "True": True, "False": False}


def constant(b: Builder, node: cst.CSTNode, value: object) -> Register:
    dst = b.register()
    b.emit(ev.Constant(b.index(), node, dst, value))
    return dst


def build(
    b: Builder,
    node: cst.CSTNode,
    kind: str,
    items: tuple[Argument, ...],
    keys: tuple[Register | None, ...] = (),
) -> Register:
    dst = b.register()
    b.emit(ev.Build(b.index(), node, dst, kind, items, keys))
    return dst


def _name(b: Builder, node: cst.Name) -> Register:
    if node.value in _NAMED_CONSTANTS:
        return constant(b, node, _NAMED_CONSTANTS[node.value])
    dst = b.register()
    b.emit(ev.Load(b.index(), node, dst, b.use(node.value)))
    return dst


def _trailers(b: Builder, node: cst.BaseExpression) -> Register:
    """Calls, attributes and subscripts after one another, from the inside out."""
    chain: list[cst.Call | cst.Attribute | cst.Subscript] = []
    while True:  # by exact type: an instance check against libcst's abstract classes costs many times more
        if type(node) is cst.Attribute or type(node) is cst.Subscript:
            chain.append(node)
            node = node.value
        elif type(node) is cst.Call:
            chain.append(node)
            node = node.func
        else:
            break
    value = expression(b, node)
    for link in reversed(chain):
        if type(link) is cst.Attribute:
            dst = b.register()
            b.emit(ev.Attribute(b.index(), link, dst, value, link.attr.value))
        elif type(link) is cst.Call:
            given = arguments(b, link.args)
            dst = b.register()
            b.emit(ev.Call(b.index(), link, dst, value, given))
        elif type(link) is cst.Subscript:
            key = subscript_key(b, link)
            dst = b.register()
            b.emit(ev.Item(b.index(), link, dst, value, key))
        value = dst
    return value


def arguments(b: Builder, args: Sequence[cst.Arg]) -> tuple[Argument, ...]:
    """The arguments of a call or the bases of a class."""
    return tuple(
        [Argument(expression(b, arg.value), arg.keyword.value if arg.keyword else None, arg.star) for arg in args]
    )


def subscript_key(b: Builder, node: cst.Subscript) -> Register:
    elements = node.slice
    first = elements[0]
    if len(elements) == 1 and not isinstance(first.comma, cst.Comma) and not _is_starred(first):
        return _slice(b, first.slice)
    items = [Argument(_slice(b, element.slice), None, "*" if _is_starred(element) else "") for element in elements]
    return build(b, node, "tuple", tuple(items))


def _is_starred(element: cst.SubscriptElement) -> bool:
    return isinstance(element.slice, cst.Index) and element.slice.star is not None


def _slice(b: Builder, node: cst.BaseSlice) -> Register:
    if isinstance(node, cst.Index):
        return expression(b, node.value)
    assert isinstance(node, cst.Slice)
    bounds = (node.lower, node.upper, node.step)
    items = [Argument(constant(b, node, None) if bound is None else expression(b, bound)) for bound in bounds]
    return build(b, node, "slice", tuple(items))


def _binary(b: Builder, node: cst.BinaryOperation) -> Register:
    chain = []
    left: cst.BaseExpression = node
    while isinstance(left, cst.BinaryOperation):
        chain.append(left)
        left = left.left
    value = expression(b, left)
    for link in reversed(chain):
        right = expression(b, link.right)
        dst = b.register()
        b.emit(ev.Binary(b.index(), link, dst, BINARY[type(link.operator)], value, right))
        value = dst
    return value


def _unary(b: Builder, node: cst.UnaryOperation) -> Register:
    operand = expression(b, node.expression)
    dst = b.register()
    b.emit(ev.Unary(b.index(), node, dst, UNARY[type(node.operator)], operand))
    return dst


def _sequence(b: Builder, node: cst.List | cst.Tuple | cst.Set) -> Register:
    elements = _lowered(node.elements)
    items = tuple(
        [Argument(expression(b, e.value), None, "*" if type(e) is cst.StarredElement else "") for e in elements]
    )
    return build(b, node, type(node).__name__.lower(), items)


def _dict(b: Builder, node: cst.Dict) -> Register:
    keys: list[Register | None] = []
    items = []
    for element in _lowered(node.elements):
        if isinstance(element, cst.DictElement):
            keys.append(expression(b, element.key))
            items.append(Argument(expression(b, element.value)))
        else:
            keys.append(None)
            items.append(Argument(expression(b, element.value), None, "**"))
    return build(b, node, "dict", tuple(items), tuple(keys))


def _lowered(elements: Sequence[E]) -> Sequence[E]:
    """The elements of a display without the end of a long table of literals."""
    if len(elements) <= literals.LONG_TABLE:
        return elements
    return elements[: literals.lowered_of([literals.is_literal(one) for one in elements])]


def _strings(b: Builder, node: cst.ConcatenatedString | cst.FormattedString | cst.TemplatedString) -> Register:
    """Pieces of a string: one constant if none has a hole, else a `Build` of what fills the holes."""
    pieces: list[cst.BaseExpression] = []
    rest: cst.BaseExpression = node
    while isinstance(rest, cst.ConcatenatedString):
        pieces.append(rest.left)
        rest = rest.right
    pieces.append(rest)
    if all(isinstance(piece, cst.SimpleString) for piece in pieces):
        values = [literals.string(piece) for piece in pieces if isinstance(piece, cst.SimpleString)]
        texts = [value for value in values if isinstance(value, str)]
        joined = "".join(texts) if texts else b"".join(value for value in values if isinstance(value, bytes))
        return constant(b, node, joined)
    items: list[Argument] = []
    for piece in pieces:
        if isinstance(piece, cst.FormattedString | cst.TemplatedString):
            _holes(b, piece.parts, items)
    return build(b, node, "string", tuple(items))


def _holes(b: Builder, parts: object, items: list[Argument]) -> None:
    for part in parts if isinstance(parts, list | tuple) else ():
        if isinstance(part, cst.FormattedStringExpression | cst.TemplatedStringExpression):
            items.append(Argument(expression(b, part.expression)))
            _holes(b, part.format_spec, items)


def _await(b: Builder, node: cst.Await) -> Register:
    src = expression(b, node.expression)
    dst = b.register()
    b.emit(ev.Await(b.index(), node, dst, src))
    return dst


def _yield(b: Builder, node: cst.Yield) -> Register:
    delegate = isinstance(node.value, cst.From)
    value = node.value.item if isinstance(node.value, cst.From) else node.value
    src = constant(b, node, None) if value is None else expression(b, value)
    dst = b.register()
    b.code.is_generator = True
    b.emit(ev.Yield(b.index(), node, dst, src, delegate))
    b.proceed()
    return dst


def _walrus(b: Builder, node: cst.NamedExpr) -> Register:
    src = expression(b, node.value)
    dst = b.register()
    b.emit(ev.Copy(b.index(), node, dst, src))
    assert isinstance(node.target, cst.Name)
    b.emit(ev.Store(b.index(), node.target, b.scope.bind_walrus(node.target.value), dst))
    return dst


EXPRESSIONS.update(
    {
        cst.Name: _name,
        cst.Attribute: _trailers,
        cst.Call: _trailers,
        cst.Subscript: _trailers,
        cst.BinaryOperation: _binary,
        cst.UnaryOperation: _unary,
        cst.List: _sequence,
        cst.Tuple: _sequence,
        cst.Set: _sequence,
        cst.Dict: _dict,
        cst.Integer: lambda b, node: constant(b, node, literals.integer(node.value)),
        cst.Float: lambda b, node: constant(b, node, float(node.value)),
        cst.Imaginary: lambda b, node: constant(b, node, literals.imaginary(node.value)),
        cst.SimpleString: lambda b, node: constant(b, node, literals.string(node)),
        cst.Ellipsis: lambda b, node: constant(b, node, ...),
        cst.ConcatenatedString: _strings,
        cst.FormattedString: _strings,
        cst.TemplatedString: _strings,
        cst.Await: _await,
        cst.Yield: _yield,
        cst.NamedExpr: _walrus,
    }
)
