"""The only reader of files: bytes to a tree, its lines, its suppression comments, and places in it.

What costs time waits until it is asked for: lowering, positions and suppression comments.
"""

from __future__ import annotations

import ast
import functools
import itertools
import re
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias, TypeVar

import libcst as cst

from torchmode_lint.deep import is_deep
from torchmode_lint.diagnostic import Span
from torchmode_lint.flow.cfg import Code
from torchmode_lint.flow.lower import give_up, lower_file
from torchmode_lint.flow.nodes import Gone
from torchmode_lint.flow.outline import Body, Outline
from torchmode_lint.flow.places import Places, parents
from torchmode_lint.flow.scopes import PER_FILE
from torchmode_lint.ignores import Ignore, ignores
from torchmode_lint.notebook import Cells, NotebookError, read_cells
from torchmode_lint.python_parser import file_tree
from torchmode_lint.suppression import Suppressions
from torchmode_lint.text import NOT_CODE, NOT_TEXT, UNREADABLE, SourceError, decode, split_lines

# Scopes of different files never share a number: values that cross files name their variables by it.
_FIRST_SCOPES = itertools.count(0, PER_FILE)

DEEPEST_BRACKETS = 200  # Python's own limit
_STACK_BYTES = 256 << 20
_FRAMES = 100_000

_PARSER_PLACE = re.compile(r"error at (\d+):(\d+)")
_BRACKET = re.compile(r"[()\[\]{}]")

# The size of new threads' stacks is one number for all threads.
_STACK_SIZE = threading.Lock()

T = TypeVar("T")

Outlined: TypeAlias = "tuple[cst.Module, Outline]"


class SourceFile:
    """One parsed file. `path` is as it is shown; `text` has the file's line ends but no byte order mark."""

    __slots__ = (
        *("_code", "_gone", "_ignores", "_lines", "_outline", "_parents", "_places", "_suppressions", "_tree"),
        *("_bodies", "_twin", "cells", "encoding", "path", "text"),
    )

    def __init__(
        self, path: str, text: str, tree: cst.Module | Outlined, encoding: str, cells: Cells | None = None
    ) -> None:
        self.path = path
        self.cells = cells  # of a notebook, whose spans are lines of the whole program until `placed`
        self.text = text
        self.encoding = encoding  # "utf-8-sig" with a byte order mark: encoding `text` gives the bytes again
        self._gone = Gone(self.restore)
        self._tree: cst.Module | None = None
        self._outline: Outlined | None = None  # until it is lowered
        self._bodies: list[Body] = []  # that may have trees
        if isinstance(tree, cst.Module):
            self._tree = tree
        else:
            self._outline = tree
            self._bodies = tree[1].bodies
        self._code: Code | None = None
        self._twin: Code | None = None  # lowered from the tree that came back
        self._lines: list[str] | None = None
        self._places: Places | None = None
        self._parents: dict[cst.CSTNode, cst.CSTNode] | None = None
        self._suppressions: Suppressions | None = None
        self._ignores: tuple[Ignore, ...] | None = None

    @property
    def tree(self) -> cst.Module:
        """The syntax tree."""
        if self._tree is None:
            self.restore()
        assert self._tree is not None
        return self._tree

    @property
    def lines(self) -> list[str]:
        """The lines without their ends; `lines[0]` is line 1."""
        if self._lines is None:
            self._lines = split_lines(self.text)
        return self._lines

    @property
    def code(self) -> Code:
        """The file, lowered."""
        if self._code is None:
            first = next(_FIRST_SCOPES)
            if self._tree is None and self._outline is not None:
                tree, outline = self._outline
                self._code = _retried(lambda: lower_file(tree, first, outline, self._gone))
            else:
                self._code = _retried(lambda: lower_file(self.tree, first))
            self._outline = None
        return self._code

    def release(self) -> None:
        """Give up the trees, which take most of the room, and with them the nodes that the lowered code refers to."""
        for body in self._bodies:
            body.forget()
        self._bodies = []
        if self._code is None or self._tree is None:
            return
        give_up(self._code.walk_lowered(), self._gone)
        if self._twin is not None:
            give_up(self._twin.walk_lowered(), self._gone)  # codes refer to each other, and would keep the tree
        self._tree = self._twin = self._parents = self._places = None

    def dismantle(self) -> None:
        """Take apart what refers to each other, and would be kept until somebody looks for garbage; not to be used."""
        self.release()
        for code in (self._code, self._twin):
            if code is not None:
                code.dismantle()
        self._outline = None
        self._gone.forget()

    def restore(self) -> None:
        """Get back what was given up: lowering does the same every time."""
        if self._tree is None:
            self._tree = _parse(self.text, self.encoding)
        if self._code is not None:
            _retried(self._put_back)

    def _put_back(self) -> None:
        """Give the code that is lowered its nodes again."""
        assert self._code is not None
        twin = self._twin or lower_file(self.tree, later=True)
        self._twin = None  # nobody else's, should this fail half-way
        for code, like in self._code.beside(twin):
            code.syntax = like.syntax
            for block, same in () if code.is_put_off else zip(code.blocks, like.blocks, strict=True):
                for event, made in zip(block.events, same.events, strict=True):
                    object.__setattr__(event, "syntax", made.syntax)
        self._twin = twin

    @property
    def parents(self) -> Mapping[cst.CSTNode, cst.CSTNode]:
        """For each node of the tree the one that it is a child of."""
        if self._parents is None:
            self._parents = parents(self.tree)
        return self._parents

    def span(self, node: cst.CSTNode, code: Code | None = None) -> Span:
        """Where a node of this file's tree is; to know the code that it is in makes it cheaper."""
        places = self._places = self._places or Places(self.tree, self.text)
        around = None if code is None else code.outermost.node
        place = _retried(lambda: places.of(node, around))
        start, end = place.start, place.end
        # libcst drops form feeds at the beginning of a file.
        dropped = len(self.text) - len(self.text.lstrip("\f"))
        first, last = (dropped if line == 1 else 0 for line in (start.line, end.line))
        return Span(self.path, start.line, start.column + 1 + first, end.line, end.column + 1 + last)

    def placed(self, span: Span) -> Span:
        """A span as users see it: in a notebook, the cell and the line in it."""
        return span if self.cells is None or span.path != self.path else self.cells.place(span)

    def is_displayed(self, span: Span) -> bool:
        """Whether a notebook shows the value of an expression statement: it is the last of its cell."""
        if self.cells is None or span.column != 1:
            return False
        placed = self.cells.place(span)
        rest = () if placed.cell is None else self.cells.lines_of(placed.cell)[placed.end_line :]
        return all(not line.strip() or line.lstrip().startswith("#") for line in rest)

    @property
    def noqa(self) -> Suppressions:
        """The suppression comments."""
        if self._suppressions is None:
            self._suppressions = Suppressions(self.text, self.lines)
        return self._suppressions

    @property
    def ignores(self) -> tuple[Ignore, ...]:
        """Our own suppression comments."""
        if self._ignores is None:
            self._ignores = ignores(self.text, self.lines)
        return self._ignores

    def program_line(self, span: Span) -> int:
        """The line of a span of this file in `lines`; in a notebook, a span that is `placed` already."""
        return span.line if self.cells is None or span.cell is None else self.cells.line_of(span)

    def suppressed(self, line: int, code: str, end_line: int | None = None) -> bool:
        """Whether a comment silences `code` for a diagnostic that begins on `line` (and ends on `end_line`)."""
        return self.noqa.cover(line, code, end_line)


