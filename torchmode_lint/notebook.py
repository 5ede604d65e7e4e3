"""Jupyter notebooks as one program: the code cells in order, and where each of their lines is.

Magics and shell lines become `pass`; a cell that is not Python by itself (`%%bash`, a broken one) is left
out whole. Outputs and metadata are not looked at, and nothing is written back.
"""

from __future__ import annotations

import ast
import bisect
import json
import re
import warnings
from dataclasses import dataclass, replace

from torchmode_lint.diagnostic import Span

_MAGIC = re.compile(r"^(\s*)(?:[%!?]|\w+\s*=\s*[%!]|[\w.]+\?{1,2}\s*$)")
_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
_PYTHON_MAGICS = frozenset({"time", "timeit", "capture", "prun"})


class NotebookError(ValueError):
    """The file is no notebook that can be read."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The program's text, and for each cell that is in it its index in the notebook and its first line."""

    text: str
    indexes: tuple[int, ...]
    firsts: tuple[int, ...]

    def place(self, span: Span) -> Span:
        """A span in the program as one in its cell; lines count from 1 in the cell."""
        at = bisect.bisect_right(self.firsts, span.line) - 1
        if at < 0:
            return span
        shift = self.firsts[at] - 1
        return replace(span, line=span.line - shift, end_line=span.end_line - shift, cell=self.indexes[at])

    def line_of(self, span: Span) -> int:
        """The line in the program of a span in a cell."""
        assert span.cell is not None
        return self.firsts[self.indexes.index(span.cell)] + span.line - 1

    def lines_of(self, cell: int) -> tuple[str, ...]:
        """The lines of a cell as they are in the program."""
        if cell not in self.indexes:
            return ()
        at = self.indexes.index(cell)
        lines = self.text.split("\n")
        last = self.firsts[at + 1] - 1 if at + 1 < len(self.firsts) else len(lines)
        return tuple(lines[self.firsts[at] - 1 : last])


def read_cells(data: bytes) -> Cells:
    """The code cells of a notebook (nbformat 3 or 4). Raises NotebookError."""
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise NotebookError(f"not a notebook: {error}") from error
    lines: list[str] = []
    indexes: list[int] = []
    firsts: list[int] = []
    for index, cell in enumerate(_cells(document)):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", cell.get("input", ""))
        text = "".join(source) if isinstance(source, list) else str(source)
        indexes.append(index)
        firsts.append(len(lines) + 1)
        lines += _python(text)
    return Cells("\n".join(lines) + "\n", tuple(indexes), tuple(firsts))


def _cells(document: object) -> list[object]:
    if isinstance(document, dict):
        found = document.get("cells")
        if isinstance(found, list):
            return found
        sheets = document.get("worksheets")
        if isinstance(sheets, list) and sheets and isinstance(sheets[0], dict):
            inner = sheets[0].get("cells")
            if isinstance(inner, list):
                return inner
    raise NotebookError("not a notebook: it has no cells")


def _python(text: str) -> list[str]:
    """The lines of a cell with what is not Python taken out, as many as before."""
    lines = text.replace("\r\n", "\n").split("\n")
    magic = _CELL_MAGIC.match(text)
    if magic is not None and magic[1] not in _PYTHON_MAGICS:
        return [""] * len(lines)
    kept = [line if (found := _MAGIC.match(line)) is None else f"{found[1]}pass" for line in lines]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse("\n".join(kept))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return [""] * len(lines)
    return kept
