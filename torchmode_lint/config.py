"""The options of a run, as one frozen value, and what the words of `--select` and `--ignore` mean.

Front ends build `Options`; the engine reads them. Reads no configuration file and knows no rule: the
rules' codes and names are handed in.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torchmode_lint.diagnostic import Confidence


class ConfigurationError(Exception):
    """The call itself is wrong: a message for the user and exit code 2, before any file is read."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked for.

    `select` (empty: every rule) and `ignore` hold codes, prefixes of codes or names; `ignore` wins.
    `project_root` None means the nearest one of each file. `isolated` keeps configuration files out.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    confidence: Confidence = Confidence.LIKELY
    project_root: Path | None = None
    isolated: bool = False


def codes_of(words: Iterable[str], names: Mapping[str, str]) -> frozenset[str]:
    """The codes that `words` mean, `names` being every rule's code and name.

    Raises `ConfigurationError` for a word that means nothing, with the nearest one that does.
    """
    found: set[str] = set()
    for word in words:
        codes = {code for code, name in names.items() if code.startswith(word.upper()) or name == word.lower()}
        if not word or not codes:
            raise ConfigurationError(f"unknown rule {word!r}{nearest(word, names)}")
        found |= codes
    return frozenset(found)


def nearest(word: str, names: Mapping[str, str]) -> str:
    """` (did you mean …?)` for an unknown rule, or nothing where no code or name comes near."""
    known = {text.lower(): text for pair in names.items() for text in pair}
    close = difflib.get_close_matches(word.lower(), known, n=1)
    return f" (did you mean {known[close[0]]!r}?)" if close else ""
