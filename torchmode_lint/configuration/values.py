"""What the values in configuration files may be: each kind takes what TOML gave and returns what it means.

Each raises `Wrong`, with the word that is wrong, so that its line can be found.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchmode_lint.config import FailOn, UnknownRule, codes_of
from torchmode_lint.diagnostic import Confidence

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_VERSION = re.compile(r"(\d+)\.(\d+)(\.\w+)*")
_MODES = ("train", "eval")


class Wrong(Exception):
    """A value that an option cannot have; `word` is the part of it that is wrong."""

    def __init__(self, message: str, word: str = "") -> None:
        super().__init__(message)
        self.word = word


@dataclass(frozen=True, slots=True)
class Patterns:
    """Patterns as in `.gitignore`, which speak of paths below a folder."""

    folder: Path
    lines: tuple[str, ...]

    def match(self, path: Path, is_folder: bool = False) -> bool:
        """Whether they speak of an absolute path."""
        if not path.is_relative_to(self.folder):
            return False
        inside = path.relative_to(self.folder).as_posix()
        return bool(_spec(self.lines).match_file(f"{inside}/" if is_folder else inside))


@dataclass(frozen=True, slots=True)
class Ignored:
    """The rules that are ignored in the files of a pattern."""

    patterns: Patterns
    rules: tuple[str, ...]


@functools.cache
def _spec(lines: tuple[str, ...]) -> Any:  # noqa: ANN401 - loaded where it is needed
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(lines)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean …?)`, or nothing where no known word comes near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def strings(value: object, folder: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise Wrong("must be a list of strings")
    return tuple(value)


def rules(value: object, folder: Path) -> tuple[str, ...]:
    """Codes, prefixes of codes, or names."""
    from torchmode_lint.engine import rule_names

    words = strings(value, folder)
    try:
        codes_of(words, rule_names())
    except UnknownRule as error:
        raise Wrong(str(error), error.word) from error
    return words


def patterns(value: object, folder: Path) -> tuple[Patterns, ...]:
    lines = strings(value, folder)
    try:
        _spec(lines)
    except (ValueError, re.error) as error:
        raise Wrong(f"no pattern: {error}") from error
    return (Patterns(folder, lines),)


def ignored_by_pattern(value: object, folder: Path) -> tuple[Ignored, ...]:
    if not isinstance(value, dict):
        raise Wrong("must be a table of patterns and lists of rules")
    return tuple(Ignored(patterns([line], folder)[0], rules(words, folder)) for line, words in value.items())


def choice(kind: type[Confidence] | type[FailOn], spelling: Callable[[Any], str]) -> Callable[[object, Path], Any]:
    def read(value: object, folder: Path) -> Any:  # noqa: ANN401
        known = {spelling(one): one for one in kind}
        if value not in known:
            near = did_you_mean(value, known) if isinstance(value, str) else ""
            raise Wrong(f"must be one of {', '.join(map(repr, known))}{near}", str(value))
        return known[str(value)]

    return read


def flag(value: object, folder: Path) -> bool:
    if not isinstance(value, bool):
        raise Wrong("must be true or false")
    return value


def path(value: object, folder: Path) -> Path:
    if not isinstance(value, str):
        raise Wrong("must be a path")
    return folder / Path(value).expanduser()


def directory(value: object, folder: Path) -> Path:
    found = path(value, folder)
    if not found.is_dir():
        raise Wrong(f"no such folder: {found}", str(value))
    return found.resolve()


def version(value: object, folder: Path) -> tuple[int, int]:
    match = _VERSION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Wrong('must be a version such as "2.0"', str(value))
    return int(match[1]), int(match[2])


def names(value: object, folder: Path) -> tuple[str, ...]:
    """Qualified names: `package.module.function`."""
    words = strings(value, folder)
    for word in words:
        if not _NAME.fullmatch(word):
            raise Wrong(f"no qualified name: {word!r}", word)
    return words


def modes_by_name(value: object, folder: Path) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise Wrong("must be a table of qualified names and modes")
    for mode in value.values():
        if mode not in _MODES:
            near = did_you_mean(mode, _MODES) if isinstance(mode, str) else ""
            raise Wrong(f"a mode is 'train' or 'eval'{near}", str(mode))
    return tuple(zip(names(list(value), folder), value.values(), strict=True))
