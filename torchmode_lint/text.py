"""Bytes of Python files as text: decoded by PEP 263, cut into lines as Python counts them. Knows no syntax tree."""

from __future__ import annotations

import io
import itertools
import os
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

UNREADABLE = "TML900"
SYNTAX_ERROR = "TML902"
NOT_TEXT = "TML903"

# Strings and comments; odd f-strings may be cut wrongly.
NOT_CODE = re.compile(
    r"""'''(?:[^\\]|\\.)*?'''|\"""(?:[^\\]|\\.)*?\"""|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|\#[^\n\r]*""",
    re.DOTALL,
)

_IMPORT = re.compile(r"[ \t]*(?:from|import)\b")
_WORD = re.compile(r"\w+")
_LINE_END = re.compile(r"\r\n|\r|\n")


def whole_word(word: str) -> str:
    """The pattern of a word, which begins with its letters: they are looked for as such, many times as fast."""
    return rf"{word}(?<!\w{word})\b"


class SourceError(Exception):
    """A file that cannot be read, decoded or parsed; `line` and `column` count from 1, in a notebook in its `cell`."""

    def __init__(
        self, message: str, line: int = 1, column: int = 1, code: str = SYNTAX_ERROR, cell: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.code = code
        self.cell = cell


def shown_path(path: Path) -> str:
    """The path as users see it: relative to the working directory, with forward slashes."""
    here = os.path.join(os.getcwd(), "")
    whole = str(path)
    if os.sep == "/" and whole.startswith(here) and "/../" not in whole:
        return whole[len(here) :]
    try:
        return Path(os.path.relpath(path)).as_posix()
    except ValueError:  # on another drive
        return path.absolute().as_posix()


def line_starts(text: str) -> list[int]:
    """Where the lines of a text begin, and where one after the last would."""
    if "\r" in text:
        return [0, *(end.end() for end in _LINE_END.finditer(text)), len(text)]
    starts = [0, *itertools.accumulate(map((1).__add__, map(len, text.split("\n"))))]
    starts[-1] = len(text)
    return starts


def split_lines(text: str) -> list[str]:
    """Lines as Python counts them; form feeds and other separators of `str.splitlines` end none."""
    lines = _LINE_END.split(text)
    if lines[-1] == "":
        lines.pop()
    return lines


def places(text: str, words: str) -> Iterator[int]:
    """Where these words are in a text."""
    at = text.find(words)
    while at >= 0:
        yield at
        at = text.find(words, at + 1)


def imported_words(text: str) -> set[str]:
    """All words on the lines of a text that begin an import statement."""
    words: set[str] = set()
    at = text.find("import")
    while at >= 0:
        start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
        line = text[start : end if end >= 0 else len(text)]
        if _IMPORT.match(line):
            words.update(_WORD.findall(line))
        at = text.find("import", end) if end >= 0 else -1
    return words


def decode(data: bytes) -> tuple[str, str]:
    """The text of a Python file by PEP 263, without byte order mark, and its encoding. Raises SourceError."""
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise SourceError("not a text file: it contains a null byte", line, code=NOT_TEXT)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except SyntaxError as error:  # an unknown or contradicted encoding declaration
        raise SourceError(str(error.msg), code=NOT_TEXT) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(f"cannot be decoded as {error.encoding}: {error.reason}", line, code=NOT_TEXT) from error
    except (LookupError, UnicodeError) as error:  # a codec that is not for text
        raise SourceError(str(error), code=NOT_TEXT) from error
    return text, encoding
