"""Jupyter notebooks as one program: the code cells in order, and where each of their lines is.

Magics and shell lines become `pass`; a cell that is not Python by itself (`%%bash`, a broken one) is left
out whole, and so are the cells of a notebook in another language. Outputs are not looked at, and nothing is written
back.
"""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from torchmode_lint.diagnostic import Span
from torchmode_lint.python_parser import python_tree

_MAGIC = re.compile(r"^(\s*)(?:[%!?]|\w+\s*=\s*[%!]|[\w.]+\?{1,2}\s*$)")
_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
# What they time or watch is run as if they were not there.
_PYTHON_MAGICS = frozenset({"capture", "debug", "memit", "prun", "time", "timeit", "wandb"})
_LINE_END = re.compile(r"\r\n|\r|\n")
# What opens and closes on a line, strings that begin and end on it, and a comment.
_LEXEME = re.compile(r"'''|\"\"\"|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|#.*|[()\[\]{}]")


class NotebookError(ValueError):
    """The file is no notebook that can be read."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The program's text, and for each cell that is in it its index in the notebook, its first line, and its lines."""

    text: str
    indexes: tuple[int, ...]
    firsts: tuple[int, ...]
    sources: tuple[tuple[str, ...], ...]

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
        """The lines of a cell as they are in the notebook; none where it holds no code."""
        return self.sources[self.indexes.index(cell)] if cell in self.indexes else ()


def read_cells(data: bytes) -> Cells:
    """The code cells of a notebook (nbformat 3 or 4). Raises NotebookError."""
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise NotebookError(f"not a notebook: {error}") from error
    program: list[str] = []
    indexes: list[int] = []
    firsts: list[int] = []
    sources: list[tuple[str, ...]] = []
    for index, text in _sources(document):
        lines = _LINE_END.split(text)
        indexes.append(index)
        firsts.append(len(program) + 1)
        sources.append(tuple(lines))
        program += _python(lines)
    return Cells("\n".join(program) + "\n", tuple(indexes), tuple(firsts), tuple(sources))


def _sources(document: object) -> Iterator[tuple[int, str]]:
    """The code in Python, by the index of its cell."""
    cells = _cells(document)
    if not isinstance(document, dict) or not _is_python(document.get("metadata")):
        return
    for index, cell in enumerate(cells):
        if not isinstance(cell, dict):
            raise NotebookError(f"not a notebook: cell {index} is none")
        if cell.get("cell_type") != "code" or cell.get("language", "python") != "python":
            continue
        source: Any = cell.get("source", cell.get("input", ""))
        try:
            yield index, "".join(source if isinstance(source, list) else [source])
        except TypeError as error:
            raise NotebookError(f"not a notebook: the source of cell {index} is no text") from error


def _cells(document: object) -> list[object]:
    """The cells, in the third format those of all its worksheets."""
    if isinstance(document, dict):
        found = document.get("cells")
        if isinstance(found, list):
            return found
        sheets = document.get("worksheets")
        if isinstance(sheets, list):
            inner = [sheet.get("cells") if isinstance(sheet, dict) else None for sheet in sheets]
            if all(isinstance(cells, list) for cells in inner):
                return [cell for cells in inner if cells is not None for cell in cells]
    raise NotebookError("not a notebook: it has no cells")


def _is_python(metadata: object) -> bool:
    """Whether nothing says that the cells are in another language."""
    for about, key in (("kernelspec", "language"), ("language_info", "name")):
        told = metadata.get(about) if isinstance(metadata, dict) else None
        language = told.get(key) if isinstance(told, dict) else None
        if isinstance(language, str):
            return "python" in language.lower()
    return True


def _python(lines: list[str]) -> list[str]:
    """The lines of a cell with what is not Python taken out, as many as before."""
    magic = _CELL_MAGIC.match("\n".join(lines))
    if magic is not None and magic[1] not in _PYTHON_MAGICS:
        return [""] * len(lines)
    kept = list(_without_magics(lines))
    return [""] * len(lines) if python_tree("\n".join(kept)) is None else kept


def _without_magics(lines: list[str]) -> Iterator[str]:
    """Lines with `pass` for each that IPython does not leave to Python; none begins within brackets or a string."""
    depth, quote = 0, ""
    taken_out = goes_on = False
    for line in lines:
        if goes_on and taken_out:
            yield ""
        else:
            magic = None if depth or quote or goes_on else _MAGIC.match(line)
            taken_out = magic is not None
            if magic is None:
                depth, quote = _left_open(line, depth, quote)
            yield line if magic is None else f"{magic[1]}pass"
        goes_on = line.endswith("\\") and not quote


def _left_open(line: str, depth: int, quote: str) -> tuple[int, str]:
    """How many brackets, and which string of several lines, are open at the end of a line."""
    at = 0
    while True:
        if quote:
            end = line.find(quote, at)
            if end < 0:
                return depth, quote
            at, quote = end + len(quote), ""
        found = _LEXEME.search(line, at)
        if found is None:
            return depth, ""
        at = found.end()
        if found[0] in ("'''", '"""'):
            quote = found[0]
        elif found[0] in "([{":
            depth += 1
        elif found[0] in ")]}":
            depth = max(depth - 1, 0)
