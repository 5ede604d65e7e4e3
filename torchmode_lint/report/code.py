"""Source lines as HTML: what each word is, and what is marked in them. Whatever a line says comes out as text."""

from __future__ import annotations

import html
import io
import itertools
import keyword
import tokenize
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

_OF_TYPES = {tokenize.COMMENT: "c", tokenize.STRING: "s", tokenize.NUMBER: "n"}


class Piece(NamedTuple):
    """A stretch of one line, columns from 0, and the class of a word there or the name of a mark."""

    start: int
    end: int
    name: str


def text(plain: str) -> str:
    """Any text as HTML; what nobody could see is a dot."""
    return html.escape("".join("·" if _is_unseen(char) else char for char in plain))


def _is_unseen(char: str) -> bool:
    return char != "\t" and unicodedata.category(char) in ("Cc", "Cf", "Cs")


def prose(plain: str) -> str:
    """Text in which backticks set off code."""
    parts = text(plain).split("`")
    if len(parts) % 2 == 0:
        return text(plain)
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))


def line_as_html(line: str, words: Iterable[Piece], marks: Sequence[Piece] = ()) -> str:
    """A line with its words in classes and its marks in `<mark data-in="one two">`, which may overlap."""
    inside = [piece for piece in words if piece.start < piece.end]
    cuts = sorted({0, len(line), *(edge for piece in (*inside, *marks) for edge in piece[:2] if 0 < edge < len(line))})
    shown: list[str] = []
    open_marks: list[str] = []
    for start, end in itertools.pairwise(cuts):
        now = [mark.name for mark in marks if mark.start <= start < mark.end]
        if now != open_marks:
            shown += ["</mark>"] * bool(open_marks) + [f'<mark data-in="{" ".join(now)}">'] * bool(now)
            open_marks = now
        name = next((piece.name for piece in inside if piece.start <= start < piece.end), "")
        part = text(line[start:end])
        shown.append(f'<span class="{name}">{part}</span>' if name else part)
    return "".join(shown) + "</mark>" * bool(open_marks)


def words_of(lines: Sequence[str]) -> Mapping[int, list[Piece]]:
    """By line, counted from 1: keywords, names of definitions, strings, numbers and comments."""
    found: dict[int, list[Piece]] = {}
    for line, piece in _words(lines):
        found.setdefault(line, []).append(piece)
    return found


def _words(lines: Sequence[str]) -> Iterator[tuple[int, Piece]]:
    defined = False
    for token in _tokens(lines):
        name = _OF_TYPES.get(token.type, "s" if "FSTRING" in tokenize.tok_name[token.type] else "")
        if token.type == tokenize.NAME:
            name = "k" if keyword.iskeyword(token.string) else "d" if defined else ""
        defined = token.type == tokenize.NAME and token.string in ("def", "class")
        if name:
            (first, start), (last, end) = token.start, token.end
            for line in range(first, min(last, len(lines)) + 1):
                stop = end if line == last else len(lines[line - 1])
                yield line, Piece(start if line == first else 0, stop, name)


def _tokens(lines: Sequence[str]) -> Iterator[tokenize.TokenInfo]:
    """As many as there are before Python's tokenizer gives up."""
    try:
        yield from tokenize.generate_tokens(io.StringIO("".join(f"{line}\n" for line in lines)).readline)
    except (tokenize.TokenError, SyntaxError):
        return
