"""Dotted names, as they stand in decorators and annotations."""

from __future__ import annotations

import re

import libcst as cst

from torchmode_lint.flow import literals

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")
# What says something about the value beside its type, which is the first thing in the brackets.
_WRAPPERS = {"Optional", "Union", "Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly"}


def dotted(node: cst.CSTNode) -> str | None:
    """`a.b.c`, or None where the expression is not a dotted name."""
    parts = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if not isinstance(node, cst.Name):
        return None
    parts.append(node.value)
    return ".".join(reversed(parts))


def callee_name(node: cst.BaseExpression) -> str:
    """A decorator's dotted name; for a call, that of what is called; "" for anything else."""
    while isinstance(node, cst.Call):
        node = node.func
    return dotted(node) or ""


def annotation_name(node: cst.BaseExpression) -> str | None:
    """The one type an annotation names beside None, dotted and without what is in its brackets."""
    if isinstance(node, cst.SimpleString | cst.ConcatenatedString):
        return _quoted(node)
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.BitOr):
        return _only([node.left, node.right])
    if isinstance(node, cst.Subscript):
        name = dotted(node.value)
        last = (name or "").rpartition(".")[2]
        if last not in _WRAPPERS:
            return name
        inside = [element.slice.value for element in node.slice if isinstance(element.slice, cst.Index)]
        return _only(inside if last == "Union" else inside[:1])
    name = dotted(node)
    return None if name == "None" else name


def _only(choices: list[cst.BaseExpression]) -> str | None:
    """The name of the only choice that is not None."""
    left = [choice for choice in choices if not (isinstance(choice, cst.Name) and choice.value == "None")]
    return annotation_name(left[0]) if len(left) == 1 else None


def _quoted(node: cst.SimpleString | cst.ConcatenatedString) -> str | None:
    if isinstance(node, cst.ConcatenatedString):
        return None
    text = literals.string(node)
    if not isinstance(text, str):
        return None
    text = text.strip()
    if _DOTTED.match(text):
        return None if text == "None" else text
    try:
        inner = cst.parse_expression(text)
    except (cst.ParserSyntaxError, cst.CSTValidationError):
        return None
    return None if isinstance(inner, cst.SimpleString) else annotation_name(inner)
