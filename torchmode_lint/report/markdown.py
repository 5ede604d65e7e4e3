"""A table for the summary of a CI job, for a comment, or for a ticket."""

from __future__ import annotations

import re

from torchmode_lint.diagnostic import Diagnostic
from torchmode_lint.engine import Run
from torchmode_lint.report.concise import place

_SPANS = re.compile(r"(`[^`]+`)")
_SPECIAL = re.compile(r"[\\`*_|\[\]]")
MAX_ROWS = 500  # what is longer is read by nobody, and refused by GitHub


def render(run: Run, colour: bool) -> str:
    """A heading and a table with the diagnostics and their trails; never coloured."""
    found = [*run.errors, *run.diagnostics]
    files = len({one.span.path for one in found})
    if not found:
        return f"### torchmode-lint: nothing to report\n\n{_counted(len(run.reports), 'file')} checked.\n"
    heading = f"### torchmode-lint: {_counted(len(found), 'diagnostic')} in {_counted(files, 'file')}\n"
    rows = [f"| {_code(place(one))} | {one.code} {one.rule} | {_cell(one)} |" for one in found[:MAX_ROWS]]
    rest = [f"\n… and {len(found) - MAX_ROWS} more."] if len(found) > MAX_ROWS else []
    return "\n".join([heading, "| where | rule | what |", "|---|---|---|", *rows, *rest, ""])


def _cell(one: Diagnostic) -> str:
    """The message, and below it the trail."""
    steps = [f"{_code(f'{note.span.path}:{note.span.line}')} {_text(note.message)}" for note in one.trail]
    return "<br>".join([_text(one.message), *steps])


def _text(text: str) -> str:
    """A message, in which what stands between backticks is code already."""
    parts = _SPANS.split(text.replace("\n", " "))
    return "".join(_code(part[1:-1]) if index % 2 else _prose(part) for index, part in enumerate(parts))


def _prose(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text.replace("&", "&amp;").replace("<", "&lt;"))


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
