"""Runs the rules: from paths to diagnostics that are selected, confident enough, unsuppressed and sorted.

Sits between the front ends (command line, flake8) and the rules. Prints nothing, and knows nothing of
exit codes or output formats. One file's trouble, the program's own broken invariants included, becomes
one TML9xx error of that file; the others are still checked.
"""

from __future__ import annotations

import ast
import enum
import functools
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from torchmode_lint.analysis import analyse
from torchmode_lint.analysis.loader import Loader
from torchmode_lint.analysis.program import Program
from torchmode_lint.analysis.project import Project
from torchmode_lint.config import Options, codes_of
from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity, Span
from torchmode_lint.discovery import STDIN, Found, find_files, project_root
from torchmode_lint.flow.cfg import Code
from torchmode_lint.rule import Rule
from torchmode_lint.rules import ALL_RULES
from torchmode_lint.source import UNREADABLE, SourceError, SourceFile, decode, parse_source, shown_path

T = TypeVar("T")

# A file that holds none of these words uses neither torch nor a library built on it: no rule can speak.
SCREEN_WORDS = (
    *(b"torch", b"lightning", b"accelerate", b"transformers", b"timm", b"diffusers", b"fastai", b"ignite"),
    *(b"deepspeed", b"apex", b"monai", b"kornia", b"composer", b"skorch", b"peft", b"trl", b"functorch"),
)
BROKEN_INVARIANT = "TML910"
_STACK_BYTES = 512 * 1024 * 1024  # reserved, not used: deep nesting takes what it needs of it
_RECURSION_LIMIT = 20_000


