"""One file examined: read, analysed, and every rule applied. What is shown of it is decided in `engine`.

One file's trouble, the program's own broken invariants included, becomes one TML9xx error of that file.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from torchmode_lint.analysis import analyse
from torchmode_lint.analysis.loader import Loader
from torchmode_lint.analysis.program import Program
from torchmode_lint.analysis.project import Project
from torchmode_lint.analysis.sights import sights
from torchmode_lint.analysis.worth import is_worth_a_look
from torchmode_lint.diagnostic import Diagnostic, moved
from torchmode_lint.discovery import find_files
from torchmode_lint.flow.cfg import Code
from torchmode_lint.knowledge import NOTHING, Knowledge
from torchmode_lint.outcome import Examination, Finding, Inputs, Silence, State, failed
from torchmode_lint.rules import ALL_RULES
from torchmode_lint.screen import screened, speaks_of_us
from torchmode_lint.sight import Sights
from torchmode_lint.source import SourceFile, parse_source
from torchmode_lint.text import UNREADABLE, SourceError, decode
from torchmode_lint.torch_api import told
from torchmode_lint.unused import CODE, NAME, unused

BROKEN_INVARIANT = "TML910"
_NAMES = {**{rule.code: rule.name for rule in ALL_RULES}, CODE: NAME}


class Loaders:
    """What the files of one run share of their projects: the files that they import, read once."""

    def __init__(self) -> None:
        self._last: tuple[Path, Knowledge, Loader] | None = None

    def of(self, root: Path, knowledge: Knowledge) -> Loader:
        """The loader of the project of the file that is next, by what its configuration says of names.

        Files come ordered by project: the last one is kept.
        """
        if self._last is None or self._last[:2] != (root, knowledge):
            files = lambda: (found.path for found in find_files([root]))  # noqa: E731
            self._last = (root, knowledge, Loader(Project(root, files)))
        self._last[2].trim()
        return self._last[2]


def read(path: Path, root: Path, loaders: Loaders, knowledge: Knowledge = NOTHING) -> Examination:
    """Read one file and examine it; `root` is the folder that the imports of its project start from."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return failed(path, UNREADABLE, error.strerror or str(error))
    return screened(data, path, knowledge) or examine(data, path, root, loaders, knowledge)


def examine(data: bytes, path: Path, root: Path, loaders: Loaders, knowledge: Knowledge = NOTHING) -> Examination:
    """Examine what stands, or would stand, in the file at `path`; `knowledge` is what its configuration says.

    The screen lets it through, or it may as well be left out.
    """
    with told(knowledge):
        return _examine(data, path, loaders.of(root, knowledge))


def seen(data: bytes, path: Path, root: Path, loaders: Loaders, knowledge: Knowledge = NOTHING) -> Sights:
    """What is known where the lines of a file begin, and those of other files that it led to; by absolute path.

    The file is analysed again for it. Nothing where that fails, which is the affair of `examine`.
    """
    with told(knowledge):
        loader = loaders.of(root, knowledge)
        at = path.absolute()
        try:
            source = _source(data, at, loader.project)
            program = analyse(source, loader=loader, watched=True)
            callers = _callers(program, at, loader)
            if callers:
                program = analyse(source, loader=loader, callers=callers, watched=True)
        except (SourceError, AssertionError, RecursionError):
            return {}
        return sights(program)


def _examine(data: bytes, path: Path, loader: Loader) -> Examination:
    at = path.absolute()
    try:
        if at.suffix != ".ipynb" and not speaks_of_us(data) and not is_worth_a_look(decode(data)[0], at, loader):
            return Examination(at.as_posix(), State.SKIPPED, inputs=Inputs(*loader.project.behind([at.resolve()])))
        source = _source(data, at, loader.project)
        try:
            return _examined(source, at, loader)
        finally:
            loader.leave(at.resolve())
    except SourceError as error:
        return failed(path, error.code, error.message, error.line, error.column, error.cell)
    except (AssertionError, RecursionError) as error:
        return failed(path, BROKEN_INVARIANT, _account(error))


