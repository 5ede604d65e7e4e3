"""Workflow commands of GitHub Actions, which it shows as annotations in the changed files of a pull request."""

from __future__ import annotations

from torchmode_lint.diagnostic import Diagnostic
from torchmode_lint.engine import Run
from torchmode_lint.report.concise import place


def render(run: Run, colour: bool) -> str:
    """One command a line; never coloured."""
    return "".join(f"{_command(each)}\n" for each in (*run.diagnostics, *run.errors))


def _command(each: Diagnostic) -> str:
    at = each.span
    where = {"title": f"{each.code} {each.rule}", "file": at.path}
    message = each.message
    if at.cell is None:
        where |= {"line": str(at.line), "col": str(at.column)}
        if at.end_line == at.line:  # GitHub takes an end of the column on one line only
            where["endColumn"] = str(at.end_column)
        else:
            where["endLine"] = str(at.end_line)
    else:  # lines count in the cell, which GitHub knows nothing of
        message = f"{place(each)}: {message}"
    properties = ",".join(f"{name}={_property(value)}" for name, value in where.items())
    return f"::{each.severity} {properties}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
