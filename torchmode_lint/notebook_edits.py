"""Edits of the cells of a notebook: its JSON stays as it was written, but for the lines that change.

The text of the file is walked only as far as the cells' sources; what lies between them is never parsed anew.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from torchmode_lint.diagnostic import Edit
from torchmode_lint.edits import applied

_SPACE = re.compile(r"[ \t\r\n]*")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_VALUE = json.JSONDecoder()


class _Value(NamedTuple):
    """A value of a JSON text, from `start` up to `end`."""

    raw: str
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.raw[self.start : self.end]

    def members(self) -> Iterator[tuple[str, _Value]]:
        """The values of an object by their keys."""
        at = _skip(self.raw, self.start + 1)
        while self.raw[at] != "}":
            key, at = _VALUE.raw_decode(self.raw, at)
            value = _value(self.raw, _skip(self.raw, _skip(self.raw, at) + 1))
            yield key, value
            at = _next(self.raw, value.end)

    def elements(self) -> Iterator[_Value]:
        """The values of an array."""
        at = _skip(self.raw, self.start + 1)
        while self.raw[at] != "]":
            value = _value(self.raw, at)
            yield value
            at = _next(self.raw, value.end)

    def get(self, *keys: str) -> _Value | None:
        """The member of an object with the first of these keys that it has."""
        found = dict(self.members())
        return next((found[key] for key in keys if key in found), None)


def _skip(raw: str, at: int) -> int:
    found = _SPACE.match(raw, at)
    return at if found is None else found.end()


def _next(raw: str, at: int) -> int:
    at = _skip(raw, at)
    return _skip(raw, at + 1) if raw[at] == "," else at


def _value(raw: str, at: int) -> _Value:
    return _Value(raw, at, _VALUE.raw_decode(raw, at)[1])


def edited_notebook(data: bytes, edits: Iterable[Edit]) -> bytes:
    """The bytes of a notebook (nbformat 3 or 4) with edits made in its cells.

    The places of `edits` are in cells (`Span.cell`, an index into all cells), and lines and columns in their source.
    """
    mark = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
    raw = data.decode("utf-8-sig")
    by_cell: dict[int | None, list[Edit]] = defaultdict(list)
    for edit in edits:
        by_cell[edit.span.cell].append(edit)
    pieces = []
    done = 0
    for index, source in enumerate(_sources(raw)):
        if index in by_cell and source is not None:
            pieces += [raw[done : source.start], _edited(source, by_cell[index])]
            done = source.end
    return mark + "".join([*pieces, raw[done:]]).encode()


def _sources(raw: str) -> Iterator[_Value | None]:
    """What the source of each cell is in the text."""
    document = _value(raw, _skip(raw, 0))
    sheets = document.get("worksheets")
    holders = [document] if sheets is None or document.get("cells") is not None else sheets.elements()
    for holder in holders:
        cells = holder.get("cells")
        if cells is not None:
            for cell in cells.elements():
                yield cell.get("source", "input")


def _edited(source: _Value, edits: list[Edit]) -> str:
    value = json.loads(source.text)
    ascii_only = source.text.isascii()
    if not isinstance(value, list):
        return json.dumps(applied(value, edits), ensure_ascii=ascii_only)
    elements = list(source.elements())
    lines = _LINE.findall(applied("".join(value), edits))
    written: list[str] = []
    for kind, i, j, k, n in difflib.SequenceMatcher(None, value, lines, autojunk=False).get_opcodes():
        if kind == "equal":
            written += [element.text for element in elements[i:j]]
        else:
            written += [json.dumps(line, ensure_ascii=ascii_only) for line in lines[k:n]]
    before = source.raw[source.start : elements[0].start]
    between = source.raw[elements[0].end : elements[1].start] if len(elements) > 1 else f",{before[1:]}"
    return before + between.join(written) + source.raw[elements[-1].end : source.end]
