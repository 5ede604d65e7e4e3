"""SARIF 2.1.0, which code scanning services and editors read: rules with their pages, trails as code flows.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/. Lines and columns count from 1, columns in code points.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from torchmode_lint import __version__
from torchmode_lint.diagnostic import Confidence, Diagnostic, Fix, Note, Severity, Span
from torchmode_lint.engine import Run
from torchmode_lint.fingerprint import fingerprints
from torchmode_lint.rule import Rule
from torchmode_lint.rules import ALL_RULES

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning"}
_RANKS = {Confidence.CERTAIN: 95.0, Confidence.LIKELY: 70.0, Confidence.POSSIBLE: 30.0}
_NUMBERS = {rule.code: number for number, rule in enumerate(ALL_RULES)}


def render(run: Run, colour: bool) -> str:
    """One log with one run; never coloured."""
    results = []
    for report in run.reports:
        known = fingerprints(report.diagnostics, report.lines)
        results += [_result(each, mark) for each, mark in zip(report.diagnostics, known, strict=True)]
    driver = {"name": "torchmode-lint", "semanticVersion": __version__, "rules": [_rule(each) for each in ALL_RULES]}
    whole = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not run.errors,
                "toolExecutionNotifications": [_notification(each) for each in run.errors],
            }
        ],
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [whole]}, indent=2) + "\n"


def merged(documents: list[Any]) -> tuple[str, int]:
    """The logs on the parts of a run as the one on all of it, and its exit code.

    Raises KeyError, TypeError or ValueError for what is no such log.
    """
    (first,) = documents[0]["runs"]
    for document in documents[1:]:
        (part,) = document["runs"]
        if part["tool"] != first["tool"]:
            raise ValueError("another version")
        first["results"] += part["results"]
        one, other = first["invocations"][0], part["invocations"][0]
        one["executionSuccessful"] &= other["executionSuccessful"]
        one["toolExecutionNotifications"] += other["toolExecutionNotifications"]
    failed = not first["invocations"][0]["executionSuccessful"]
    return json.dumps(documents[0], indent=2) + "\n", 2 if failed else 1 if first["results"] else 0


def _rule(rule: Rule) -> dict[str, Any]:
    page = rule.doc.strip()
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": page.partition("## Why is this bad")[2].partition("##")[0].strip()},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": ["pytorch"]},
    }


def _result(each: Diagnostic, mark: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": each.code,
        "level": _LEVELS[each.severity],
        "message": {"text": each.message},
        "rank": _RANKS[each.confidence],
        "locations": [_location(each.span)],
        # the first is GitHub's name for it
        "partialFingerprints": {"primaryLocationLineHash": mark, "torchmodeLint/v1": mark},
        "properties": {"confidence": str(each.confidence)},
    }
    if each.code in _NUMBERS:
        result["ruleIndex"] = _NUMBERS[each.code]
    if each.trail:
        steps = [*each.trail, Note(each.span, each.message)]
        result["relatedLocations"] = [
            {"id": number, **_location(note.span, note.message)} for number, note in enumerate(each.trail)
        ]
        flow = {"locations": [{"location": _location(note.span, note.message)} for note in steps]}
        result["codeFlows"] = [{"threadFlows": [flow]}]
    if each.fix is not None and each.span.cell is None:  # SARIF has no place for the cells of a notebook
        result["fixes"] = [_fix(each.fix)]
        result["properties"]["applicability"] = str(each.fix.applicability)
    return result


def _fix(fix: Fix) -> dict[str, Any]:
    """A fix, all of whose edits are of one file."""
    replacements = [
        {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}}
        for edit in sorted(dict.fromkeys(fix.edits), key=lambda edit: (edit.span.line, edit.span.column))
    ]
    changed = {"artifactLocation": {"uri": quote(fix.edits[0].span.path)}, "replacements": replacements}
    return {"description": {"text": fix.message}, "artifactChanges": [changed]}


def _notification(error: Diagnostic) -> dict[str, Any]:
    return {
        "descriptor": {"id": error.code},
        "level": "error",
        "message": {"text": error.message},
        "locations": [_location(error.span)],
    }


def _location(at: Span, message: str = "") -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(at.path)}}
    location: dict[str, Any] = {"physicalLocation": physical}
    if at.cell is None:
        physical["region"] = _region(at)
    else:  # lines count in the cell, which SARIF has no place for
        location["logicalLocations"] = [{"name": f"cell {at.cell}, line {at.line}", "kind": "member"}]
    if message:
        location["message"] = {"text": message}
    return location


def _region(at: Span) -> dict[str, int]:
    return {"startLine": at.line, "startColumn": at.column, "endLine": at.end_line, "endColumn": at.end_column}
