"""Which files a run looks at: the paths of the call, folders walked, ignored and generated files left out.

Comes before everything else in a run; opens `.gitignore` files and nothing else. A path named in the call
is always found, whatever ignores it: leaving out is for what a walk meets on its way. Asks by `os.path`
where a question must have an answer even when permissions forbid to look.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pathspec

LeftOut: TypeAlias = "Callable[[Path, bool], bool]"

STDIN = Path("-")
ROOT_MARKS = ("pyproject.toml", "setup.cfg", "setup.py", ".git")
_SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "__pypackages__", "node_modules", "site-packages", "build", "_build", "buck-out", "dist"}
)


@dataclass(frozen=True, slots=True)
class Found:
    """A path to look at; `problem` says why there is nothing to look at after all."""

    path: Path
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Ignore:
    """The patterns of one `.gitignore`, which speak of paths below its folder."""

    folder: Path
    spec: pathspec.GitIgnoreSpec

    def verdict(self, path: Path, is_folder: bool) -> bool | None:
        """True: ignored. False: explicitly kept (`!pattern`). None: not spoken of."""
        inside = path.relative_to(self.folder).as_posix()
        return self.spec.check_file(inside + "/" if is_folder else inside).include


def by_name(path: Path, is_folder: bool) -> bool:
    """What a walk leaves out where nobody says anything else: folders of copies and of what is generated."""
    return is_folder and path.name in _SKIPPED_FOLDERS


def find_files(paths: Iterable[Path], left_out: LeftOut = by_name) -> Iterator[Found]:
    """Every file to look at, once, in a fixed order: the call's paths as given, folders by name.

    `left_out` says of an absolute path, and whether it is a folder, that a walk passes over it.
    """
    seen: set[str] = set()
    for path in paths:
        for found in _below(path, left_out) if path != STDIN and os.path.isdir(path) else (Found(path),):
            key = os.path.abspath(found.path)
            if key not in seen:
                seen.add(key)
                yield found


@functools.cache
def project_root(folder: Path) -> Path | None:
    """The nearest folder, from this absolute one upwards, that looks like the root of a project."""
    for parent in (folder, *folder.parents):
        if any(os.path.exists(parent / mark) for mark in ROOT_MARKS):
            return parent
    return None


def _below(folder: Path, left_out: LeftOut) -> Iterator[Found]:
    top = folder.absolute()
    ignores = _ignores_above(top)
    if _ignored(top, True, ignores):
        ignores = ()  # the user asks for this very folder
    empty = True
    for found in _walk(folder, top, ignores, left_out):
        empty = False
        yield found
    if empty:
        yield Found(folder, "no Python file here, or all are ignored")


def _walk(shown: Path, folder: Path, ignores: Sequence[_Ignore], left_out: LeftOut) -> Iterator[Found]:
    """The files below `folder`, which the user knows as `shown`; ignored folders are not entered."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Found(shown, error.strerror or str(error))
        return
    ignores = (*ignores, *_ignores_in(folder))
    for entry in entries:
        path = folder / entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder:
            if not _skipped_folder(path) and not left_out(path, True) and not _ignored(path, True, ignores):
                yield from _walk(shown / entry.name, path, ignores, left_out)
        elif not entry.name.endswith(".py") or not _regular(entry):
            continue
        elif not left_out(path, False) and not _ignored(path, False, ignores):
            yield Found(shown / entry.name)


def _regular(entry: os.DirEntry[str]) -> bool:
    """A file, or a link to one, or a link to nothing, which reading then reports; no pipe, no device."""
    return os.path.isfile(entry.path) or (entry.is_symlink() and not os.path.exists(entry.path))


def _skipped_folder(path: Path) -> bool:
    name = path.name
    return (
        name.startswith(".")
        or name.endswith(".egg-info")
        or os.path.exists(path / "pyvenv.cfg")
        or os.path.isdir(path / "conda-meta")
    )


def _ignored(path: Path, is_folder: bool, ignores: Sequence[_Ignore]) -> bool:
    """As git decides it: the nearest `.gitignore` that speaks of the path has the last word."""
    for ignore in reversed(ignores):
        verdict = ignore.verdict(path, is_folder)
        if verdict is not None:
            return verdict
    return False


def _ignores_above(folder: Path) -> tuple[_Ignore, ...]:
    """What is ignored on the way from the repository's root down to `folder`, itself not included."""
    between: list[Path] = []
    for parent in (folder, *folder.parents):
        if os.path.exists(parent / ".git"):
            return tuple(ignore for each in reversed(between) for ignore in _ignores_in(each))
        if parent.parent != parent:
            between.append(parent.parent)
    return ()


def _ignores_in(folder: Path) -> tuple[_Ignore, ...]:
    try:
        lines = (folder / ".gitignore").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    import pathspec  # where there is something to ignore

    # To the library, unlike to git, `data/**` speaks of `data/` itself too.
    patterns = [line + "/*" if line.endswith("/**") else line for line in lines if _is_pattern(line)]
    return (_Ignore(folder, pathspec.GitIgnoreSpec.from_lines(patterns)),)


def _is_pattern(line: str) -> bool:
    """Git passes over lines that are no patterns; the library refuses them."""
    import pathspec

    try:
        pathspec.GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True
