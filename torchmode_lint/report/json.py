"""The machine-readable report. Its shape is a contract: scripts rely on it, `version` counts its changes."""

from __future__ import annotations

import json
from typing import Any

from torchmode_lint.diagnostic import Diagnostic, Fix, Note
from torchmode_lint.engine import Run, State

VERSION = 1


def render(run: Run, colour: bool) -> str:
    """One JSON object; lines and columns count from 1, `cell` is null outside notebooks. Never coloured."""
    states = [report.state for report in run.reports]
    document = {
        "version": VERSION,
        "findings": [_finding(each) for each in run.diagnostics],
        "errors": [_error(each) for each in run.errors],
        "stats": {
            "files": len(states),
            "analysed": states.count(State.ANALYSED),
            "skipped": states.count(State.SKIPPED),
            "degraded": sum(report.degraded for report in run.reports),
            "seconds": round(run.seconds, 3),
        },
    }
    return json.dumps(document, indent=2) + "\n"


def merged(documents: list[Any]) -> tuple[str, int]:
    """The reports on the parts of a run as the one on all of it, and its exit code; `seconds` are the longest.

    Raises KeyError, TypeError or ValueError for what is no such report.
    """
    if any(document["version"] != VERSION for document in documents):
        raise ValueError("another version")
    whole = {
        "version": VERSION,
        "findings": [one for document in documents for one in document["findings"]],
        "errors": [one for document in documents for one in document["errors"]],
        "stats": {
            name: (max if name == "seconds" else sum)(document["stats"][name] for document in documents)
            for name in documents[0]["stats"]
        },
    }
    return json.dumps(whole, indent=2) + "\n", 2 if whole["errors"] else 1 if whole["findings"] else 0


def _finding(diagnostic: Diagnostic) -> dict[str, Any]:
    at = diagnostic.span
    return {
        "code": diagnostic.code,
        "rule": diagnostic.rule,
        "message": diagnostic.message,
        "path": at.path,
        "cell": at.cell,
        "line": at.line,
        "column": at.column,
        "end_line": at.end_line,
        "end_column": at.end_column,
        "severity": str(diagnostic.severity),
        "confidence": str(diagnostic.confidence),
        "trail": [_step(note) for note in diagnostic.trail],
        "fix": None if diagnostic.fix is None else _fix(diagnostic.fix),
    }


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "message": fix.message,
        "applicability": str(fix.applicability),
        "edits": [
            {
                "path": edit.span.path,
                "cell": edit.span.cell,
                "line": edit.span.line,
                "column": edit.span.column,
                "end_line": edit.span.end_line,
                "end_column": edit.span.end_column,
                "text": edit.text,
            }
            for edit in fix.edits
        ],
    }


def _step(note: Note) -> dict[str, Any]:
    at = note.span
    return {"path": at.path, "cell": at.cell, "line": at.line, "column": at.column, "message": note.message}


def _error(error: Diagnostic) -> dict[str, Any]:
    at = error.span
    return {
        "code": error.code,
        "message": error.message,
        "path": at.path,
        "cell": at.cell,
        "line": at.line,
        "column": at.column,
    }
