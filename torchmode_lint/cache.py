"""Results kept on disk, one small database for each project, and the question whether one still holds.

A result holds while nothing that it was made of has changed: the file, every file that its imports led to, which
files there are that an import may mean, what the configuration says of names, this program, and the Python it runs
under. Where the project was searched for callers, the files count that mention one of the words of the search. Only
data is kept: no code is ever loaded from here.

The databases are in the user's cache folder, or in `TORCHMODE_LINT_CACHE_DIR`. Several runs may use them at once.
What nobody has asked for in a month is removed. A database that cannot be used is done without.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import sqlite3
import sys
import time
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

from torchmode_lint import __version__
from torchmode_lint.contents import HASH_SIZE, Contents, Stamped, digest, stem
from torchmode_lint.knowledge import NOTHING, Knowledge
from torchmode_lint.outcome import Examination, Inputs, State
from torchmode_lint.plain import Plain

FOLDER_VARIABLE = "TORCHMODE_LINT_CACHE_DIR"
KEPT_SECONDS = 30 * 24 * 3600
WRITTEN_AT_ONCE = 64
_DAY = 24 * 3600
_UNKNOWN = "?"  # a file that a run at the same time has just come to know
_KEPT = "hash, files, digest, asked, listing, words, tree, callers, used, data, knowledge"
_META = "create table if not exists meta(name text primary key, value text)"
_TABLES = {
    "files": "(id integer primary key, path text unique, stamp text, hash blob)",
    "listings": "(id integer primary key, digest blob unique, names text)",
    "trees": "(id integer primary key, digest blob unique, files blob, hashes blob)",
    "results": "(path text primary key, hash blob, files blob, digest blob, asked text, listing integer, words text, "
    "tree integer, callers blob, used integer, data text, knowledge blob) without rowid",
}


def folder() -> Path:
    """Where the databases are."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "torchmode-lint"


def clean() -> int:
    """Remove every database; how many there were."""
    found = list(folder().glob("*.db*"))
    for path in found:
        with contextlib.suppress(OSError):
            path.unlink()
    return sum(path.suffix == ".db" for path in found)


