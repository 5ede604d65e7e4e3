"""The options for a file, as one frozen value, and what the words of `--select` and `--ignore` mean.

Front ends build `Options`; the engine reads them. Reads no configuration file and knows no rule: the
rules' codes and names are handed in.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity
from torchmode_lint.knowledge import NOTHING, Knowledge


class ConfigurationError(Exception):
    """The call itself is wrong: a message for the user and exit code 2, before any file is read."""


class UnknownRule(ConfigurationError):
    """A word that means no rule; `near` says which one comes near."""

    def __init__(self, word: str, near: str) -> None:
        super().__init__(f"unknown rule {word!r}{near}")
        self.word = word


class FailOn(enum.Enum):
    """Which diagnostics make the exit code 1."""

    ANY = "any"
    ERROR = "error"  # of severity error
    CERTAIN = "certain"
    NEVER = "never"

    def at(self, one: Diagnostic) -> bool:
        """Whether this diagnostic does."""
        match self:
            case FailOn.ERROR:
                return one.severity is Severity.ERROR
            case FailOn.CERTAIN:
                return one.confidence is Confidence.CERTAIN
            case _:
                return self is FailOn.ANY


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for a file.

    `select` (empty: every rule) and `ignore` hold codes, prefixes of codes or names; `ignore` wins.
    `project_root` None means the nearest one of each file.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    confidence: Confidence = Confidence.LIKELY
    project_root: Path | None = None
    fail_on: FailOn = FailOn.ANY
    knowledge: Knowledge = NOTHING

    def of(self, path: Path) -> Options:
        """For every file the same."""
        return self


class OptionsByFile(Protocol):
    """What is asked for each file: `Options`, or what configuration files say."""

    def of(self, path: Path) -> Options:
        """What is asked for the file at `path`. May raise `ConfigurationError`."""
        ...


def codes_of(words: Iterable[str], names: Mapping[str, str]) -> frozenset[str]:
    """The codes that `words` mean, `names` being every rule's code and name.

    Raises `UnknownRule` for a word that means nothing, with the nearest one that does.
    """
    found: set[str] = set()
    for word in words:
        codes = {code for code, name in names.items() if code.startswith(word.upper()) or name == word.lower()}
        if not word or not codes:
            raise UnknownRule(word, nearest(word, names))
        found |= codes
    return frozenset(found)


def nearest(word: str, names: Mapping[str, str]) -> str:
    """` (did you mean …?)` for an unknown rule, or nothing where no code or name comes near."""
    known = {text.lower(): text for pair in names.items() for text in pair}
    close = difflib.get_close_matches(word.lower(), known, n=1)
    return f" (did you mean {known[close[0]]!r}?)" if close else ""
