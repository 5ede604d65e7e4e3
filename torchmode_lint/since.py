"""What the changes since a revision have introduced: the diagnostics of now that an analysis of then does not give.

Both analyses are of the whole project and under the configuration of now. Of then, only those files are looked into
whose diagnostics can be others now: they have some now, and they, or something that they depend on, have changed. Where
diagnostics are left over that were not there, the other files of the run that have changed, and those that are gone,
are looked into as well, since code may have moved from there.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchmode_lint.config import Options, OptionsByFile
from torchmode_lint.contents import stem
from torchmode_lint.discovery import Found
from torchmode_lint.engine import FileReport, check_paths, rooted
from torchmode_lint.fingerprint import traits
from torchmode_lint.git import Revision
from torchmode_lint.known import Place, Sifted, places_of, sifted
from torchmode_lint.text import imported_words

if TYPE_CHECKING:
    from torchmode_lint.parallel import Workers


class Since:
    """A revision, and the files of then as far as they were looked into. Use `sift` inside a `with` statement."""

    def __init__(self, revision: Revision, options: OptionsByFile) -> None:
        self.name = revision.name
        self._revision = revision
        self._options = options
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._known: dict[str, Counter[Place]] = {}  # by the names of files then

    def __enter__(self) -> Since:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def sift(self, reports: Sequence[FileReport], workers: Workers | None = None) -> Sifted:
        """The reports without what was there; errors of files that have not changed were there, too."""
        reports = [self._without_old_errors(report) for report in reports]
        asked = [report for report in reports if report.diagnostics and self._may_differ(report)]
        same = {id(report) for report in reports} - {id(report) for report in asked}
        known = places_of((report for report in reports if id(report) in same), self.name)
        then = {self._then(self.name(report.path)): self.name(report.path) for report in asked}
        found = sifted(reports, known + self._at(then, workers), self.name)
        if any(report.diagnostics for report in found.reports):
            names = {self.name(report.path) for report in reports}
            others = {
                name: name
                for name in self._revision.changed
                if name not in then and (name in names or not self._now(name).exists())
            }
            found = sifted(reports, known + self._at({**others, **then}, workers), self.name)
        return found

    def _without_old_errors(self, report: FileReport) -> FileReport:
        name = self.name(report.path)
        changed = name in self._revision.changed or name not in self._revision.files
        return report if changed or not report.errors else replace(report, errors=())

    def _then(self, name: str) -> str:
        """What a file was called."""
        return self._revision.changed.get(name) or name

    def _may_differ(self, report: FileReport) -> bool:
        """Whether the diagnostics of a file can have been others: the question that the cache asks of results."""
        changed = self._revision.changed
        inputs = report.inputs
        if self._then(self.name(report.path)) not in self._revision.files:
            return True
        if not changed.keys().isdisjoint({self.name(one) for one in (report.path, *inputs.files, *inputs.importing)}):
            return True
        moved = {stem(name) for name in changed if name not in self._revision.files or not self._now(name).is_file()}
        if not moved.isdisjoint(inputs.asked):
            return True
        return any(
            not imported_words(_text(path)).isdisjoint(inputs.searched)
            for name in (changed if inputs.searched else ())
            for path in (self._now(name), self._checked_out() / name)
        )

    def _now(self, name: str) -> Path:
        return self._revision.top / name

    def _checked_out(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="torchmode-lint-")
            self._revision.check_out(Path(self._folder.name))
        return Path(self._folder.name)

    def _at(self, then: dict[str, str], workers: Workers | None) -> Counter[Place]:
        """The places of the diagnostics of files then, by the names that the files have now."""
        new = {name: now for name, now in then.items() if name in self._revision.files and name not in self._known}
        if new:
            options = _Then(self._options, self._revision, self._checked_out())
            found = [Found(options.add(name, now)) for name, now in new.items()]
            for (name, now), report in zip(new.items(), check_paths(found, options, workers=workers), strict=True):
                self._known[name] = Counter((now, one) for one in traits(report.diagnostics, report.lines))
        return sum((self._known.get(name, Counter()) for name in then), Counter[Place]())


class _Then:
    """The options for the files of then: those that their successors have, with the root of the project moved."""

    def __init__(self, options: OptionsByFile, revision: Revision, folder: Path) -> None:
        self._now = options
        self._revision = revision
        self._folder = folder
        self._options: dict[Path, Options] = {}

    def add(self, name: str, now: str) -> Path:
        """The path of a file of then that is called another way now."""
        path, present = self._folder / name, self._revision.top / now
        options = self._now.of(present)
        inside = self._revision.name(str(rooted(options, present)))
        root = self._folder if inside.startswith("..") else self._folder / inside
        root.mkdir(parents=True, exist_ok=True)
        self._options[path] = replace(options, project_root=root)
        return path

    def of(self, path: Path) -> Options:
        return self._options[path]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
