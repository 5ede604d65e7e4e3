"""Results as plain values, which can be written as JSON and read again; paths are told from the root of a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torchmode_lint.diagnostic import Applicability, Confidence, Diagnostic, Edit, Fix, Note, Severity, Span
from torchmode_lint.outcome import Examination, Finding, Silence, State


class Plain:
    """How the results of one project are written."""

    def __init__(self, root: Path) -> None:
        self._prefix = root.as_posix().rstrip("/") + "/"

    def name(self, path: str) -> str:
        """The path from the root, where it is below it."""
        return path[len(self._prefix) :] if path.startswith(self._prefix) else path

    def dumped(self, result: Examination) -> list[Any]:
        found = [[self._plain(one.diagnostic), int(one.silenced)] for one in result.findings]
        return [result.state.value, result.degraded, found]

    def _plain(self, one: Diagnostic) -> list[Any]:
        trail = [[self._place(note.span), note.message] for note in one.trail]
        sure = int(one.confidence)
        at = self._place(one.span)
        return [one.code, one.rule, one.message, at, one.severity.value, sure, trail, self._plain_fix(one.fix)]

    def _plain_fix(self, fix: Fix | None) -> list[Any] | None:
        if fix is None:
            return None
        edits = [[self._place(edit.span), edit.text] for edit in fix.edits]
        return [fix.message, fix.applicability.value, edits]

    def _place(self, at: Span) -> list[Any]:
        return [self.name(at.path), at.line, at.column, at.end_line, at.end_column, at.cell]

    def loaded(self, name: str, data: list[Any]) -> Examination:
        state, degraded, findings = data
        found = tuple(Finding(self._diagnostic(*plain), Silence(silenced)) for plain, silenced in findings)
        return Examination(self.path(name), State(state), found, degraded=degraded)

    def _diagnostic(
        self,
        code: str,
        rule: str,
        message: str,
        at: list[Any],
        severity: str,
        confidence: int,
        trail: list[Any],
        fix: list[Any] | None,
    ) -> Diagnostic:
        notes = tuple(Note(self._span(place), text) for place, text in trail)
        fixed = None if fix is None else self._fix(*fix)
        return Diagnostic(code, rule, message, self._span(at), Severity(severity), Confidence(confidence), notes, fixed)

    def _fix(self, message: str, applicability: str, edits: list[Any]) -> Fix:
        made = tuple(Edit(self._span(place), text) for place, text in edits)
        return Fix(message, Applicability(applicability), made)

    def _span(self, at: list[Any]) -> Span:
        return Span(self.path(at[0]), *at[1:])

    def path(self, name: str) -> str:
        """The whole path that has a name."""
        return name if name.startswith("/") or ":" in name[:3] else self._prefix + name
