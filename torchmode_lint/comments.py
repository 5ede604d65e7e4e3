"""Edits of suppression comments: words taken out of them, codes added to the lines of diagnostics.

The edits are of a file's own lines; in a notebook, of those of the whole program, until they are `placed`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable

from torchmode_lint.diagnostic import Diagnostic, Edit, Span
from torchmode_lint.ignores import Ignore
from torchmode_lint.source import SourceFile
from torchmode_lint.suppression import Noqa, logical_lines

_WORDS = re.compile(r"(?P<head># noqa:\s*|# torchmode:\s*ignore(?:-file)?\[)(?P<words>.*?)(?P<tail>\]?)", re.IGNORECASE)
_BETWEEN = re.compile(r"[,\s]+")


def without(source: SourceFile, comment: Noqa | Ignore, dropped: Collection[str]) -> Edit:
    """Takes these words out of a comment, and with the last of them the comment, with the reason that is given in ours.

    What else is said beside it stays: other comments, and the prose after a `# noqa`.
    """
    match = _WORDS.fullmatch(comment.text)
    words = [word for word in _BETWEEN.split(match["words"]) if word] if match is not None else []
    kept = [word for word in words if word not in dropped and word.upper() not in dropped]
    start = comment.column - 1
    if match is not None and kept:
        return _edit(source, comment.line, start, start + len(comment.text), _listed(match, kept))
    line = source.lines[comment.line - 1]
    end = start + len(comment.text)
    if isinstance(comment, Ignore):
        other = line.find("#", end)
        end = other if other >= 0 else len(line)
    before, after = line[:start].rstrip(), line[end:].lstrip()
    if not after and not before:
        return Edit(Span(source.path, comment.line, 1, comment.line + 1, 1), "")
    if not after:
        return _edit(source, comment.line, len(before), len(line), "")
    if after.startswith("#"):
        return _edit(source, comment.line, start, len(line) - len(after), "")
    return _edit(source, comment.line, start, end, "#")


def with_noqa(source: SourceFile, found: Iterable[Diagnostic]) -> list[Edit]:
    """Silences diagnostics of a file by `# noqa`, each at the end of the line that flake8 looks for it in.

    That is the last one of those that a string or a backslash joins. Codes join a comment that is there already.
    Nothing can be done where a string that says `# noqa` is in the way.
    """
    last_of = {line: last for first, last in logical_lines(source.lines) for line in range(first, last + 1)}
    codes: dict[int, set[str]] = defaultdict(set)
    for one in found:
        line = source.program_line(one.span)
        codes[last_of.get(line, line)].add(one.code)
    present = {comment.last: comment for comment in source.noqa.comments}
    edits = []
    for last, added in sorted(codes.items()):
        comment = present.get(last)
        listed = ", ".join(sorted(added))
        if comment is None and not source.noqa.speaks_of(last):
            text = source.lines[last - 1]
            edits.append(_edit(source, last, len(text.rstrip()), len(text), f"  # noqa: {listed}"))
        elif comment is not None:
            start = comment.column - 1
            text = f"{comment.text.rstrip(', ')}, {listed}"
            edits.append(_edit(source, comment.line, start, start + len(comment.text), text))
    return edits


def _listed(match: re.Match[str], words: Iterable[str]) -> str:
    return f"{match['head']}{', '.join(words)}{match['tail']}"


def _edit(source: SourceFile, line: int, start: int, end: int, text: str) -> Edit:
    """`text` in place of what stands in a line between two columns, from 0."""
    return Edit(Span(source.path, line, start + 1, line, end + 1), text)
