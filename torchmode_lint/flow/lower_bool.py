"""Truth: conditions as branches, and `and`/`or`, comparison chains and conditional expressions as values."""

from __future__ import annotations

import libcst as cst

from torchmode_lint.flow import events as ev
from torchmode_lint.flow.build import Builder
from torchmode_lint.flow.cfg import Block, Branch
from torchmode_lint.flow.dispatch import EXPRESSIONS, expression
from torchmode_lint.flow.events import Register

COMPARE: dict[type[cst.BaseCompOp], str] = {
    cst.Equal: "==",
    cst.NotEqual: "!=",
    cst.LessThan: "<",
    cst.LessThanEqual: "<=",
    cst.GreaterThan: ">",
    cst.GreaterThanEqual: ">=",
    cst.Is: "is",
    cst.IsNot: "is not",
    cst.In: "in",
    cst.NotIn: "not in",
}


def condition(b: Builder, node: cst.BaseExpression, then: Block, otherwise: Block) -> None:
    """Ends the open block: goes to `then` where `node` is true and to `otherwise` where it is false."""
    while isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
        node, then, otherwise = node.expression, otherwise, then
    truth = constant_truth(node)
    if truth is not None:
        b.go(then if truth else otherwise, then)
    elif isinstance(node, cst.BooleanOperation):
        *first, last = _operands(node)
        for operand in first:
            rest = b.fresh()
            if isinstance(node.operator, cst.Or):
                condition(b, operand, then, rest)
            else:
                condition(b, operand, rest, otherwise)
            b.block = rest
        condition(b, last, then, otherwise)
    elif isinstance(node, cst.IfExp):
        yes, no = b.fresh(), b.fresh()
        condition(b, node.test, yes, no)
        b.block = yes
        condition(b, node.body, then, otherwise)
        b.block = no
        condition(b, node.orelse, then, otherwise)
    elif isinstance(node, cst.Comparison) and len(node.comparisons) > 1:
        left = expression(b, node.left)
        for target in node.comparisons[:-1]:
            left, result = _compare(b, node, left, target)
            rest = b.fresh()
            b.end(Branch(result, rest, otherwise), rest)
        _, result = _compare(b, node, left, node.comparisons[-1])
        b.end(Branch(result, then, otherwise), then)
    else:
        b.end(Branch(expression(b, node), then, otherwise), then)


def constant_truth(node: cst.BaseExpression) -> bool | None:
    """Whether a literal is true; None where `node` is not such a literal."""
    if isinstance(node, cst.Name):
        return {"True": True, "False": False, "None": False}.get(node.value)
    if isinstance(node, cst.Integer):
        return node.value.strip("0_") != "" if node.value.isdigit() else None
    return None


def _operands(node: cst.BooleanOperation) -> list[cst.BaseExpression]:
    """`a or b or c` grows to the left."""
    kind = type(node.operator)
    found = [node.right]
    left = node.left
    while isinstance(left, cst.BooleanOperation) and type(left.operator) is kind:
        found.append(left.right)
        left = left.left
    found.append(left)
    found.reverse()
    return found


def copy(b: Builder, node: cst.CSTNode, dst: Register, src: Register) -> None:
    b.emit(ev.Copy(b.index(), node, dst, src))


def _boolean(b: Builder, node: cst.BooleanOperation) -> Register:
    dst = b.register()
    end = b.fresh()
    *first, last = _operands(node)
    for operand in first:
        value = expression(b, operand)
        copy(b, operand, dst, value)
        rest = b.fresh()
        both = (end, rest) if isinstance(node.operator, cst.Or) else (rest, end)
        b.end(Branch(value, *both), rest)
    copy(b, last, dst, expression(b, last))
    b.go(end)
    return dst


def _compare(
    b: Builder, node: cst.Comparison, left: Register, target: cst.ComparisonTarget
) -> tuple[Register, Register]:
    """The right operand, for the next link of the chain, and the result."""
    right = expression(b, target.comparator)
    dst = b.register()
    b.emit(ev.Compare(b.index(), node, dst, COMPARE[type(target.operator)], left, right))
    return right, dst


def _comparison(b: Builder, node: cst.Comparison) -> Register:
    left = expression(b, node.left)
    if len(node.comparisons) == 1:
        return _compare(b, node, left, node.comparisons[0])[1]
    dst = b.register()
    end = b.fresh()
    for target in node.comparisons[:-1]:
        left, result = _compare(b, node, left, target)
        copy(b, node, dst, result)
        rest = b.fresh()
        b.end(Branch(result, rest, end), rest)
    _, result = _compare(b, node, left, node.comparisons[-1])
    copy(b, node, dst, result)
    b.go(end)
    return dst


def _conditional(b: Builder, node: cst.IfExp) -> Register:
    dst = b.register()
    end = b.fresh()
    rest: cst.BaseExpression = node
    while isinstance(rest, cst.IfExp):  # `a if c else b if d else e` grows to the right
        yes, no = b.fresh(), b.fresh()
        condition(b, rest.test, yes, no)
        b.block = yes
        copy(b, rest.body, dst, expression(b, rest.body))
        b.go(end, no)
        rest = rest.orelse
    copy(b, rest, dst, expression(b, rest))
    b.go(end)
    return dst


EXPRESSIONS.update({cst.BooleanOperation: _boolean, cst.Comparison: _comparison, cst.IfExp: _conditional})
