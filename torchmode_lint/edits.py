"""Edits applied to the text they are about. Knows no syntax and opens no file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from torchmode_lint.diagnostic import Edit, Fix, Span

_LINE_END = re.compile(r"\r\n|\r|\n")


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits made; what they insert ends its lines as the text's first line does.

    `edits` are of this text and do not overlap; those at one place are made in the order given, and one that
    occurs twice is made once.
    """
    starts = [0, *(end.end() for end in _LINE_END.finditer(text))]
    first = _LINE_END.search(text)
    newline = "\n" if first is None else first[0]
    pieces = []
    done = 0
    for edit in sorted(dict.fromkeys(edits), key=lambda edit: (edit.span.line, edit.span.column)):
        start = _offset(starts, edit.span.line, edit.span.column, text)
        assert start >= done, "edits overlap"
        pieces += [text[done:start], edit.text.replace("\n", newline)]
        done = _offset(starts, edit.span.end_line, edit.span.end_column, text)
    return "".join([*pieces, text[done:]])


def _offset(starts: Sequence[int], line: int, column: int, text: str) -> int:
    return starts[line - 1] + column - 1 if line <= len(starts) else len(text)


def apart(one: Fix, other: Fix) -> bool:
    """Whether two fixes can be made at once: all of the one stands before all of the other."""
    (first, last), (begin, end) = _hull(one), _hull(other)
    return last < begin or end < first


def _hull(fix: Fix) -> tuple[tuple[str, int, int, int], tuple[str, int, int, int]]:
    return min(_start(edit.span) for edit in fix.edits), max(_end(edit.span) for edit in fix.edits)


def _start(at: Span) -> tuple[str, int, int, int]:
    return (at.path, -1 if at.cell is None else at.cell, at.line, at.column)


def _end(at: Span) -> tuple[str, int, int, int]:
    return (at.path, -1 if at.cell is None else at.cell, at.end_line, at.end_column)
