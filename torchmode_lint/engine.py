"""A run: from paths to reports on files, by what was kept, by workers, or here and now.

Sits between the front ends (command line, flake8) and the examination of files, which is only imported where
something must be examined. Prints nothing, and knows nothing of exit codes or output formats.
"""

from __future__ import annotations

import functools
import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchmode_lint.config import FailOn, Options, OptionsByFile, codes_of
from torchmode_lint.deep import on_deep_stack
from torchmode_lint.diagnostic import Diagnostic, Span, moved
from torchmode_lint.discovery import STDIN, Found, project_root
from torchmode_lint.ignores import UNUSED
from torchmode_lint.outcome import Examination, Finding, Inputs, Silence, State, failed
from torchmode_lint.screen import screened
from torchmode_lint.text import UNREADABLE, SourceError, decode, shown_path, split_lines

if TYPE_CHECKING:
    from torchmode_lint.cache import Cache
    from torchmode_lint.examine import Loaders
    from torchmode_lint.parallel import Workers
    from torchmode_lint.rule import Rule
    from torchmode_lint.sight import Sights
    from torchmode_lint.source import SourceFile

_LOOKED_AHEAD = 10_000  # files, to see whether workers are worth starting

__all__ = ["FileReport", "Run", "State", "check_bytes", "check_file", "check_paths", "check_source", "on_deep_stack"]


@dataclass(frozen=True, slots=True)
class FileReport:
    """All there is to say of one file.

    `lines` are those of every file that a diagnostic speaks of. `fail_on`: the diagnostics that the run is to fail
    for. `sights`: what the analysis knew beside the lines, where it was asked for and there are diagnostics; `lines`
    are then those of all cells of a notebook. `inputs`: what else the result was made of, where there are diagnostics.
    """

    path: str
    state: State
    diagnostics: tuple[Diagnostic, ...] = ()
    errors: tuple[Diagnostic, ...] = ()
    degraded: int = 0
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fail_on: FailOn = FailOn.ANY
    sights: Sights = field(default_factory=dict)
    inputs: Inputs = field(default_factory=Inputs, compare=False)

    @property
    def fails(self) -> bool:
        """Whether one of the diagnostics is of those that the run is to fail for."""
        return any(map(self.fail_on.at, self.diagnostics))


@functools.cache
def rule_names() -> Mapping[str, str]:
    """The codes and names that can be selected: every rule's, and that of suppressions that nothing needs."""
    from torchmode_lint.rules import ALL_RULES

    return {**{rule.code: rule.name for rule in ALL_RULES}, UNUSED: "unused-suppression"}


@functools.cache
def _enabled_codes(select: tuple[str, ...], ignore: tuple[str, ...]) -> frozenset[str]:
    names = rule_names()
    return (codes_of(select, names) if select else frozenset(names)) - codes_of(ignore, names)


