"""What stands around a node of a file: its statement, the suite and the function that hold it, its indentation.

Reads trees and makes nothing. A *suite* is a list of statements of one indentation: the file's, or a block's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from torchmode_lint.source import SourceFile

_SUITES = (cst.Module, cst.IndentedBlock)
_STRINGS = (cst.SimpleString, cst.FormattedString)
_SCOPES = (cst.FunctionDef, cst.ClassDef, cst.Lambda)


@dataclass(frozen=True, slots=True)
class Place:
    """A statement that stands on lines of its own: the `index`-th of its suite."""

    statement: cst.BaseStatement
    suite: cst.Module | cst.IndentedBlock
    index: int

    @property
    def before(self) -> tuple[cst.BaseStatement, ...]:
        return tuple(_statements(self.suite)[: self.index])

    @property
    def after(self) -> tuple[cst.BaseStatement, ...]:
        return tuple(_statements(self.suite)[self.index + 1 :])


class Syntax:
    """The tree of one file, seen from its leaves."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        return self.source.parents.get(node)

    def around(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes that a node is in, innermost first."""
        at = self.parent(node)
        while at is not None:
            yield at
            at = self.parent(at)

    def place(self, node: cst.CSTNode) -> Place | None:
        """The innermost statement around a node before which a line can be inserted; None where there is none.

        That is not so in the second of `a; b`, of which the first may matter to it.
        """
        at: cst.CSTNode | None = node
        while at is not None:
            parent = self.parent(at)
            if isinstance(at, cst.BaseSmallStatement) and isinstance(parent, cst.SimpleStatementLine):
                if parent.body[0] is not at:
                    return None
            if isinstance(at, cst.BaseStatement) and isinstance(parent, _SUITES):
                if isinstance(parent, cst.IndentedBlock) or parent is self.source.tree:
                    return Place(at, parent, _statements(parent).index(at))
            at = parent
        return None

    def line(self, node: cst.CSTNode) -> Place | None:
        """The line of simple statements that a node is in, if it has one of its own: not that of `if x: y`."""
        at: cst.CSTNode | None = node
        while at is not None and not isinstance(at, cst.BaseStatement):
            at = self.parent(at)
        return self.place(at) if isinstance(at, cst.SimpleStatementLine) else None

    def alone(self, node: cst.CSTNode) -> Place | None:
        """The line on which an expression stands as a statement, and nothing else does."""
        statement = self.parent(node)
        line = None if statement is None else self.line(statement)
        if isinstance(statement, cst.Expr) and line is not None and len(small_statements(line.statement)) == 1:
            return line
        return None

    def outer(self, place: Place) -> Place | None:
        """The compound statement that the suite of a place belongs to; None at the border of a function or file."""
        if isinstance(place.suite, cst.Module):
            return None
        owner = self.parent(place.suite)
        while owner is not None and not isinstance(owner, cst.BaseStatement):
            owner = self.parent(owner)  # from the `else` of a loop, say
        if owner is None or isinstance(owner, _SCOPES):
            return None
        return self.place(owner)

    def function(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        """The innermost function whose body a node is in."""
        below = node
        for at in self.around(node):
            if isinstance(at, cst.FunctionDef) and below is at.body:
                return at
            if isinstance(at, (cst.ClassDef, cst.Lambda)):
                return None
            below = at
        return None

    def indent(self, statement: cst.BaseStatement) -> str:
        """The white space that a statement's first line begins with."""
        at = self.source.span(statement)
        return self.source.lines[at.line - 1][: at.column - 1]

    @property
    def unit(self) -> str:
        """One level of indentation, as the file has it."""
        return self.source.tree.default_indent

    def last_line(self, statement: cst.BaseStatement) -> int:
        """The last line of a statement, its own comment at the end of that line included."""
        return self.source.span(statement).end_line

    def lines_inside_strings(self, node: cst.CSTNode) -> set[int]:
        """The lines that begin within a string, where white space counts."""
        inside: set[int] = set()
        for at in walk(node):
            if isinstance(at, _STRINGS):
                span = self.source.span(at)
                inside.update(range(span.line + 1, span.end_line + 1))
        return inside

    def text(self, node: cst.CSTNode) -> str:
        """The code of an expression, without comments around it."""
        return self.source.tree.code_for_node(node).strip()


def walk(node: cst.CSTNode, *, own: bool = False) -> Iterator[cst.CSTNode]:
    """A node and all that is in it; `own` leaves out the bodies of functions and classes inside it."""
    pending = [node]
    while pending:
        at = pending.pop()
        yield at
        if not (own and at is not node and isinstance(at, _SCOPES)):
            pending.extend(reversed(at.children))


def dotted(node: cst.CSTNode) -> str | None:
    """`a.b.c` of a name or an attribute of one; None for any other expression."""
    parts: list[str] = []
    at = node
    while isinstance(at, cst.Attribute):
        parts.append(at.attr.value)
        at = at.value
    if not isinstance(at, cst.Name):
        return None
    return ".".join([at.value, *reversed(parts)])


def read(node: cst.CSTNode) -> set[str]:
    """The dotted names that are read in a node, and what they are attributes of; `x += 1` reads `x`."""
    found: set[str] = set()
    pending = [node]
    while pending:
        at = pending.pop()
        name = dotted(at) if isinstance(at, (cst.Name, cst.Attribute)) else None
        match at:
            case _ if name is not None:
                found |= _prefixes(name)
            case cst.Attribute(value=value) | cst.Arg(value=value):
                pending.append(value)
            case cst.AssignTarget(target=target) if targets(target):
                pass
            case cst.AnnAssign(target=target) | cst.For(target=target):
                pending += [child for child in at.children if child is not target]
            case _:
                pending += at.children
    return found


def bound(node: cst.CSTNode) -> set[str]:
    """The dotted names that are bound in a node: assigned, drawn by a loop, imported, defined or deleted.

    The name of a caught exception is none of them: it ends with its clause.
    """
    found: set[str] = set()
    caught: list[cst.AsName | None] = []
    for at in walk(node, own=True):
        match at:
            case cst.AssignTarget(target=target) | cst.AnnAssign(target=target) | cst.AugAssign(target=target):
                found |= targets(target)
            case cst.NamedExpr(target=target) | cst.Del(target=target):
                found |= targets(target)
            case cst.For(target=target) | cst.CompFor(target=target):
                found |= targets(target)
            case cst.ExceptHandler(name=name):
                caught.append(name)
            case cst.AsName(name=name) if at not in caught:
                found |= targets(name)
            case cst.FunctionDef(name=name) | cst.ClassDef(name=name):
                found.add(name.value)
            case cst.ImportAlias(name=name, asname=None):
                found.add((dotted(name) or "").split(".")[0])
    return found


def targets(node: cst.CSTNode) -> set[str]:
    """The dotted names in the target of an assignment or a loop."""
    name = dotted(node)
    if name is not None:
        return {name}
    if isinstance(node, (cst.Tuple, cst.List)):
        return set().union(*(targets(element.value) for element in node.elements))
    return set()


def binds(node: cst.CSTNode, name: str) -> bool:
    """Whether a dotted name, or what it is an attribute of, is bound in a node."""
    return not bound(node).isdisjoint(_prefixes(name))


def _prefixes(name: str) -> set[str]:
    """`a`, `a.b` and `a.b.c` of `a.b.c`."""
    parts = name.split(".")
    return {".".join(parts[: i + 1]) for i in range(len(parts))}


def small_statements(statement: cst.BaseStatement) -> list[cst.BaseSmallStatement]:
    """The statements of a line of them; none of one that has a suite."""
    return list(statement.body) if isinstance(statement, cst.SimpleStatementLine) else []


def is_docstring(statement: cst.CSTNode) -> bool:
    """Whether a statement is a string and nothing else."""
    match statement:
        case cst.SimpleStatementLine(body=[cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString()), *_]):
            return True
    return False


def assigned(statement: cst.BaseStatement) -> tuple[str, cst.BaseExpression] | None:
    """The name and the value of `name = value`, the name perhaps dotted, on a line of its own."""
    match small_statements(statement):
        case [cst.Assign(targets=[cst.AssignTarget(target=target)], value=value)]:
            name = dotted(target)
        case [cst.AnnAssign(target=target, value=value)]:
            name = dotted(target)
        case _:
            return None
    return None if name is None or value is None else (name, value)


def _statements(suite: cst.CSTNode) -> list[cst.BaseStatement]:
    assert isinstance(suite, _SUITES)
    return [statement for statement in suite.body if isinstance(statement, cst.BaseStatement)]
