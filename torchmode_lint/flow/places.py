"""Where the nodes of a tree are, and in which; places are found for one statement of the file at a time.

libcst knows places only by writing a whole file out again, at several times the cost of parsing it. Here only the
statements in question are written out; on which line each begins, Python's own parser says. Where that parser
refuses the file, or counts its statements otherwise, the whole file is written out.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from libcst.metadata.position_provider import PositionProvidingCodegenState

from torchmode_lint.python_parser import file_tree


class Places:
    """The places of the nodes of one file; lines count from 1, columns from 0."""

    def __init__(self, tree: cst.Module, text: str) -> None:
        self._tree = tree
        self._text = text
        self._starts: list[int] | None = None
        self._known: dict[cst.CSTNode, CodeRange] = {}
        self._whole: Mapping[cst.CSTNode, CodeRange] | None = None
        self._pending: dict[cst.CSTNode, int] = {statement: at for at, statement in enumerate(tree.body)}

    def of(self, node: cst.CSTNode, around: cst.CSTNode | None = None) -> CodeRange:
        """The place of a node, which is sought first in the statement `around`, if that is one of the file itself."""
        if self._starts is None:
            self._starts = _starts(self._tree, self._text)
        known = self._known
        if self._starts:
            if node in known:
                return known[node]
            for statement in self._in_turn(around):
                self._write(statement)
                if node in known:
                    return known[node]
        if self._whole is None:
            self._whole = MetadataWrapper(self._tree, unsafe_skip_copy=True).resolve(PositionProvider)
        return self._whole[node]

    def _in_turn(self, around: cst.CSTNode | None) -> Iterator[cst.CSTNode]:
        if around in self._pending:
            yield around
        yield from list(self._pending)

    def _write(self, statement: cst.CSTNode) -> None:
        """Write a statement out where it stands."""
        assert self._starts is not None
        if statement not in self._pending:
            return
        module, provider = self._tree, PositionProvider()
        state = PositionProvidingCodegenState(module.default_indent, module.default_newline, provider)
        state.line = self._starts[self._pending[statement]] - _lines_before(statement)
        statement._codegen(state)
        self._known.update(provider._computed)  # type: ignore[arg-type]  # no lazy values are among them
        del self._pending[statement]


def _lines_before(statement: cst.CSTNode) -> int:
    """The lines that belong to a statement but come before that on which Python says that it begins."""
    leading = len(getattr(statement, "leading_lines", ()))
    if not isinstance(statement, cst.FunctionDef | cst.ClassDef):
        return leading
    between = sum(len(one.leading_lines) + _height(one) for one in statement.decorators)
    return leading + between + len(statement.lines_after_decorators)


def _height(decorator: cst.Decorator) -> int:
    return cst.Module([]).code_for_node(decorator.with_changes(leading_lines=())).count("\n")


def _starts(tree: cst.Module, text: str) -> list[int]:
    """The line on which each statement begins, by Python's parser; nothing where it does not see the same."""
    own = file_tree(text)
    if own is None:
        return []
    lines = [statement.lineno for statement in own.body]
    counts = [len(one.body) if isinstance(one, cst.SimpleStatementLine) else 1 for one in tree.body]
    if sum(counts) != len(lines):
        return []
    starts, at = [], 0
    for count in counts:
        starts.append(lines[at] if count else 0)
        at += count
    return starts


def parents(tree: cst.Module) -> dict[cst.CSTNode, cst.CSTNode]:
    """For each node of a tree the one that it is a child of; libcst's `children` go by way of a copy of the node."""
    found: dict[cst.CSTNode, cst.CSTNode] = {}
    pending: list[cst.CSTNode] = [tree]
    while pending:
        node = pending.pop()
        for name in _fields(type(node)):
            value = getattr(node, name)
            for child in value if isinstance(value, list | tuple) else (value,):
                if isinstance(child, cst.CSTNode):
                    found[child] = node
                    pending.append(child)
    return found


@functools.cache
def _fields(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))