def read_source(path: Path, shown: str | None = None) -> SourceFile:
    """Reads and parses a file. Raises SourceError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(error.strerror or str(error), code=UNREADABLE) from error
    return parse_source(data, path.as_posix() if shown is None else shown)


def parse_source(data: bytes, shown: str) -> SourceFile:
    """Parses the bytes of a file, its functions when they are asked for. Raises SourceError."""
    if shown.endswith(".ipynb"):
        try:
            cells = read_cells(data)
        except NotebookError as error:
            raise SourceError(str(error), code=NOT_TEXT) from error
        try:
            return SourceFile(shown, cells.text, _parse(cells.text, "utf-8"), "utf-8", cells)
        except SourceError as error:
            at = cells.place(Span(shown, error.line, error.column, error.line, error.column))
            raise SourceError(error.message, at.line, at.column, error.code, at.cell) from error
    text, encoding = decode(data)
    parse = functools.partial(_parse, encoding=encoding)
    tree = file_tree(text)
    if tree is not None:
        outline = Outline(text, tree, parse)
        try:
            return SourceFile(shown, text, (outline.tree(), outline), encoding)
        except SourceError:
            pass  # whose place is one in the outline
    return SourceFile(shown, text, parse(text), encoding)


def _parse(text: str, encoding: str) -> cst.Module:
    if _deepest_bracket(text) > DEEPEST_BRACKETS and _deepest_bracket(NOT_CODE.sub("", text)) > DEEPEST_BRACKETS:
        raise SourceError(f"brackets nested deeper than {DEEPEST_BRACKETS}, which Python refuses too")
    config: cst.PartialParserConfig = cst.PartialParserConfig(encoding=encoding)
    try:
        # The parser recurses natively: where its stack ends, so does the interpreter.
        return _with_room(lambda: cst.parse_module(text, config))
    except cst.ParserSyntaxError as error:
        raise _syntax_error(text, error) from error
    except (RecursionError, cst.CSTValidationError) as error:
        raise SourceError(f"cannot be parsed: {error}") from error


def _deepest_bracket(text: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKET.findall(text):
        if bracket in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif depth:
            depth -= 1
    return deepest


def _syntax_error(text: str, error: cst.ParserSyntaxError) -> SourceError:
    """In Python's words and place where it agrees that the file is wrong, in libcst's where it is wrong to it alone.

    libcst gives no line for an error of its tokenizer and the line after for an unfinished statement.
    """
    place = _PARSER_PLACE.search(error.message)
    last = max(1, len(split_lines(text)))
    line, column = (int(place[1]), int(place[2])) if place else (error.raw_line, error.raw_column + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as own:
        if own.lineno is not None and (place is None or own.lineno <= line):
            return SourceError(f"syntax error: {own.msg}", min(own.lineno, last), max(own.offset or 1, 1))
    except (ValueError, MemoryError, RecursionError):
        pass
    message = error.message.rpartition(": " if place is None else f"{place[0]}: ")[2]
    return SourceError(f"cannot be parsed: {message}", min(line, last), max(column, 1))


def _retried(call: Callable[[], T]) -> T:
    """The result of a call that recurses over a tree, with more room if it needs that."""
    try:
        return call()
    except RecursionError:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, _FRAMES))
        try:
            return _with_room(call)
        finally:
            sys.setrecursionlimit(limit)


def _with_room(call: Callable[[], T]) -> T:
    """The result of a call, made where the native stack is large."""
    if is_deep():
        return call()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001  (it goes on in the caller's thread)
            errors.append(error)

    thread = threading.Thread(target=run)
    with _STACK_SIZE:
        usual = threading.stack_size(_STACK_BYTES)
        try:
            thread.start()
        except (RuntimeError, MemoryError):  # no room for such a stack: the usual one will do for usual files
            return call()
        finally:
            threading.stack_size(usual)
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
