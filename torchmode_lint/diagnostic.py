"""The frozen values every layer speaks in: places in the source, diagnostics and their trails.

The lowest layer of all. It knows nothing of libcst, of the analysis or of output formats.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Confidence(enum.IntEnum):
    """How sure a diagnostic is; `--confidence` shows that level and everything above it."""

    POSSIBLE = 1  # hidden unless asked for
    LIKELY = 2  # it happens on a path, and the evidence agrees
    CERTAIN = 3  # it happens on every path the abstract state admits

    def __str__(self) -> str:
        return self.name.lower()


class Severity(enum.Enum):
    """What follows from the broken move: wrong results or a crash, or only waste."""

    ERROR = "error"
    WARNING = "warning"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of one file; lines and columns count from 1, the end is exclusive in its column.

    `cell` is the index of a notebook's cell, None in a `.py` file.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    cell: int | None = None

    @property
    def where(self) -> str:
        """What the lines count in: the file, or a cell of it."""
        return self.path if self.cell is None else f"{self.path}:cell {self.cell}"


@dataclass(frozen=True, slots=True)
class Note:
    """One step of a trail: where, and in words what happens there."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One broken move of the protocol, where it is, and the trail that leads there."""

    code: str
    rule: str
    message: str
    span: Span
    severity: Severity
    confidence: Confidence
    trail: tuple[Note, ...] = field(default=())

    def sort_key(self) -> tuple[str, int, int, int, str, str]:
        at = self.span
        return (at.path, -1 if at.cell is None else at.cell, at.line, at.column, self.code, self.message)