class State(enum.Enum):
    """What became of a file: looked into, left out because no rule can speak of it, or in error."""

    ANALYSED = "analysed"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FileReport:
    """All there is to say of one file; `lines` are those of every file that a diagnostic speaks of."""

    path: str
    state: State
    diagnostics: tuple[Diagnostic, ...] = ()
    errors: tuple[Diagnostic, ...] = ()
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@functools.cache
def enabled_rules(select: tuple[str, ...], ignore: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules a run applies. Raises `ConfigurationError` for a word that means no rule."""
    names = {rule.code: rule.name for rule in ALL_RULES}
    codes = (codes_of(select, names) if select else names.keys()) - codes_of(ignore, names)
    return tuple(rule for rule in ALL_RULES if rule.code in codes)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: what was found in each file, and how long it took."""

    reports: tuple[FileReport, ...]
    seconds: float

    @property
    def diagnostics(self) -> list[Diagnostic]:
        return [each for report in self.reports for each in report.diagnostics]

    @property
    def errors(self) -> list[Diagnostic]:
        return [each for report in self.reports for each in report.errors]


def check_paths(found: Iterable[Found], options: Options, stdin_path: Path | None = None) -> Iterator[FileReport]:
    """One report for each path, as soon as it is made; standard input stands for the file `stdin_path`."""
    loaders = Loaders(options)
    for each in found:
        if each.problem is not None:
            yield _failed(shown_path(each.path), UNREADABLE, each.problem)
        elif each.path == STDIN:
            yield check_bytes(sys.stdin.buffer.read(), stdin_path or Path("<stdin>"), options, loaders)
        else:
            yield check_file(each.path, options, loaders)


class Loaders:
    """What the files of one run share of their projects: the files that they import, read once."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._last: tuple[Path, Loader] | None = None

    def of(self, path: Path) -> Loader:
        """The loader of the project of the file that is next. Files come ordered by project: the last one is kept."""
        root = rooted(self.options, path).project_root
        assert root is not None
        if self._last is None or self._last[0] != root:
            self._last = (root, Loader(Project(root, lambda: (found.path for found in find_files([root])))))
        self._last[1].trim()
        return self._last[1]


def check_file(path: Path, options: Options, loaders: Loaders | None = None) -> FileReport:
    """Read one file and check it."""
    shown = shown_path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        return _failed(shown, UNREADABLE, error.strerror or str(error))
    return check_bytes(data, path, options, loaders)


def check_bytes(
    data: bytes, path: Path, options: Options, loaders: Loaders | None = None, *, suppress: bool = True
) -> FileReport:
    """Check what stands, or would stand, in the file at `path`.

    `loaders` is shared by the files of a run. `suppress` False leaves `# noqa` to the caller.
    """
    shown = shown_path(path)
    if not may_matter(data) and (shown.endswith(".ipynb") or _well_formed(data)):
        return FileReport(shown, State.SKIPPED)
    try:
        loader = (loaders or Loaders(options)).of(path)
        source = _source(data, path, loader.project)
        program, found = _checked(source, path, loader, options, suppress)
    except SourceError as error:
        return _failed(shown, error.code, error.message, error.line, error.column)
    except (AssertionError, RecursionError) as error:
        return _failed(shown, BROKEN_INVARIANT, _account(error))
    return FileReport(shown, State.ANALYSED, tuple(found), lines=_quoted(found, program))


def _checked(
    source: SourceFile, path: Path, loader: Loader, options: Options, suppress: bool
) -> tuple[Program, list[Diagnostic]]:
    """A file analysed and diagnosed; once more, with the other files that call it, where that may matter.

    A function that nobody in the file calls may be called in other files, in another state than was assumed.
    """
    program = analyse(source, loader=loader)
    found = _diagnose(program, options, suppress)
    if program.blamed:
        callers = loader.project.callers(path, {code.name for code in program.blamed})
        if callers:
            called = analyse(source, loader=loader, callers=callers)
            # what no call from elsewhere leads to, or has nothing to do with modes, stands as it was
            stands = [one for one in found if _home(one, program) not in called.entered]
            modes = {rule.code for rule in ALL_RULES if rule.of_modes}
            again = [one for one in _diagnose(called, options, suppress) if one.code in modes]
            called.quoted |= program.quoted
            return called, _in_order([*stands, *again])
    return program, found


def _home(found: Diagnostic, program: Program) -> Code | None:
    """The code that a diagnostic is in, where it depends on who calls a function of the file."""
    return program.within.get((found.span.line, found.span.column, found.code))


def _source(data: bytes, path: Path, project: Project) -> SourceFile:
    """The file parsed, unless it already is, because another file imports it."""
    at = path.resolve()
    shown = shown_path(path)
    known = project.sources.get(at)
    if known is not None and known.cells is None and known.path == shown:
        if decode(data) == (known.text, known.encoding):
            return known
    source = project.sources[at] = parse_source(data, shown)
    return source


def check_source(source: SourceFile, options: Options, *, suppress: bool = True) -> list[Diagnostic]:
    """Analyse one parsed file and apply the rules; broken invariants are the caller's."""
    return _diagnose(analyse(source, options.project_root), options, suppress)


def _diagnose(program: Program, options: Options, suppress: bool) -> list[Diagnostic]:
    """What the rules say of a program, after selection, confidence and `# noqa`."""
    source = program.source
    return _in_order(
        _placed(each, source)
        for rule in enabled_rules(options.select, options.ignore)
        for each in rule.check(program)
        if each.confidence >= options.confidence and not (suppress and source.suppressed(each.span.line, each.code))
    )


def _placed(each: Diagnostic, source: SourceFile) -> Diagnostic:
    """With its places, and those of its trail, in the cells of a notebook."""
    if source.cells is None:
        return each
    trail = tuple(replace(note, span=source.placed(note.span)) for note in each.trail)
    return replace(each, span=source.placed(each.span), trail=trail)


def _quoted(found: Iterable[Diagnostic], program: Program) -> dict[str, tuple[str, ...]]:
    """The lines of the files that these diagnostics and their trails speak of."""
    named = {at for each in found for at in (each.span, *(note.span for note in each.trail))}
    quoted: dict[str, tuple[str, ...]] = {}
    for source in program.quoted:
        for at in named:
            if at.path == source.path and at.where not in quoted:
                if source.cells is None or at.cell is None:
                    quoted[at.where] = tuple(source.lines)
                else:
                    quoted[at.where] = source.cells.lines_of(at.cell)
    return quoted


def _in_order(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorted; of several diagnostics of one rule at one place, the surest."""
    surest: dict[tuple[str, int | None, int, int, str], Diagnostic] = {}
    for each in sorted(found, key=Diagnostic.sort_key):
        at = each.span
        key = (at.path, at.cell, at.line, at.column, each.code)
        if key not in surest or each.confidence > surest[key].confidence:
            surest[key] = each
    return sorted(surest.values(), key=Diagnostic.sort_key)


def may_matter(data: bytes) -> bool:
    """Whether a file with these bytes can hold a diagnostic at all: the screen before any parsing."""
    return any(word in data for word in SCREEN_WORDS)


def _well_formed(data: bytes) -> bool:
    """Whether Python's own parser, a fraction of libcst's cost, takes the file.

    Its refusal is not the last word, since it speaks only the grammar of the Python that runs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(data)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def rooted(options: Options, path: Path) -> Options:
    """The options with the project's root settled for this file: asked for, found, or its own folder."""
    if options.project_root is not None:
        return options
    folder = path.absolute().parent
    return replace(options, project_root=project_root(folder) or folder)


def _failed(shown: str, code: str, message: str, line: int = 1, column: int = 1) -> FileReport:
    span = Span(shown, line, column, line, column)
    error = Diagnostic(code, "not-checked", message, span, Severity.ERROR, Confidence.CERTAIN)
    return FileReport(shown, State.FAILED, errors=(error,))


def _account(error: AssertionError | RecursionError) -> str:
    """What went wrong, in which function of the user's and at which line of ours."""
    ours = traceback.extract_tb(error.__traceback__)[-1]
    function = getattr(error, "function", "")
    within = f" in `{function}`" if function else ""
    reason = str(error) or type(error).__name__
    return f"the analysis failed{within}: {reason} ({Path(ours.filename).name}:{ours.lineno}); please report this"


def on_deep_stack(work: Callable[[], T]) -> T:
    """Do `work` where deeply nested code may be recursed into: on a thread with a large stack.

    The thread is a daemon, so that an interrupted run ends at once.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - carried to the caller, not silenced
            outcome.set_exception(error)

    limit, size = sys.getrecursionlimit(), threading.stack_size(_STACK_BYTES)
    sys.setrecursionlimit(max(limit, _RECURSION_LIMIT))
    try:
        threading.Thread(target=run, name="torchmode-lint", daemon=True).start()
        return outcome.result()
    finally:
        threading.stack_size(size)
        sys.setrecursionlimit(limit)
