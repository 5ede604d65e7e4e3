"""Excerpts of a file for Python's own parser: the statements that have some lines, on the same lines; little else.

A tree of a whole file costs twice as much as to learn that Python reads it, and most of it would not be looked at.
Statements are cut by how far they are indented, those of the file and the methods of its classes. Where that goes
wrong, as within brackets, the excerpt hardly ever parses, and the whole file does.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_NO_START = " \t\f\r#)]}"  # of a statement
_GOES_ON = re.compile(r"(?:elif|else|except|finally)\b")  # what an earlier statement began
_METHOD = re.compile(r"([ \t]+)(?:@|def\b|async\b|class\b)")
_QUOTES = re.compile(r"\"\"\"|'''")


class Piece(NamedTuple):
    """A statement, from the line `first` of the first decorator, by `head`, its own first one, to before `end`."""

    first: int
    head: int
    end: int


class Excerpts:
    """Of one text, whose lines end with "\\n". Lines count from 1."""

    def __init__(self, text: str) -> None:
        self._lines = ["", *text.split("\n")]
        self._quoted = list(_in_strings(self._lines))

    def of(self, wanted: Iterable[int]) -> str:
        """The text with nothing on the lines of most statements that have none of the `wanted` lines."""
        lines = sorted(wanted)
        kept = [""] * len(self._lines)
        for piece in self._pieces(1, len(self._lines), ""):
            if not _has(piece, lines):
                continue
            kept[piece.first : piece.end] = self._lines[piece.first : piece.end]
            for method in self._methods(piece):
                if not _has(method, lines):
                    left = self._lines[method.head]
                    left = f"{left[: len(left) - len(left.lstrip())]}pass"
                    kept[method.first : method.end] = [left, *[""] * (method.end - method.first - 1)]
        return "\n".join(kept[1:])

    def _methods(self, piece: Piece) -> Iterator[Piece]:
        """What is defined in a class, and what else stands between that."""
        if self._lines[piece.head].startswith("class"):
            inside = range(piece.head + 1, piece.end)
            found = {at: one[1] for at in inside if not self._quoted[at] and (one := _METHOD.match(self._lines[at]))}
            if found:
                indent = min(found.values(), key=len)
                yield from self._pieces(next(at for at in found if found[at] == indent), piece.end, indent)

    def _pieces(self, first: int, end: int, indent: str) -> Iterator[Piece]:
        """The statements of some lines that are so far indented."""
        width = len(indent)
        starts = [
            at
            for at, line in enumerate(self._lines[first:end], first)
            if line[width : width + 1] not in _NO_START and line.startswith(indent)
            if not self._quoted[at] and not _GOES_ON.match(line, width)
        ]
        decorated = None
        for head, following in zip(starts, [*starts[1:], end], strict=True):
            at = head if decorated is None else decorated
            decorated = at if self._lines[head].startswith("@", width) and following != end else None
            if decorated is None:
                yield Piece(at, head, following)


def _has(piece: Piece, lines: list[int]) -> bool:
    at = bisect_left(lines, piece.first)
    return at < len(lines) and lines[at] < piece.end


def _in_strings(lines: list[str]) -> Iterator[bool]:
    """For each line, whether it begins in a string of several lines."""
    inside = ""
    for line in lines:
        yield bool(inside)
        if '"""' in line or "'''" in line:
            for quotes in _QUOTES.findall(line):
                inside = quotes if not inside else "" if inside == quotes else inside
