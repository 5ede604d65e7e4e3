"""A code quality report of GitLab, which shows it in merge requests; it knows diagnostics by their fingerprints."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from torchmode_lint.diagnostic import Diagnostic, Severity
from torchmode_lint.engine import Run
from torchmode_lint.fingerprint import fingerprints
from torchmode_lint.report.concise import place

_SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor"}


def render(run: Run, colour: bool) -> str:
    """A JSON list; never coloured."""
    issues = []
    for report in run.reports:
        known = fingerprints(report.diagnostics, report.lines)
        issues += [_issue(each, mark) for each, mark in zip(report.diagnostics, known, strict=True)]
        issues += [_issue(each, each.message) | {"severity": "critical"} for each in report.errors]
    return json.dumps(issues, indent=2) + "\n"


def _issue(each: Diagnostic, mark: str) -> dict[str, Any]:
    at = each.span
    message = each.message if at.cell is None else f"{place(each)}: {each.message}"
    return {
        "description": f"{each.code} {message}",
        "check_name": each.rule,
        # of all issues of a report, no two may have the same
        "fingerprint": hashlib.blake2b(f"{at.path} {each.code} {mark}".encode(), digest_size=16).hexdigest(),
        "severity": _SEVERITIES[each.severity],
        "location": {"path": at.path, "lines": {"begin": at.line, "end": at.end_line}},
    }
