"""A fix as HTML: what it does, and the lines that it changes."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from torchmode_lint.diagnostic import Applicability, Edit, Fix
from torchmode_lint.edits import applied
from torchmode_lint.report.code import prose, text

_HOW = {
    Applicability.SAFE: "safe, by <code>--fix</code>",
    Applicability.UNSAFE: "unsafe, by <code>--fix --unsafe-fixes</code>",
    Applicability.DISPLAY: "to be made by hand",
}
_SIGNS = {"+": "ins", "-": "del"}


def fix_as_html(fix: Fix, lines_of: Callable[[str], Sequence[str]]) -> str:
    """`lines_of` gives the lines of a file, or of a cell, by `Span.where`."""
    edits: dict[str, list[Edit]] = defaultdict(list)
    for edit in fix.edits:
        edits[edit.span.where].append(edit)
    changed = "".join(line for where, each in sorted(edits.items()) for line in _changed(lines_of(where), each))
    return (
        f'<details class="fix"><summary><b>Fix</b> {prose(fix.message)} ({_HOW[fix.applicability]})</summary>'
        f"<pre>{changed}</pre></details>"
    )


def _changed(lines: Sequence[str], edits: Sequence[Edit]) -> Iterator[str]:
    """The lines before and after, with one around them, where the edits are of these lines."""
    after = applied("".join(f"{line}\n" for line in lines), edits).split("\n")[:-1] if lines else []
    for line in list(difflib.unified_diff(lines, after, n=1, lineterm=""))[2:]:
        tag = _SIGNS.get(line[:1])
        shown = text("⋯" if line.startswith("@@") else line)
        yield f"<{tag}>{shown}</{tag}>\n" if tag else f"{shown}\n"
