"""Where the analysis starts: the file's body, then whatever of the file no analysed code has called.

A function that nobody calls starts with unknown arguments and the modes of whoever may call it. A method
starts with what the constructor of its class put into the object, but with unknown modes, since other
methods may have run in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torchmode_lint.analysis import construction, dropouts, execution, renaming
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.budget import MAX_FILE_STEPS
from torchmode_lint.analysis.classes import Class
from torchmode_lint.analysis.entry import bind, blurred, receiver
from torchmode_lint.analysis.frame import Frame
from torchmode_lint.analysis.glance import glance
from torchmode_lint.analysis.interpreter import Interpreter
from torchmode_lint.analysis.program import Program
from torchmode_lint.analysis.relevance import Kind, Relevance, by_name, calls_several
from torchmode_lint.analysis.sights import Watch
from torchmode_lint.analysis.state import State
from torchmode_lint.analysis.values import Func
from torchmode_lint.flow.events import Variable
from torchmode_lint.harmless import may_drop
from torchmode_lint.protocol import GradMode
from torchmode_lint.screen import names_moves

if TYPE_CHECKING:
    from torchmode_lint.analysis.loader import Loader
    from torchmode_lint.flow.cfg import Code
    from torchmode_lint.source import SourceFile

MAX_ROUNDS = 3


def run(source: SourceFile, loader: Loader, callers: Sequence[Path] = (), watched: bool = False) -> Program:
    """Analyse a file, again while its use of things that its functions share teaches what they are.

    `callers` are other files that call its functions: what they call has callers, and is no root.
    `watched`: see `sights`.
    """
    drops = may_drop(source.text)
    if not (drops or names_moves(source.text)) or not loader.project.knows_torch(Path(source.path), source.text):
        return Program(source)
    interpreter = Interpreter(Program(source), loader)
    interpreter.watch = Watch() if watched else None
    for _ in range(MAX_ROUNDS):
        interpreter.grew_shared = interpreter.body_shows = False
        interpreter.program = Program(source, sources=interpreter.sources)
        interpreter.forget()
        interpreter.budget.spent = 0
        _round(interpreter, source, callers)
        if not interpreter.grew_shared:
            break
    if drops:
        dropouts.find(interpreter, source)
    renaming.forget_values()
    return interpreter.program


def _round(run: Interpreter, source: SourceFile, callers: Sequence[Path]) -> None:
    run.visited = set()
    run.made.clear()
    path = Path(source.path)
    loaded = run.open(source, path.resolve() if path.is_absolute() else path)
    loaded.state = execution.execute(run, loaded.context, State())
    run.body_shows = run.shows
    after = loaded.state or State()
    for cls, code in _inherited(run, source):
        start(run, code, after, cls)
        run.forget()
    for caller in map(run.loader.load, callers):
        if caller is not None and caller.state is not None:
            execution.execute(run, run.enter(None, None, caller.source.code), State())
            run.forget()
            _start_all(run, caller.source.code, caller.state)
    if callers:
        run.budget.spent = 0
        run.program.entered = set(run.visited)
    _start_all(run, source.code, after)


def _start_all(run: Interpreter, file: Code, after: State) -> None:
    """Analyse the functions of a file that no analysed code has called, outermost callers first."""
    functions = by_name(file)
    relevance = {kind: Relevance(functions, run, kind, knowing=run.watch is None) for kind in Kind}
    waiting = _Waiting(run, file)
    while waiting.are_left():
        code = waiting.first()
        if not _is_relevant(run, code, relevance):
            continue
        if run.budget.spent > MAX_FILE_STEPS or code in run.costly:
            run.program.degraded.append(code.qualname)
        elif not _start_until_settled(run, code, after):  # what it calls is tried, each by itself
            run.costly.add(code)


class _Waiting:
    """The functions of a file that nobody has called yet. One joins when what makes it has been interpreted."""

    def __init__(self, run: Interpreter, file: Code) -> None:
        self._run = run
        self._file = file
        self._codes: dict[Code, None] = {}
        self._called: dict[Code, set[str]] = {}
        self._calls: Counter[str] = Counter()
        self._visited = -1

    def are_left(self) -> bool:
        """Whether there are some that have not been visited."""
        visited = self._run.visited
        if len(visited) != self._visited:
            self._visited = len(visited)
            self._join()
            for code in [code for code in self._codes if code in visited]:
                self._take(code)
        return bool(self._codes)

    def first(self) -> Code:
        """The first that no other calls by name, or simply the first; it waits no longer."""
        code = next((one for one in self._codes if self._calls[one.name] <= 0), next(iter(self._codes)))
        self._take(code)
        return code

    def _take(self, code: Code) -> None:
        self._calls.subtract(self._called[code])
        del self._codes[code]

    def _join(self) -> None:
        reached = [one for one in self._file.walk_lowered() if one.kind == "function" and one in self._run.defaults]
        for code in reached:
            if code not in self._called:
                calls = {name.rpartition(".")[2] for name, is_called in glance(code).names if is_called}
                self._called[code] = calls
                self._calls.update(calls)
                self._codes[code] = None
        self._codes = {code: None for code in reached if code in self._codes}


def _is_relevant(run: Interpreter, code: Code, relevance: Mapping[Kind, Relevance]) -> bool:
    cls = run.class_of.get(code)
    if cls is None or not cls.is_module or construction.drives(cls):
        return relevance[Kind.FUNCTION].of(code, () if cls is None else _constructors(cls))
    return relevance[Kind.CONSTRUCTOR if code.name == "__init__" else Kind.METHOD].of(code)


def _constructors(cls: Class) -> Iterator[Code]:
    return (method for one in cls.line() for method in one.code.codes if method.name == "__init__")


def _start_until_settled(run: Interpreter, code: Code, after: State) -> bool:
    """Analyse a root, again while it teaches what its unknowns are; whether that was within the budget."""
    spent = run.budget.spent
    for _ in range(MAX_ROUNDS):
        run.grew = False
        run.budget.spent = spent  # the last time counts
        sizes = execution.sizes(run.program)
        within = start(run, code, after)
        run.forget()
        if not run.grew or not within:
            return within
        execution.cut(run.program, sizes)
    return True


def _inherited(run: Interpreter, source: SourceFile) -> Iterator[tuple[Class, Code]]:
    """The methods of base classes in other files that call methods of a class of this file, where they are relevant."""
    for code in source.code.walk_lowered():
        cls = run.classes.own.get(code)
        if cls is None or cls.is_module:
            continue
        own = {f"self.{inner.name}" for inner in code.codes}
        for base in (one for one in cls.line() if one.code.file is not source.code):
            found = [method for method in base.code.codes if calls_several(method, own)]
            if found:
                relevance = Relevance(by_name(source.code, base.code.file), run, Kind.FUNCTION)
                yield from ((cls, method) for method in found if relevance.of(method, _constructors(cls)))


def start(run: Interpreter, code: Code, after: State, cls: Class | None = None) -> bool:
    """Analyse a function as a root; a method for an object of its own class, or of `cls`.

    Whether that was within the budget.
    """
    degraded_before = len(run.program.degraded)
    context = run.enter(None, None, code)
    state = blurred(after)
    for slot, value in list(state.env.items()):
        if not isinstance(slot, Variable) or run.globals.get(slot) == value:
            del state.env[slot]
    frame = Frame(run, context, state)
    cls = cls or run.class_of.get(code)
    arguments: list[v.Value] = []
    value = _decorated_value(run, state, code)
    if cls is not None and not _is(value, "static"):
        arguments.append(v.just(v.Cls(cls)) if _is(value, "class") else receiver(run, frame, cls, code, after))
    if cls is not None and cls.is_framework:
        frame.state.grad = GradMode.ENTRY
    bind(frame, code, arguments)
    itself = [atom for atom in value if isinstance(atom, Func) and atom.code is code]
    # what a decorator of the project put something around is called by that
    grad = itself[0].grad if itself else "unknown" if value and code.decorators else ""
    if grad:
        frame.state.grad = {"off": GradMode.OFF, "on": GradMode.ON}.get(grad, GradMode.ENTRY)
        if grad == "unknown":
            frame.state.grad = GradMode.ENTRY | GradMode.OFF
    execution.execute(run, context, frame.state)
    return len(run.program.degraded) == degraded_before


def _decorated_value(run: Interpreter, state: State, code: Code) -> v.Value:
    """The function as its decorators left it."""
    assert code.parent is not None
    cls = run.class_of.get(code)
    if cls is not None:
        return cls.methods.get(code.name, v.EMPTY)
    variable = Variable(code.parent.scope, code.name)
    return state.env.get(variable) or run.globals.get(variable) or run.decorated.get(code, v.EMPTY)


def _is(value: v.Value, kind: str) -> bool:
    """Whether a method is static, or one of its class."""
    return any(isinstance(atom, Func) and atom.kind == kind for atom in value)
