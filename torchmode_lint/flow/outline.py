"""A file without the bodies of its functions, each of which is parsed when it is asked for.

Most of an imported file is never looked at, and libcst takes ten times as long to parse a file as Python's own parser,
which says here where the bodies are. A number stands in the place of each; functions inside functions stay in these,
and those on one line stay where they are.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import TypeAlias

import libcst as cst

from torchmode_lint.text import SourceError, line_starts

_HEAD = "def _():\n"
_UNREADABLE = "def _():\n    raise\n"  # of a function that libcst cannot read: nothing is known of what comes after it

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Outline:
    """`text` is that of the file with numbers for bodies, `tree` Python's own of the whole file.

    `parse` makes one of libcst's of such a text, or raises SourceError.
    """

    __slots__ = ("_bodies", "_parse", "_whole", "text")

    def __init__(self, text: str, tree: ast.Module, parse: Callable[[str], cst.Module]) -> None:
        self._parse = parse
        self._whole = text
        self._bodies: list[tuple[int, int, bool]] = []  # from where to where, and whether of an async function
        self.text = "".join(self._written(tree))

    def tree(self) -> cst.Module:
        return self._parse(self.text)

    def number_of(self, node: cst.CSTNode) -> int | None:
        """The number that stands for the body of a function."""
        match node:
            case cst.FunctionDef(body=cst.IndentedBlock([cst.SimpleStatementLine([cst.Expr(cst.Integer(number))])])):
                return int(number)
        return None

    def text_of(self, number: int) -> str:
        """The lines that a number stands for."""
        start, end, _ = self._bodies[number]
        return self._whole[start:end]

    def body(self, number: int) -> cst.BaseSuite:
        """What a number stands for."""
        is_async = self._bodies[number][2]
        try:
            tree = self._parse("async " * is_async + _HEAD + self.text_of(number))
        except SourceError:
            tree = self._parse(_UNREADABLE)
        (function,) = tree.body
        assert isinstance(function, cst.FunctionDef)
        return function.body

    def _written(self, tree: ast.Module) -> Iterator[str]:
        starts = line_starts(self._whole)
        written = 0  # how many characters are
        for function in _functions(tree):
            first = function.body[0]
            line = min([first.lineno, *(one.lineno for one in getattr(first, "decorator_list", ()))]) - 1
            start, end = starts[line], starts[function.end_lineno or line + 1]
            text = self._whole[start : starts[line + 1]]
            if line == function.lineno - 1 or not _begins(text, first):
                continue  # on the line of the head, or on the last of it
            indent = text[: len(text) - len(text.lstrip())]
            yield self._whole[written:start]
            yield f"{indent}{len(self._bodies)}\n"
            written = end
            self._bodies.append((start, end, isinstance(function, ast.AsyncFunctionDef)))
        yield self._whole[written:]


def _functions(node: ast.AST) -> Iterator[_Function]:
    """The functions that are in no other."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function):
            yield child
        elif isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            yield from _functions(child)


def _begins(line: str, statement: ast.stmt) -> bool:
    """Whether a statement, or its first decorator, is the first thing on a line."""
    if getattr(statement, "decorator_list", ()):
        return line.lstrip().startswith("@")
    return not line.encode("utf-8", "surrogatepass")[: statement.col_offset].strip()
