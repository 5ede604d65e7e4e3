"""What became of a file, as plain values that can be kept on disk and sent between processes.

Nothing here depends on which rules a run shows, or on the working directory: paths are absolute.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path

from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity, Span


class State(enum.Enum):
    """What became of a file: looked into, left out because no rule can speak of it, or in error."""

    ANALYSED = "analysed"
    SKIPPED = "skipped"
    FAILED = "failed"


class Silence(enum.IntEnum):
    """Which comment silences a diagnostic: none, a `# noqa`, which flake8 reads itself, or one of ours."""

    NONE = 0
    NOQA = 1
    OURS = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """A diagnostic of any rule, however sure, and what silences it in the file."""

    diagnostic: Diagnostic
    silenced: Silence


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a result was made of beside the file itself.

    `files`: all that its imports led to. `asked`: the last parts of the names of modules that were looked for, found
    or not. `searched`: the words for which import statements of the project were searched, to find callers, and
    `importing`: the files that have one.
    """

    files: tuple[str, ...] = ()
    asked: frozenset[str] = frozenset()
    searched: tuple[str, ...] = ()
    importing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Examination:
    """All that the rules and the reading of one file gave; `degraded` are the functions given up for their cost."""

    path: str
    state: State
    findings: tuple[Finding, ...] = ()
    errors: tuple[Diagnostic, ...] = ()
    degraded: int = 0
    inputs: Inputs = field(default_factory=Inputs)


def failed(path: Path, code: str, message: str, line: int = 1, column: int = 1, cell: int | None = None) -> Examination:
    """A file that cannot be examined, and why."""
    at = path.absolute().as_posix()
    error = Diagnostic(
        code, "not-checked", message, Span(at, line, column, line, column, cell), Severity.ERROR, Confidence.CERTAIN
    )
    return Examination(at, State.FAILED, errors=(error,))
