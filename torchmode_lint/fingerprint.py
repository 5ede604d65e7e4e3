"""What a diagnostic is known by in later runs, when the lines above it have moved and the file has another name.

Made of the rule, the line it is in, the functions and classes around that, and which one it is of several alike.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torchmode_lint.diagnostic import Diagnostic

_DEFINITION = re.compile(r"(?P<indent>\s*)(?:async\s+def|def|class)\s+(?P<name>\w+)")


@dataclass(frozen=True, slots=True, order=True)
class Traits:
    """The rule of a diagnostic, its line without indentation, and the definitions around that, innermost first."""

    code: str
    line: str
    around: tuple[str, ...]

    @property
    def qualified(self) -> str:
        """The definitions as Python qualifies names, outermost first."""
        return ".".join(reversed(self.around))


def traits(found: Iterable[Diagnostic], lines: Mapping[str, tuple[str, ...]]) -> list[Traits]:
    """One for each diagnostic of a file; `lines` are those of the file, or of the cells of a notebook."""
    result = []
    for one in found:
        text = lines.get(one.span.where, ())
        at = one.span.line - 1
        own = " ".join(text[at].split()) if at < len(text) else ""
        result.append(Traits(one.code, own, tuple(_around(text, at))))
    return result


def fingerprints(found: Iterable[Diagnostic], lines: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The same as one word each, no two of a file alike."""
    seen: Counter[Traits] = Counter()
    result = []
    for one in traits(found, lines):
        seen[one] += 1
        key = (one.code, one.line, *one.around)
        result.append(hashlib.blake2b(repr((key, seen[one])).encode(), digest_size=16).hexdigest())
    return result


def _around(lines: tuple[str, ...], at: int) -> list[str]:
    """The names of the definitions around a line, innermost first."""
    names = []
    indent = len(lines[at]) - len(lines[at].lstrip()) if at < len(lines) else 0
    for line in reversed(lines[:at]):
        found = _DEFINITION.match(line)
        if found is not None and len(found["indent"]) < indent:
            indent = len(found["indent"])
            names.append(found["name"])
    return names
