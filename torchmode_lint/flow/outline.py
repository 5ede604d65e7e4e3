"""A file without the bodies of its functions, each of which is parsed when it is asked for.

Most of an imported file is never looked at, and libcst takes ten times as long to parse a file as Python's own parser,
which says here where the bodies are. A number stands in the place of each; functions inside functions stay in these,
and those on one line stay where they are. Of long tables of literals there is only what is lowered of them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import TypeAlias

import libcst as cst

from torchmode_lint.flow.literals import LONG_TABLE, lowered_of
from torchmode_lint.python_parser import python_tree
from torchmode_lint.text import SourceError, line_starts

_HEAD = "def _():\n"
_ASYNC_HEAD = f"async {_HEAD}"
_UNREADABLE = f"{_HEAD}    raise\n"  # of a function that libcst cannot read: nothing is known of what comes after it

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_Place: TypeAlias = tuple[int, int]  # a line, from 1, and a column in bytes, from 0


class Body:
    """The body of a function or class, from `start` to `end` in the text of the file; a number stands for it."""

    __slots__ = ("_end", "_start", "_statements", "_whole", "is_async")

    def __init__(self, whole: str, start: int, end: int, definition: _Function | ast.ClassDef) -> None:
        self._whole = whole
        self._start = start
        self._end = end
        self._statements: list[ast.stmt] | None = definition.body
        self.is_async = isinstance(definition, ast.AsyncFunctionDef)

    @property
    def text(self) -> str:
        """The lines of the body."""
        return self._whole[self._start : self._end]

    @property
    def statements(self) -> list[ast.stmt] | None:
        """What Python's own parser sees there; None where it refuses it."""
        if self._statements is not None:
            return self._statements
        tree = python_tree(_ASYNC_HEAD + self.text)
        return None if tree is None else tree.body[0].body  # type: ignore[attr-defined]  # that of the function

    def forget(self) -> None:
        """Give up the trees, which take room, until they are asked for."""
        self._statements = None


class Outline:
    """`text` is that of the file with numbers for bodies, `tree` Python's own of the whole file.

    `parse` makes one of libcst's of such a text, or raises SourceError.
    """

    __slots__ = ("_parse", "_whole", "bodies", "text")

    def __init__(self, text: str, tree: ast.Module, parse: Callable[[str], cst.Module]) -> None:
        self._parse = parse
        self._whole = text
        self.bodies: list[Body] = []
        self.text = "".join(self._written(tree))

    def tree(self) -> cst.Module:
        return self._parse(self.text)

    def number_of(self, node: cst.CSTNode) -> int | None:
        """The number that stands for the body of a function."""
        match node:
            case cst.FunctionDef(body=cst.IndentedBlock([cst.SimpleStatementLine([cst.Expr(cst.Integer(number))])])):
                return int(number)
        return None

    def parsed(self, number: int) -> cst.BaseSuite:
        """What a number stands for, by libcst."""
        body = self.bodies[number]
        try:
            tree = self._parse((_ASYNC_HEAD if body.is_async else _HEAD) + body.text)
        except SourceError:
            tree = self._parse(_UNREADABLE)
        (function,) = tree.body
        assert isinstance(function, cst.FunctionDef)
        return function.body

    def _written(self, tree: ast.Module) -> Iterator[str]:
        starts = line_starts(self._whole)
        written = 0  # how many characters are
        for node in _parts(tree):
            if not isinstance(node, _Function):
                for kept, last in _left_out(node):
                    yield self._whole[written : _offset(self._whole, starts, kept)]
                    written = _offset(self._whole, starts, last)
                continue
            first = node.body[0]
            line = min([first.lineno, *(one.lineno for one in getattr(first, "decorator_list", ()))]) - 1
            start, end = starts[line], starts[node.end_lineno or line + 1]
            text = self._whole[start : starts[line + 1]]
            if line == node.lineno - 1 or not begins(text, first):
                continue  # on the line of the head, or on the last of it
            indent = text[: len(text) - len(text.lstrip())]
            yield self._whole[written:start]
            yield f"{indent}{len(self.bodies)}\n"
            written = end
            self.bodies.append(Body(self._whole, start, end, node))
        yield self._whole[written:]


def _parts(node: ast.AST) -> Iterator[_Function | ast.expr]:
    """The functions that are in no other, and values of many lines elsewhere."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function):
            yield child
        elif isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            yield from _parts(child)
        elif isinstance(child, ast.expr) and (child.end_lineno or child.lineno) - child.lineno > LONG_TABLE:
            yield child


def _left_out(value: ast.expr) -> Iterator[tuple[_Place, _Place]]:
    """From where to where a value has literals at the end of a long table, which are not lowered."""
    match value:
        case ast.Call(args=arguments):
            for one in arguments:
                yield from _left_out(one)
        case ast.List(items) | ast.Tuple(items) | ast.Set(items) | ast.Dict(values=items):
            keys: list[ast.expr | None] = [*value.keys] if isinstance(value, ast.Dict) else [*items]
            kept = lowered_of([_is_literal(key) and _is_literal(item) for key, item in zip(keys, items, strict=True)])
            if kept < len(items):
                yield _end(items[kept - 1]), _end(items[-1])


def _is_literal(node: ast.expr | None) -> bool:
    """Whether this is what `literals.is_literal` takes for one in libcst's tree."""
    match node:
        case ast.Constant(value):
            return value is None or isinstance(value, (str, bytes, int, float))
        case ast.Tuple(items) | ast.List(items):
            return all(map(_is_literal, items))
    return False


def _end(node: ast.expr) -> _Place:
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def _offset(text: str, starts: list[int], place: _Place) -> int:
    """Where a place that Python's parser tells, whose columns are bytes, is in a text."""
    line, column = place
    before = text[starts[line - 1] : starts[line]].encode("utf-8", "surrogatepass")[:column]
    return starts[line - 1] + len(before.decode("utf-8", "surrogatepass"))


def begins(line: str, statement: ast.stmt) -> bool:
    """Whether a statement, or its first decorator, is the first thing on a line."""
    if getattr(statement, "decorator_list", ()):
        return line.lstrip().startswith("@")
    return not line.encode("utf-8", "surrogatepass")[: statement.col_offset].strip()
