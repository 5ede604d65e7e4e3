"""The frozen values every layer speaks in: places in the source, diagnostics and their trails.

The lowest layer of all. It knows nothing of libcst, of the analysis or of output formats.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field, replace


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


class Applicability(enum.Enum):
    """Who may apply a fix: anybody (SAFE), who has asked for it (UNSAFE), nobody but its reader (DISPLAY).

    A fix is safe where the fixed program computes what the author evidently meant on every path, and nothing else
    of it changes.
    """

    SAFE = "safe"
    UNSAFE = "unsafe"
    DISPLAY = "display"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Edit:
    """What stands at `span`, nothing where that begins and ends at one place, becomes `text` (lines end in `\\n`)."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits of one file that belong together, and in words what they do."""

    message: str
    applicability: Applicability
    edits: tuple[Edit, ...]


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
    fix: Fix | None = None

    def sort_key(self) -> tuple[str, int, int, int, str, str]:
        at = self.span
        return (at.path, -1 if at.cell is None else at.cell, at.line, at.column, self.code, self.message)


def moved(each: Diagnostic, to: Callable[[Span], Span]) -> Diagnostic:
    """The same with all its places, those of its trail and its fix included, as `to` says them."""
    trail = tuple(replace(note, span=to(note.span)) for note in each.trail)
    fix = each.fix
    if fix is not None:
        fix = replace(fix, edits=tuple(replace(edit, span=to(edit.span)) for edit in fix.edits))
    return replace(each, span=to(each.span), trail=trail, fix=fix)
