"""`# noqa` comments, read as flake8 reads them, so that both front ends agree.

A comment counts for its own line and for what a string or a backslash joins to it, not for all of a statement
in brackets. A line that begins with `# flake8: noqa` counts
for the file, whatever codes it goes on to name: to flake8 too.
"""

from __future__ import annotations

import re
import tokenize
from dataclasses import dataclass

_CODES = r"[A-Z]+[0-9]+(?:[,\s]+)?"
_INLINE = re.compile(rf"# noqa(?::\s?(?P<codes>(?:{_CODES})+))?", re.IGNORECASE)
_FILE = re.compile(r"\s*# flake8[:=]\s*noqa", re.IGNORECASE)
_BETWEEN = re.compile(r"[,\s]+")
_EVERYTHING = ("",)  # the prefix of every code


@dataclass(frozen=True, slots=True)
class Noqa:
    """A `# noqa` at `line` and `column` (from 1), the prefixes that it names, and the lines that it counts for."""

    line: int
    column: int
    text: str
    prefixes: tuple[str, ...]
    first: int
    last: int


class Suppressions:
    """The prefixes of the codes that comments silence, by line; `comments` are those of single lines.

    As to flake8, the words count in a string, too; such are no `comments`.
    """

    __slots__ = ("_by_line", "_in_file", "comments")

    def __init__(self, text: str, lines: list[str]) -> None:
        self._in_file: tuple[str, ...] = ()
        self._by_line: dict[int, tuple[str, ...]] = {}
        self.comments: list[Noqa] = []
        if _INLINE.search(text) is None and "flake8" not in text.lower():
            return
        for line in lines:
            if _FILE.match(line) is not None:
                self._in_file = _EVERYTHING
        for first, last in logical_lines(lines):
            joined = "\n".join(lines[first - 1 : last])
            found = _INLINE.search(joined)
            if found is not None:
                prefixes = _prefixes(found)
                self._by_line.update(dict.fromkeys(range(first, last + 1), prefixes))
                before = joined[: found.start()].split("\n")
                at = first + len(before) - 1, len(before[-1]) + 1
                self.comments.append(Noqa(*at, found[0].rstrip(), prefixes, first, last))
        if self.comments:
            starts = _comment_starts(lines)
            self.comments = [one for one in self.comments if starts.get(one.line, one.column + 1) <= one.column]

    def cover(self, line: int, code: str, end_line: int | None = None) -> bool:
        """Whether `code` is silent on `line`, or by a comment on the last line of what is reported."""
        prefixes = self._in_file + self._by_line.get(line, ())
        if end_line is not None and end_line != line:
            prefixes += self._by_line.get(end_line, ())
        return code.upper().startswith(prefixes)

    def speaks_of(self, line: int) -> bool:
        """Whether the words stand on a line or what is joined to it, in a comment or not: only the first count."""
        return line in self._by_line


def _prefixes(match: re.Match[str]) -> tuple[str, ...]:
    if match["codes"] is None:
        return _EVERYTHING
    return tuple(code.upper() for code in _BETWEEN.split(match["codes"]) if code)


def _comment_starts(lines: list[str]) -> dict[int, int]:
    """The column, from 1, at which the comment of a line begins; nothing where the file cannot be cut into tokens."""
    feed = iter([f"{line}\n" for line in lines])
    try:
        tokens = list(tokenize.generate_tokens(lambda: next(feed, "")))
    except (tokenize.TokenError, SyntaxError):
        return {}
    return {token.start[0]: token.start[1] + 1 for token in tokens if token.type == tokenize.COMMENT}


def logical_lines(lines: list[str]) -> list[tuple[int, int]]:
    """First and last lines of what strings and backslashes join; each line by itself where there are no tokens."""
    found: list[tuple[int, int]] = []
    first, last = len(lines) + 2, -1
    feed = iter([f"{line}\n" for line in lines])
    try:
        for token in tokenize.generate_tokens(lambda: next(feed, "")):
            if token.type in (tokenize.ENDMARKER, tokenize.DEDENT):
                continue
            first, last = min(first, token.start[0]), max(last, token.end[0])
            if token.type in (tokenize.NL, tokenize.NEWLINE):
                found.append((first, last))
                first, last = len(lines) + 2, -1
    except (tokenize.TokenError, SyntaxError):
        return [(number, number) for number in range(1, len(lines) + 1)]
    return found
