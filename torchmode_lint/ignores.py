"""Our own suppression comments, which reach further than `# noqa`: a statement, a block, a file.

    loss.backward()  # torchmode: ignore[repeated-backward] why     the statement that it ends
    # torchmode: ignore[TML1]                                       the statement below, with its block
    # torchmode: ignore-file[missing-no-grad]                       the file

Rules are named by code, by prefix or by name; without brackets all are meant, but not that the comment is unused.
"""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

UNUSED = "TML901"
_COMMENT = re.compile(r"# torchmode:\s*ignore(?P<file>-file)?(?:\[(?P<rules>[^\]]*)\])?(?![\w-])")
_LAYOUT = (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


@dataclass(frozen=True, slots=True)
class Ignore:
    """One comment, at `line` and `column` (from 1), and the lines that it counts for.

    `words` name the rules; none, and all are meant.
    """

    line: int
    column: int
    text: str
    words: tuple[str, ...]
    first: int
    last: int

    def covers(self, line: int, code: str, names: Mapping[str, str]) -> bool:
        """Whether a diagnostic on a line is silenced; `names` are the codes and names of the rules."""
        return self.first <= line <= self.last and (
            (not self.words and code != UNUSED) or any(means(word, code, names) for word in self.words)
        )


def means(word: str, code: str, names: Mapping[str, str]) -> bool:
    """Whether a word, a code, a prefix or a name, means a rule."""
    return code.startswith(word.upper()) or names.get(code) == word.lower()


@dataclass(frozen=True, slots=True)
class _Statement:
    """A logical line: its first and last lines, how deep it is indented, and whether it is a decorator."""

    first: int
    last: int
    depth: int
    decorates: bool


def ignores(text: str, lines: list[str]) -> tuple[Ignore, ...]:
    """The comments of a file; none where it cannot be cut into tokens."""
    if "# torchmode:" not in text:
        return ()
    try:
        feed = iter([f"{line}\n" for line in lines])
        return tuple(_found(list(tokenize.generate_tokens(lambda: next(feed, ""))), len(lines)))
    except (tokenize.TokenError, SyntaxError):
        return ()


def _found(tokens: list[tokenize.TokenInfo], count: int) -> Iterator[Ignore]:
    statements = list(_statements(tokens))
    for token in tokens:
        comment = _COMMENT.match(token.string) if token.type == tokenize.COMMENT else None
        if comment is None:
            continue
        line, column = token.start
        if comment["file"]:
            first, last = 1, count
        elif token.line[:column].strip():
            first, last = next(((s.first, s.last) for s in statements if s.first <= line <= s.last), (line, line))
        else:
            first, last = _below(statements, line)
        words = tuple(word.strip() for word in (comment["rules"] or "").split(",") if word.strip())
        yield Ignore(line, column + 1, comment[0], words, first, last)


def _below(statements: list[_Statement], line: int) -> tuple[int, int]:
    """The statement below a line, what it decorates, and its block; the one that the line is inside of, if any."""
    at = next((number for number, one in enumerate(statements) if one.last >= line), None)
    if at is None:
        return line, line
    head = statements[at]
    last = head.last
    decorated = head.decorates
    for one in statements[at + 1 :]:
        if one.depth <= head.depth and not decorated:
            break
        decorated = decorated and one.decorates
        last = one.last
    return head.first, last


def _statements(tokens: list[tokenize.TokenInfo]) -> Iterator[_Statement]:
    depth = 0
    first: tokenize.TokenInfo | None = None
    for token in tokens:
        depth += (token.type == tokenize.INDENT) - (token.type == tokenize.DEDENT)
        if first is None and token.type not in _LAYOUT:
            first = token
        if token.type == tokenize.NEWLINE and first is not None:
            yield _Statement(first.start[0], token.start[0], depth, first.string == "@")
            first = None
