"""One line a diagnostic: `path:line:column: CODE message`, as editors and `grep` like it."""

from __future__ import annotations

from torchmode_lint.diagnostic import Diagnostic
from torchmode_lint.engine import Run


def render(run: Run, colour: bool) -> str:
    """The lines, errors after diagnostics; colour is not used."""
    return "".join(f"{place(each)}: {each.code} {each.message}\n" for each in (*run.diagnostics, *run.errors))


def place(diagnostic: Diagnostic) -> str:
    """`path:line:column`, with the cell of a notebook after its path."""
    at = diagnostic.span
    cell = "" if at.cell is None else f":cell {at.cell}"
    return f"{at.path}{cell}:{at.line}:{at.column}"