@functools.cache
def enabled_rules(select: tuple[str, ...], ignore: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules a run applies. Raises `ConfigurationError` for a word that means no rule."""
    from torchmode_lint.rules import ALL_RULES

    codes = _enabled_codes(select, ignore)
    return tuple(rule for rule in ALL_RULES if rule.code in codes)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: what was found in each file, and how long it took. `quiet`: nothing else is to be said."""

    reports: tuple[FileReport, ...]
    seconds: float
    quiet: bool = False

    @property
    def diagnostics(self) -> list[Diagnostic]:
        return [each for report in self.reports for each in report.diagnostics]

    @property
    def fails(self) -> bool:
        return any(report.fails for report in self.reports)

    @property
    def errors(self) -> list[Diagnostic]:
        return [each for report in self.reports for each in report.errors]


def check_paths(
    found: Iterable[Found],
    options: OptionsByFile,
    stdin_path: Path | None = None,
    *,
    cached: bool = False,
    workers: Workers | None = None,
    watched: bool = False,
) -> Iterator[FileReport]:
    """One report for each path, in order; standard input stands for the file `stdin_path`.

    `cached`: results are kept on disk, and asked for there first. `workers` examine what is left, if there are any.
    `watched`: files with diagnostics are analysed again, for what is known where their lines begin.
    """
    loaders: Loaders | None = None
    for one, result in _results(found, options, stdin_path, cached, workers):
        report = reported(result, one.options, data=None if one.on_disk else one.data)
        if watched and report.diagnostics:
            from torchmode_lint.examine import Loaders

            loaders = loaders or Loaders()
            report = _with_sights(report, one, loaders)
        yield report


def _results(
    found: Iterable[Found], options: OptionsByFile, stdin_path: Path | None, cached: bool, workers: Workers | None
) -> Iterator[_Result]:
    """What became of each file, in order."""
    caches = _Caches(cached)
    try:
        known: Iterator[_Asked] = (_known(each, options, stdin_path, caches) for each in found)
        if workers is not None:
            first = list(_until(known, workers.least))
            known = itertools.chain(first, known)
            if sum(one.is_open for one in first) < workers.least and len(first) < _LOOKED_AHEAD:
                workers = None
        yield from _one_by_one(known, caches) if workers is None else _by_workers(known, caches, workers)
    finally:
        caches.close()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A file to be reported on: the result, where there is one already, or the bytes and the root of its project."""

    path: Path
    root: Path
    options: Options
    data: bytes | None = None
    result: Examination | None = None
    on_disk: bool = True

    @property
    def is_open(self) -> bool:
        return self.result is None and self.on_disk


_Result = tuple[_Asked, Examination]


def _with_sights(report: FileReport, one: _Asked, loaders: Loaders) -> FileReport:
    """With what is known where lines begin, and of a notebook the lines of all cells."""
    from torchmode_lint.examine import seen

    try:
        data = one.path.read_bytes() if one.data is None else one.data
    except OSError:
        return report
    known = seen(data, one.path, one.root, loaders, one.options.knowledge)
    sights = {
        _placed(at): tuple(replace(each, calls=tuple(map(_placed, each.calls))) for each in found)
        for at, found in known.items()
    }
    lines = _Lines(one.path.absolute(), data)
    return replace(report, sights=sights, lines={**report.lines, **lines.of_cells(report.path)})


def _known(each: Found, asked: OptionsByFile, stdin_path: Path | None, caches: _Caches) -> _Asked:
    path = (stdin_path or Path("<stdin>")) if each.path == STDIN else each.path
    options = asked.of(path)
    root = rooted(options, path)
    if each.problem is not None:
        return _Asked(path, root, options, result=failed(path, UNREADABLE, each.problem))
    if each.path == STDIN:
        return _Asked(path, root, options, sys.stdin.buffer.read(), on_disk=False)
    cache = caches.of(root)
    result = None if cache is None else cache.get(path, options.knowledge)
    if result is not None:
        return _Asked(path, root, options, result=result)
    try:
        return _Asked(path, root, options, path.read_bytes())
    except OSError as error:
        return _Asked(path, root, options, result=failed(path, UNREADABLE, error.strerror or str(error)))


def _until(asked: Iterator[_Asked], count: int) -> Iterator[_Asked]:
    """Files up to the one with which so many are to be examined; only so far ahead."""
    for one in itertools.islice(asked, _LOOKED_AHEAD):
        yield one
        count -= one.is_open
        if count <= 0:
            return


def _one_by_one(asked: Iterable[_Asked], caches: _Caches) -> Iterator[_Result]:
    loaders: Loaders | None = None
    for one in asked:
        result = one.result
        if result is None:
            assert one.data is not None
            result = screened(one.data, one.path, one.options.knowledge)
            if result is None:
                from torchmode_lint.examine import Loaders, examine

                loaders = loaders or Loaders()
                result = examine(one.data, one.path, one.root, loaders, one.options.knowledge)
            _keep(one, result, caches)
        yield one, result


def _by_workers(asked: Iterable[_Asked], caches: _Caches, workers: Workers) -> Iterator[_Result]:
    """Those that are known as they come; the others in their places, when their workers have them."""
    from torchmode_lint.parallel import Task, results

    waiting: deque[_Asked] = deque()

    def tasks() -> Iterator[Task]:
        for one in asked:
            waiting.append(one)
            if one.is_open:
                yield one.path.absolute().as_posix(), one.root.absolute().as_posix(), one.options.knowledge

    for result in itertools.chain(results(tasks(), workers), [None]):
        while waiting:
            one = waiting.popleft()
            if one.is_open:
                assert result is not None
                _keep(one, result, caches)
                yield one, result
                break
            yield from _one_by_one([one], caches)


def _keep(one: _Asked, result: Examination, caches: _Caches) -> None:
    cache = caches.of(one.root) if one.on_disk else None
    if cache is not None and one.data is not None:
        cache.put(one.data, result, one.options.knowledge)


class _Caches:
    """The caches of the projects of a run; none where nothing is to be kept."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self._by_root: dict[Path, Cache] = {}

    def of(self, root: Path) -> Cache | None:
        if not self.wanted:
            return None
        if root not in self._by_root:
            from torchmode_lint.cache import Cache

            self._by_root[root] = Cache(root)
        return self._by_root[root]

    def close(self) -> None:
        for cache in self._by_root.values():
            cache.close()


def check_file(path: Path, asked: OptionsByFile, loaders: Loaders | None = None) -> FileReport:
    """Read one file and check it. `loaders` is shared by the files of a run."""
    from torchmode_lint.examine import Loaders, read

    options = asked.of(path)
    return reported(read(path, rooted(options, path), loaders or Loaders(), options.knowledge), options)


def check_bytes(
    data: bytes,
    path: Path,
    asked: OptionsByFile,
    loaders: Callable[[], Loaders] | None = None,
    *,
    suppress: bool = True,
) -> FileReport:
    """Check what stands, or would stand, in the file at `path`. `suppress` False leaves `# noqa` to the caller.

    `loaders` gives what the files of a run share; it is not called for a file that is left out.
    """
    options = asked.of(path)
    result = screened(data, path, options.knowledge)
    if result is None:
        from torchmode_lint.examine import Loaders, examine

        result = examine(data, path, rooted(options, path), (loaders or Loaders)(), options.knowledge)
    return reported(result, options, suppress=suppress, data=data)


def check_source(source: SourceFile, options: Options, *, suppress: bool = True) -> list[Diagnostic]:
    """Analyse one parsed file and apply the rules; broken invariants are the caller's."""
    from torchmode_lint.analysis import analyse
    from torchmode_lint.examine import findings

    found = findings(analyse(source, options.project_root))
    return [one.diagnostic for one in found if _is_shown(one, options, suppress)]


def reported(result: Examination, options: Options, *, suppress: bool = True, data: bytes | None = None) -> FileReport:
    """What is shown of a result: selected rules, sure enough, not silenced; places as users see them.

    `data` are the bytes of the file itself, where they are not those on disk.
    """
    shown = shown_path(Path(result.path))
    found = [one.diagnostic for one in result.findings if _is_shown(one, options, suppress)]
    lines = _Lines(Path(result.path), data)
    quoted = {_placed(at).where: lines.of(at) for one in found for at in (one.span, *(note.span for note in one.trail))}
    return FileReport(
        shown,
        result.state,
        tuple(map(_with_places, found)),
        tuple(map(_with_places, result.errors)),
        result.degraded,
        quoted,
        options.fail_on,
        inputs=result.inputs,
    )


def _is_shown(one: Finding, options: Options, suppress: bool) -> bool:
    silenced = one.silenced is Silence.OURS or (suppress and one.silenced is Silence.NOQA)
    sure = one.diagnostic.confidence >= options.confidence and not silenced
    return sure and is_enabled(one.diagnostic.code, options)


def is_enabled(code: str, options: Options) -> bool:
    """Whether a rule is among those that are asked for."""
    return not (options.select or options.ignore) or code in _enabled_codes(options.select, options.ignore)


def _with_places(one: Diagnostic) -> Diagnostic:
    return moved(one, _placed)


def _placed(at: Span) -> Span:
    return replace(at, path=shown_path(Path(at.path)))


class _Lines:
    """The lines of files and of cells of notebooks, read when they are quoted."""

    def __init__(self, path: Path, data: bytes | None) -> None:
        self._path = path
        self._data = {} if data is None else {path.as_posix(): data}

    def of_cells(self, shown: str) -> Mapping[str, tuple[str, ...]]:
        """The lines of all cells of the file itself, where it is a notebook."""
        if self._path.suffix != ".ipynb":
            return {}
        from torchmode_lint.notebook import read_cells

        try:
            cells = read_cells(self._data[self._path.as_posix()])
        except ValueError:  # it has changed meanwhile
            return {}
        return {f"{shown}:cell {cell}": cells.lines_of(cell) for cell in cells.indexes}

    def of(self, at: Span) -> tuple[str, ...]:
        try:
            data = self._data.get(at.path)
            if data is None:
                data = self._data[at.path] = Path(at.path).read_bytes()
            if at.cell is None:
                return tuple(split_lines(decode(data)[0]))
            from torchmode_lint.notebook import read_cells

            return read_cells(data).lines_of(at.cell)
        except (OSError, ValueError, SourceError):
            return ()


def rooted(options: Options, path: Path) -> Path:
    """The root of the project of a file: asked for, found, or its own folder."""
    if options.project_root is not None:
        return options.project_root
    folder = path.absolute().parent
    return project_root(folder) or folder