class Cache:
    """The results of one project. Use `get` and `put`, and `close` at the end."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.began = time.time()
        self._plain = Plain(self.root)
        self._new: dict[str, tuple[Any, ...]] = {}
        self._seen: list[str] = []
        self._connection: sqlite3.Connection | None = _opened(self.root)
        self._ids: dict[str, int] = {}
        self._paths: dict[int, str] = {}
        self._listings: dict[int, frozenset[str]] = {}
        self._trees: dict[int, dict[str, bool]] = {}

    def get(self, path: Path, knowledge: Knowledge = NOTHING) -> Examination | None:
        """The kept result for the file at `path`, if it still holds."""
        if self._connection is None:
            return None
        name = self._plain.name(path.absolute().as_posix())
        hashed = self._contents.hash(name)
        try:
            row = self._connection.execute(f"select {_KEPT} from results where path = ?", (name,)).fetchone()
            if row is None or row[0] != hashed or row[10] != _digest_of(knowledge):
                return None
            if not self._holds(*row[1:8]):
                return None
        except sqlite3.Error:
            return None
        if row[8] < self.began - _DAY:
            self._seen.append(name)
        return self._with_inputs(self._plain.loaded(name, json.loads(row[9])), row[1], row[3], row[5], row[7])

    def _with_inputs(
        self, result: Examination, files: bytes, asked: str, words: str, callers: bytes | None
    ) -> Examination:
        """With what a result was made of, where somebody may ask for that: of a file in which something was found."""
        if not result.findings:
            return result
        used, importing = (tuple(map(self._plain.path, self._named(one or b""))) for one in (files, callers))
        return replace(result, inputs=Inputs(used, frozenset(json.loads(asked)), tuple(json.loads(words)), importing))

    def put(self, data: bytes, result: Examination, knowledge: Knowledge = NOTHING) -> None:
        """Keep the result of a file with these bytes; not errors, nor what was made of changing files."""
        if self._connection is None or result.state is State.FAILED:
            return
        name = self._plain.name(result.path)
        hashed = self._contents.hash(name)
        used = sorted({self._plain.name(path) for path in result.inputs.files} - {name})
        if digest(data) != hashed or any(self._changed_since(one) for one in used):
            return
        try:
            of_project = bool(result.inputs.files)  # else its own bytes have said all
            listing = self._listing if of_project else None
            if of_project and listing is None:
                return
            words = result.inputs.searched
            importing = sorted(map(self._plain.name, result.inputs.importing))
            tree, callers = (self._tree, self._numbered(importing)) if words else (None, None)
            self._new[name] = (
                *(name, hashed, self._numbered(used), digest(self._contents.hashes(used))),
                *(json.dumps(sorted(result.inputs.asked)), listing, json.dumps(words), tree, callers, int(self.began)),
                *(json.dumps(self._plain.dumped(result), separators=(",", ":")), _digest_of(knowledge)),
            )
            if len(self._new) >= WRITTEN_AT_ONCE:
                self._write()
        except sqlite3.Error:
            self._connection = None

    def close(self) -> None:
        """Write what is new, and remove what nobody has used for long."""
        if self._connection is None:
            return
        with contextlib.suppress(sqlite3.Error):
            self._write()
            self._stamp()
            with self._connection:
                now = [(int(self.began), name) for name in self._seen]
                self._connection.executemany("update results set used = ? where path = ?", now)
                _tidy(self._connection, self.began)
        self._connection.close()
        self._connection = None

    def _write(self) -> None:
        assert self._connection is not None
        with self._connection:
            self._connection.executemany(
                "insert or replace into results values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._new.values()
            )
        self._new.clear()

    # --- whether a result holds ------------------------------------------------------------------------

    def _holds(
        self,
        files: bytes,
        hashes: bytes,
        asked: str,
        listing: int | None,
        words: str,
        tree: int | None,
        callers: bytes | None,
    ) -> bool:
        if files and digest(self._contents.hashes(self._named(files))) != hashes:
            return False
        if listing is not None and listing != self._listing:
            added = {stem(name) for name in self._contents.names - self._names_of(listing)}
            if not added.isdisjoint(json.loads(asked)):
                return False
        if tree is None or tree == self._tree:
            return True
        changed = self._changed(tree)
        if not changed.keys().isdisjoint(self._named(callers or b"")):
            return False
        wanted = json.loads(words)
        return not any(there and self._contents.imports_one_of(name, wanted) for name, there in changed.items())

    def _changed_since(self, name: str) -> bool:
        """Whether a file may have changed since this run began: what was read of it may be older, or newer."""
        try:
            return os.stat(self.root / name).st_mtime >= self.began - 1
        except OSError:
            return True

    @functools.cached_property
    def _listing(self) -> int | None:
        """The number of the set of files that there are now; None where there are too many."""
        names = self._contents.names
        if not names:
            return None
        text = json.dumps(sorted(names))
        return self._number("listings", "names", digest(text.encode()), text)

    @functools.cached_property
    def _tree(self) -> int:
        """The number of the set of files with what they hold now."""
        names = sorted(self._contents.names)
        files, hashes = self._numbered(names), self._contents.hashes(names)
        return self._number("trees", "files, hashes", digest(files + hashes), files, hashes)

    def _changed(self, tree: int) -> dict[str, bool]:
        """The files that are others than in a set with what they held; whether they are there now."""
        changed = self._trees.get(tree)
        if changed is None:
            before = self._hashes_of(tree)
            names = self._contents.names
            others = [name for name in names if self._contents.hashes([name]) != before.get(name)]
            changed = self._trees[tree] = {**dict.fromkeys(others, True), **dict.fromkeys(before.keys() - names, False)}
        return changed

    def _hashes_of(self, tree: int) -> dict[str, bytes]:
        assert self._connection is not None
        row = self._connection.execute("select files, hashes from trees where id = ?", (tree,)).fetchone()
        files, hashes = row or (b"", b"")
        each = (hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE))
        return dict(zip(self._named(files), each, strict=False))  # one name more than hashes: a file is forgotten

    def _names_of(self, listing: int) -> frozenset[str]:
        assert self._connection is not None
        known = self._listings.get(listing)
        if known is None:
            row = self._connection.execute("select names from listings where id = ?", (listing,)).fetchone()
            known = self._listings[listing] = frozenset(json.loads(row[0])) if row else frozenset()
        return known

    def _number(self, table: str, columns: str, hashed: bytes, *values: object) -> int:
        """The number of a row, which is made if it is not there."""
        assert self._connection is not None
        marks = ", ?" * len(values)
        with self._connection:
            self._connection.execute(
                f"insert or ignore into {table}(digest, {columns}) values (?{marks})", (hashed, *values)
            )
        return int(self._connection.execute(f"select id from {table} where digest = ?", (hashed,)).fetchone()[0])

    # --- names and numbers of files --------------------------------------------------------------------

    @functools.cached_property
    def _contents(self) -> Contents:
        return Contents(self.root, self._stamps())

    def _stamps(self) -> dict[str, Stamped]:
        """What is known of files, and their numbers."""
        if self._connection is None:
            return {}
        try:
            rows = self._connection.execute("select id, path, stamp, hash from files").fetchall()
        except sqlite3.Error:
            return {}
        self._paths = {number: path for number, path, _, _ in rows}
        self._ids = {path: number for number, path, _, _ in rows}
        return {path: (stamp, hashed) for _, path, stamp, hashed in rows if stamp}

    def _stamp(self) -> None:
        assert self._connection is not None
        with self._connection:
            self._connection.executemany(
                "insert into files(path, stamp, hash) values (?, ?, ?) "
                "on conflict(path) do update set stamp = excluded.stamp, hash = excluded.hash",
                [(name, stamp, hashed) for name, (stamp, hashed) in self._contents.stamped.items()],
            )

    def _named(self, files: bytes) -> list[str]:
        numbers = array("I")
        numbers.frombytes(files)
        if all(map(self._paths.__contains__, numbers)):
            return list(map(self._paths.__getitem__, numbers))
        return [_UNKNOWN, *(self._paths.get(one, _UNKNOWN) for one in numbers)]

    def _numbered(self, names: list[str]) -> bytes:
        assert self._connection is not None
        new = [name for name in names if name not in self._ids]
        if new:
            with self._connection:
                self._connection.executemany("insert or ignore into files(path) values (?)", [(name,) for name in new])
            for name in new:
                row = self._connection.execute("select id from files where path = ?", (name,)).fetchone()
                self._ids[name] = int(row[0])
                self._paths[int(row[0])] = name
        return array("I", [self._ids[name] for name in names]).tobytes()


def _opened(root: Path) -> sqlite3.Connection | None:
    """The database of a project, emptied if another version of this program wrote it; None if there can be none."""
    path = folder() / f"{hashlib.blake2b(root.as_posix().encode(), digest_size=12).hexdigest()}.db"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _connected(path)
        except sqlite3.OperationalError:  # locked, or not to be written
            return None
        except sqlite3.DatabaseError:  # not a database: begin a new one
            path.unlink()
            return _connected(path)
    except (OSError, sqlite3.Error):
        return None


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10)
    connection.execute(_META)
    if _writer(connection) != version():
        with connection:
            connection.execute("begin immediate")
            if _writer(connection) != version():  # nor has another run begun it meanwhile
                for name, columns in _TABLES.items():
                    connection.execute(f"drop table if exists {name}")
                    connection.execute(f"create table {name}{columns}")
                connection.execute("insert or replace into meta values ('version', ?)", (version(),))
    return connection


def _writer(connection: sqlite3.Connection) -> str | None:
    """The version that wrote a database."""
    row = connection.execute("select value from meta where name = 'version'").fetchone()
    return None if row is None else str(row[0])


def _tidy(connection: sqlite3.Connection, now: float) -> None:
    """Once a day: remove results that nobody has used for long, and databases of projects nobody has checked."""
    last = connection.execute("select value from meta where name = 'tidied'").fetchone()
    if last is not None and float(last[0]) > now - _DAY:
        return
    connection.execute("insert or replace into meta values ('tidied', ?)", (str(now),))
    connection.execute("delete from results where used < ?", (now - KEPT_SECONDS,))
    for table, column in (("listings", "listing"), ("trees", "tree")):
        connection.execute(f"delete from {table} where id not in (select {column} from results where {column} > 0)")
    for path in folder().glob("*.db"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < now - KEPT_SECONDS:
                path.unlink()


@functools.cache
def version() -> str:
    """What results depend on beside the code that is checked: this program, libcst and Python.

    Of this program also the times of its files, for those who change it.
    """
    own = Path(__file__).parent
    times = sorted((path.relative_to(own).as_posix(), path.stat().st_mtime_ns) for path in own.rglob("*.py"))
    hashed = digest(repr(times).encode()).hex()
    return f"{__version__} {hashed} {importlib.metadata.version('libcst')} {sys.version}"


def _digest_of(knowledge: Knowledge) -> bytes:
    return b"" if knowledge == NOTHING else digest(repr(knowledge).encode())
