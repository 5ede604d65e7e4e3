"""A file of the diagnostics that a project has for now, so that only others are reported.

A place is written in clear, by file, rule, line and functions, so that the file can be read and its changes compared;
no line numbers are in it. The names of files are relative to its own folder.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchmode_lint.config import ConfigurationError
from torchmode_lint.engine import FileReport
from torchmode_lint.fingerprint import Traits
from torchmode_lint.known import Place, Sifted, sifted
from torchmode_lint.text import shown_path

if TYPE_CHECKING:
    from torchmode_lint.parallel import Workers

VERSION = 1


class Baseline:
    """The diagnostics that a file holds. Raises ConfigurationError where it cannot be read."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.name = naming(file)
        self._known = read(file)

    def sift(self, reports: Sequence[FileReport], workers: Workers | None = None) -> Sifted:
        """The reports without what the file holds."""
        return sifted(reports, self._known, self.name)


def naming(file: Path) -> Callable[[str], str]:
    """What a baseline in `file` calls the file at a path."""
    folder = file.absolute().parent

    def name(path: str) -> str:
        try:
            return Path(os.path.relpath(path, folder)).as_posix()
        except ValueError:  # on another drive
            return Path(path).absolute().as_posix()

    return name


def read(file: Path) -> Counter[Place]:
    """The places of a baseline. Raises ConfigurationError."""
    try:
        document = json.loads(file.read_text(encoding="utf-8", errors="surrogatepass"))
        if document["version"] != VERSION:
            raise ConfigurationError(f"{shown_path(file)}: a baseline of another version of torchmode-lint")
        known: Counter[Place] = Counter()
        for name, found in document["diagnostics"].items():
            for one in found:
                around = tuple(reversed(one["in"].split("."))) if one["in"] else ()
                known[name, Traits(str(one["code"]), str(one["line"]), around)] += int(one["count"])
    except OSError as error:
        raise ConfigurationError(f"{shown_path(file)}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{shown_path(file)}: not a baseline: {error!r}") from error
    return known


def written(known: Counter[Place]) -> str:
    """The text of a baseline: one diagnostic a line, sorted, so that a change of one is a change of its line."""
    files: dict[str, list[str]] = {}
    for (name, one), count in sorted(known.items()):
        entry: dict[str, Any] = {"code": one.code, "in": one.qualified, "line": one.line, "count": count}
        files.setdefault(name, []).append(f"      {json.dumps(entry, ensure_ascii=False)}")
    listed = ",\n".join(
        f"    {json.dumps(name, ensure_ascii=False)}: [\n" + ",\n".join(entries) + "\n    ]"
        for name, entries in files.items()
    )
    inner = f"\n{listed}\n  " if listed else ""
    return f'{{\n  "version": {VERSION},\n  "diagnostics": {{{inner}}}\n}}\n'
