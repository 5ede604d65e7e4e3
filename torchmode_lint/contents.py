"""What the files of a project hold now: a hash of each, by its stamp where that is known, and which files there are.

A stamp is what the file system says of a file without opening it: times, size and number. What was written in the
last moments before it was read may be written again under the same stamp, so that stamp is not to be kept.
"""

from __future__ import annotations

import functools
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from torchmode_lint.text import imported_words

MAX_ENTRIES = 100_000  # of the folders below a project's root: past that it is no project of source files
_SETTLED = 2_000_000_000  # ns: no file system has coarser times
HASH_SIZE = 16
_NOTHING = bytes(HASH_SIZE)
_NOT_SOURCE = frozenset({"node_modules", "__pycache__"})

Stamped: TypeAlias = "tuple[str, bytes]"  # the stamp of a file, and the hash of what it held then


class Contents:
    """The files are named by their paths from `root`, or by whole paths; `known` are stamps of earlier runs."""

    def __init__(self, root: Path, known: Mapping[str, Stamped]) -> None:
        self.root = root.as_posix()
        self.stamped: dict[str, Stamped] = {}  # those that were found to be others, and are to be kept
        self._known = known
        self._hashes: dict[str, bytes] = {}
        self._words: dict[str, set[str]] = {}

    def hash(self, name: str) -> bytes:
        """Of the file as it is when it is first asked for; empty where it cannot be read."""
        found = self._hashes.get(name)
        if found is None:
            found = self._hashes[name] = self._hash(name)
        return found

    def _hash(self, name: str) -> bytes:
        path = os.path.join(self.root, name)
        try:
            stamp = _stamp(path)
            known = self._known.get(name)
            if known is not None and known[0] == stamp:
                return known[1]
            now = time.time_ns()
            with open(path, "rb") as file:
                found = digest(file.read())
            if _is_settled(path, stamp, now):
                self.stamped[name] = (stamp, found)
        except OSError:
            return b""
        return found

    def hashes(self, names: Iterable[str]) -> bytes:
        """The hashes of files one after the other; zeros for one that cannot be read."""
        return b"".join(self.hash(name) or _NOTHING for name in names)

    def imports_one_of(self, name: str, words: Iterable[str]) -> bool:
        """Whether an import statement of a file holds one of these words."""
        found = self._words.get(name)
        if found is None:
            try:
                text = Path(self.root, name).read_text("utf-8", "replace")
            except OSError:
                text = ""
            found = self._words[name] = imported_words(text)
        return not found.isdisjoint(words)

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Every file below the root that an import may mean; none where there are too many entries."""
        return frozenset(_python_files(self.root))


def digest(data: bytes) -> bytes:
    """What stands for the bytes of a file."""
    return hashlib.blake2b(data, digest_size=HASH_SIZE).digest()


def stem(name: str) -> str:
    """What an import statement calls a file."""
    folders, _, last = name.rpartition("/")
    return folders.rpartition("/")[2] if last == "__init__.py" else last.removesuffix(".py")


def _stamp(path: str) -> str:
    at = os.stat(path)
    return f"{at.st_mtime_ns} {at.st_ctime_ns} {at.st_size} {at.st_ino}"


def _is_settled(path: str, stamp: str, now: int) -> bool:
    """Whether a file read at a time had not been written for a while, nor was it while it was read."""
    at = os.stat(path)
    return max(at.st_mtime_ns, at.st_ctime_ns) < now - _SETTLED and _stamp(path) == stamp


def _python_files(root: str) -> Iterator[str]:
    found: list[str] = []
    pending = [""]
    entries = 0
    while pending:
        at = pending.pop()
        try:
            with os.scandir(os.path.join(root, at)) as scan:
                for entry in scan:
                    entries += 1
                    if entry.name.endswith(".py"):
                        found.append(at + entry.name)
                    elif _may_be_imported(entry.name) and entry.is_dir(follow_symlinks=False):
                        pending.append(f"{at}{entry.name}/")
        except OSError:
            continue
        if entries > MAX_ENTRIES:
            return
    yield from found


def _may_be_imported(name: str) -> bool:
    return "." not in name and name not in _NOT_SOURCE