def _examined(source: SourceFile, path: Path, loader: Loader) -> Examination:
    """A file analysed and diagnosed; once more, with the other files that call it, where that may matter.

    A function that nobody in the file calls may be called in other files, in another state than was assumed.
    """
    program = analyse(source, loader=loader)
    found = findings(program)
    callers = _callers(program, path, loader)
    if callers:
        again = analyse(source, loader=loader, callers=callers)
        # what no call from elsewhere leads to, or has nothing to do with modes, stands as it was
        stands = [one for one in found if _home(one.diagnostic, program) not in again.entered]
        modes = {rule.code for rule in ALL_RULES if rule.of_modes}
        found = _in_order([*stands, *(one for one in findings(again) if one.diagnostic.code in modes)])
    if not program.degraded:
        late = (_finding(each, source) for each in unused(source, found, _NAMES))
        found = _in_order([*found, *late])
    files, asked = loader.project.behind([path.resolve(), *callers])
    searched = loader.project.names_of(path) if program.blamed else ()
    inputs = Inputs(files, asked, searched, loader.project.importing(path) if searched else ())
    return Examination(path.as_posix(), State.ANALYSED, tuple(found), (), len(program.degraded), inputs)


def _callers(program: Program, path: Path, loader: Loader) -> list[Path]:
    """The other files of the project that call what diagnostics about modes came from."""
    return loader.project.callers(path, {code.name for code in program.blamed}) if program.blamed else []


def _home(found: Diagnostic, program: Program) -> Code | None:
    """The code that a diagnostic is in, where it depends on who calls a function of the file."""
    at = found.span
    return program.within.get((at.line, at.column, found.code))


def _source(data: bytes, at: Path, project: Project) -> SourceFile:
    """The file parsed, unless it already is, because another file imports it."""
    home = at.resolve()
    known = project.sources.get(home)
    if known is not None and known.cells is None and known.path == at.as_posix():
        if decode(data) == (known.text, known.encoding):
            return known
    source = project.sources[home] = parse_source(data, at.as_posix())
    return source


def findings(program: Program) -> list[Finding]:
    """What all rules say of a program, sorted; of several diagnostics of one rule at one place, the surest."""
    source = program.source
    return _in_order(_finding(each, source) for rule in ALL_RULES for each in rule.check(program))


def _finding(each: Diagnostic, source: SourceFile) -> Finding:
    """A diagnostic at its place as users see it, and whether a comment silences it."""
    line, silenced = each.span.line, Silence.NONE
    if any(ignore.covers(line, each.code, _NAMES) for ignore in source.ignores):
        silenced = Silence.OURS
    elif source.suppressed(line, each.code):
        silenced = Silence.NOQA
    return Finding(_placed(each, source), silenced)


def _placed(each: Diagnostic, source: SourceFile) -> Diagnostic:
    """With its places, and those of its trail, in the cells of a notebook."""
    return each if source.cells is None else moved(each, source.placed)


def _in_order(found: Iterable[Finding]) -> list[Finding]:
    surest: dict[tuple[str, int | None, int, int, str], Finding] = {}
    key: Callable[[Finding], tuple[str, int, int, int, str, str]] = lambda one: one.diagnostic.sort_key()  # noqa: E731
    for each in sorted(found, key=key):
        at = each.diagnostic.span
        place = (at.path, at.cell, at.line, at.column, each.diagnostic.code)
        if place not in surest or each.diagnostic.confidence > surest[place].diagnostic.confidence:
            surest[place] = each
    return sorted(surest.values(), key=key)


def _account(error: AssertionError | RecursionError) -> str:
    """What went wrong, in which function of the user's and at which line of ours."""
    ours = traceback.extract_tb(error.__traceback__)[-1]
    function = getattr(error, "function", "")
    within = f" in `{function}`" if function else ""
    reason = str(error) or type(error).__name__
    return f"the analysis failed{within}: {reason} ({Path(ours.filename).name}:{ours.lineno}); please report this"
