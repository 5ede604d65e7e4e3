"""The fix loop: what fixes make of a file, as far as an analysis of the result bears them out.

Fixes that stand apart are applied together, the result is analysed, and so on until none is left. A fix stays only
if its diagnostic is gone, the file can still be parsed, and no diagnostic has come that was not there. Writes nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torchmode_lint.config import Options, OptionsByFile
from torchmode_lint.diagnostic import Applicability, Diagnostic, Edit, Fix, Span
from torchmode_lint.edits import apart, applied
from torchmode_lint.engine import FileReport, reported, rooted
from torchmode_lint.examine import Loaders, examine
from torchmode_lint.ignores import UNUSED
from torchmode_lint.notebook_edits import edited_notebook
from torchmode_lint.text import decode

_DEF = re.compile(r"\s*(async\s+def|def|class)\b")
_SUPPRESSION = re.compile(r"# (?:noqa|torchmode:).*", re.IGNORECASE)
MAX_ROUNDS = 30  # analyses of one file; what is not fixed by then stays as it is


@dataclass(frozen=True, slots=True)
class Refusal:
    """A fix that was not made, and why: of a diagnostic as it stood in the text as far as it was fixed."""

    diagnostic: Diagnostic
    reason: str


@dataclass(frozen=True, slots=True)
class Repair:
    """What has become of a file; `after` is `before` where nothing could be fixed."""

    path: Path
    before: bytes
    after: bytes
    fixed: tuple[Diagnostic, ...] = ()
    refused: tuple[Refusal, ...] = ()


def repaired(
    path: Path,
    data: bytes,
    asked: OptionsByFile,
    *,
    unsafe: bool = False,
    sieve: Callable[[FileReport], FileReport] = lambda report: report,
) -> Repair:
    """All safe fixes, or the `unsafe` too, of what the options and `sieve` let through of a file with these bytes."""
    options = asked.of(path)
    allowed = {Applicability.SAFE, Applicability.UNSAFE} if unsafe else {Applicability.SAFE}
    now = _Analysed(path, data, options, sieve)
    fixed: list[Diagnostic] = []
    refused: dict[tuple[str, str, str], Refusal] = {}
    limit: int | None = None
    for _ in range(MAX_ROUNDS):
        open_ = [one for one in now.shown if one.fix is not None and one.fix.applicability in allowed]
        chosen = now.together([one for one in open_ if now.key(one) not in refused])
        if not chosen:
            break
        chosen = chosen[:limit]
        after = _Analysed(path, now.after(one.fix for one in chosen if one.fix is not None), options, sieve)
        problem = now.problem_of(after, chosen)
        if problem is None:
            fixed += chosen
            now = after
        elif len(chosen) == 1:
            refused[now.key(chosen[0])] = Refusal(chosen[0], problem)
            limit = None
        else:
            limit = len(chosen) // 2  # one of them is wrong: the others are made without it
    return Repair(path, data, now.data, tuple(fixed), tuple(refused.values()))


def edited(path: Path, data: bytes, edits: Iterable[Edit]) -> bytes:
    """The bytes of a file, or of a notebook, with these edits made."""
    if path.suffix == ".ipynb":
        return edited_notebook(data, edits)
    text, encoding = decode(data)
    return applied(text, edits).encode(encoding)


class _Analysed:
    """A file with some bytes: what is shown of it, and what may not grow."""

    def __init__(self, path: Path, data: bytes, options: Options, sieve: Callable[[FileReport], FileReport]) -> None:
        self.path, self.data = path, data
        result = examine(data, path, rooted(options, path), Loaders(), options.knowledge)
        self.report: FileReport = sieve(reported(result, options, data=data))
        self.shown = self.report.diagnostics
        self.lines = self.report.lines
        everything = Options(project_root=options.project_root)
        found = reported(result, everything, data=data)
        self.errors = found.errors
        self.all = Counter((one.code, _line_of(one, found)) for one in found.diagnostics)

    def key(self, one: Diagnostic) -> tuple[str, str, str]:
        """What a diagnostic is known by when lines have moved."""
        return one.code, _line_of(one, self.report), one.message

    def together(self, found: Sequence[Diagnostic]) -> list[Diagnostic]:
        """Those of the first in which no fix touches the place of another, or says the same in the same function.

        One `eval()` settles all that comes after it.
        """
        chosen: list[Diagnostic] = []
        for one in found:
            if one.fix is not None and all(
                other.fix is not None
                and apart(one.fix, other.fix)
                and (one.fix.message != other.fix.message or self._has_def(other.span, one.span))
                for other in chosen
            ):
                chosen.append(one)
        return chosen

    def _has_def(self, first: Span, last: Span) -> bool:
        """Whether a function or class begins between two places, or they are in two cells."""
        lines = self.lines.get(first.where, ())[first.line : last.line - 1]
        return first.where != last.where or any(_DEF.match(line) for line in lines)

    def after(self, fixes: Iterable[Fix]) -> bytes:
        return edited(self.path, self.data, (edit for fix in fixes for edit in fix.edits))

    def problem_of(self, after: _Analysed, chosen: Sequence[Diagnostic]) -> str | None:
        """Why what fixes have made of this is no better; None where it is."""
        if after.errors:
            return after.errors[0].message
        for one in chosen:
            at = (one.code, self.key(one)[1])
            if after.all[at] >= self.all[at] and after.all[at] > 0:
                return f"{one.code} would still be there"
        more = after.all - self.all
        codes, before = _by_code(after.all), _by_code(self.all)
        for code, line in more:
            if code == UNUSED:  # of what is right now, a comment is not needed any longer
                continue
            # another place of the same evaluation, say, for which one diagnostic stood
            if not (any(one.code == code for one in chosen) and codes[code] <= before[code]):
                return f"it would raise {code} at `{line}`"
        return None


def _by_code(found: Counter[tuple[str, str]]) -> Counter[str]:
    codes: Counter[str] = Counter()
    for (code, _), count in found.items():
        codes[code] += count
    return codes


def _line_of(one: Diagnostic, report: FileReport) -> str:
    """Its line without the suppression comment, which may be what is fixed."""
    lines = report.lines.get(one.span.where, ())
    return _SUPPRESSION.sub("", lines[one.span.line - 1]).strip() if one.span.line <= len(lines) else ""
