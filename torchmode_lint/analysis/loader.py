"""The files that are imported: the body of each is interpreted once, for all files of a run that import it.

What a file's names mean does not depend on who asks, so that checking a file alone says what checking it
among others does. Functions are interpreted where they are called, in the state of the call.

Not modelled: names that an import cycle leaves unbound for a while, beyond those not reached yet.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import renaming
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.activations import joined
from torchmode_lint.analysis.budget import OverBudget
from torchmode_lint.analysis.program import Program
from torchmode_lint.analysis.project import Project
from torchmode_lint.analysis.state import State
from torchmode_lint.analysis.values import File, Imported
from torchmode_lint.flow.events import Variable
from torchmode_lint.torch_api import is_told, told_words

if TYPE_CHECKING:
    from pathlib import Path

    from torchmode_lint.analysis.classes import Class
    from torchmode_lint.analysis.codes import Layered
    from torchmode_lint.analysis.interpreter import Interpreter
    from torchmode_lint.analysis.sketch import Sketch
    from torchmode_lint.analysis.values import Context, Identity, Value
    from torchmode_lint.flow.cfg import Code
    from torchmode_lint.source import SourceFile

MAX_KEPT = 8_000_000  # characters of files, most of whose functions are never lowered
MAX_SKETCHES = 400
MAX_LEFT = 4  # files that were examined and that their neighbours may import
MAX_CALLED = 2_000  # events of an imported file's body after which it calls nothing more


@dataclass(slots=True, eq=False)
class Loaded:
    """A file that has been reached.

    `names` is what its global names may hold; `state` is None while its body is being interpreted.
    `stars` are the files that it imports all names of; `open_star`: one that cannot be followed, too.
    """

    source: SourceFile
    path: Path
    context: Context
    names: Layered[Variable, Value] | dict[Variable, Value]
    state: State | None = None
    open_star: bool = False
    stars: list[Path] = field(default_factory=list)
    _attributes: dict[Identity, list[tuple[str, Value]]] | None = None

    @property
    def scope(self) -> int:
        return self.source.code.scope

    def lend(self, state: State, identity: Identity) -> None:
        """Put what this file's body says of an object into a state that says nothing of it yet."""
        assert self.state is not None
        if self._attributes is None:
            self._attributes = {}
            for (owner, name), value in self.state.attrs.items():
                self._attributes.setdefault(owner, []).append((name, value))
        pending = [identity]
        while pending:
            at = pending.pop()
            record = self.state.heap.get(at)
            if record is not None and at not in state.heap:
                state.heap[at] = record
                pending += r.sites_of(record)
            for name, value in self._attributes.get(at, ()):
                if (at, name) not in state.attrs:
                    state.attrs[at, name] = value
                    pending += renaming.sites_of(value)


@dataclass(slots=True, eq=False)
class Loader:
    """Interprets bodies of files of one project, and keeps what they define."""

    project: Project
    globals: dict[Variable, Value] = field(default_factory=dict)
    scopes: dict[int, Loaded] = field(default_factory=dict)
    sources: dict[Code, SourceFile] = field(default_factory=dict)
    classes: dict[Code, Class] = field(default_factory=dict)
    class_of: dict[Code, Class] = field(default_factory=dict)
    defaults: dict[Code, tuple[Value | None, ...]] = field(default_factory=dict)
    files: dict[Path, Loaded | None] = field(default_factory=dict)
    _sketches: dict[Path, Sketch | None] = field(default_factory=dict)
    _meant: dict[Imported, Value] = field(default_factory=dict)
    _running: dict[Path, Loaded] = field(default_factory=dict)
    _cut_short: set[Path] = field(default_factory=set)
    _left: deque[Path] = field(default_factory=deque)

    def trim(self) -> None:
        """Forget everything once it is much; only before a file is read, which is then read anew by all."""
        if sum(len(one.text) for one in self.project.sources.values() if one is not None) > MAX_KEPT:
            for kept in (self.globals, self.scopes, self.sources, self.classes, self.class_of, self.defaults):
                kept.clear()
            self.files.clear()
            self._meant.clear()
            self.project.sources.clear()

    def leave(self, path: Path) -> None:
        """Give up a file that was examined some time ago, unless others have imported it, and the trees of all."""
        self._left.append(path)
        if len(self._left) > MAX_LEFT:
            oldest = self._left.popleft()
            given_up = self.project.sources.pop(oldest, None) if oldest not in self.files else None
            if given_up is not None and given_up not in self.sources.values():  # those of a cycle may be used in it
                given_up.dismantle()
        for source in self.project.sources.values():
            if source is not None:
                source.release()

    def sketched(self, path: Path) -> Sketch | None:
        """A sketch of the file at `path`; None where it cannot be read."""
        if path not in self._sketches:
            if len(self._sketches) >= MAX_SKETCHES:
                self._sketches.clear()
            self._sketches[path] = self.project.sketch(path)
        return self._sketches[path]

    def load(self, path: Path) -> Loaded | None:
        """The file at `path`, with its body interpreted; None where it cannot be read."""
        if path in self._running:
            # an import cycle: whoever asks in it sees a part of the file only, and is not kept
            running = list(self._running)
            self._cut_short.update(running[running.index(path) + 1 :])
            return self._running[path]
        if path in self.files:
            return self.files[path]
        source = self.project.read(path)
        if source is None:
            self.files[path] = None
            return None
        loaded = self._interpreted(source, path)
        source.release()
        if path in self._cut_short:
            self._cut_short.discard(path)
        else:
            self.files[path] = loaded
        return loaded

    def meaning(self, imported: Imported) -> Value:
        """What a name of a file means: a global of it, a file below it, or else something unknown."""
        known = self._meant.get(imported)
        if known is None:
            self._meant[imported] = v.TOP  # what a name that means itself gets
            known = self.told(imported) or self._bound(imported)
            del self._meant[imported]
            loaded = self.load(imported.path)
            if known is None:
                key = v.Path(loaded.context, imported.name) if loaded is not None else imported
                known = v.just(v.Obj(key))
            if loaded is not None and not self._running:
                self._meant[imported] = known
        return known

    def told(self, imported: Imported) -> Value | None:
        """What the project's configuration speaks of is that, whatever its source says."""
        if not told_words():
            return None
        names = (f"{module}.{imported.name}" for module in self.project.modules_of(imported.path))
        return next((v.just(v.Ext(name)) for name in names if is_told(name)), None)

    def _bound(self, imported: Imported) -> Value | None:
        loaded = self.load(imported.path)
        if loaded is None:
            return None
        found = loaded.names.get(Variable(loaded.scope, imported.name))
        if found is not None:
            return v.join_all(self.meaning(a) if isinstance(a, Imported) else v.just(a) for a in found)
        if loaded.path.name == "__init__.py":
            inner = self.project.find(loaded.path, imported.name, 1)
            if inner is not None and inner != loaded.path:
                return v.just(File(inner))
        return self.from_stars(loaded, imported.name)

    def from_stars(self, loaded: Loaded, name: str) -> Value | None:
        """What the star imports of a file bind a name to; None if they do not."""
        for path in reversed(loaded.stars):
            if self.project.may_bind(path, name):
                found = self._bound(Imported(path, name))
                if found is not None:
                    return found
        return None

    def base(self, imported: Imported) -> Class | str | Imported:
        """What an imported base class is; itself while the files that say so are still being read."""
        atom = v.single(self.meaning(imported))
        if isinstance(atom, v.Cls):
            return atom.cls
        if isinstance(atom, v.Ext):
            return atom.name
        return imported if self._running else ""

    def _interpreted(self, source: SourceFile, path: Path) -> Loaded:
        from torchmode_lint.analysis.interpreter import Interpreter  # which loads files itself

        run = Interpreter(Program(source), self)
        run.budget.calls_until, run.lazy = MAX_CALLED, True
        loaded = run.open(source, path)
        self._running[path] = self.scopes[loaded.scope] = loaded
        self.sources[source.code] = source
        state = State()
        try:
            activation = run.solve(loaded.context, State())
            if activation.outcomes:
                state = joined(activation.outcomes)
        except OverBudget:
            pass  # what it had bound by then stays
        finally:
            del self._running[path]
        loaded.state = state
        self._keep(run, source.code)
        loaded.names = {name: value for name, value in run.globals.own.items() if name.scope == loaded.scope}
        self.globals.update(loaded.names)
        return loaded

    def _keep(self, run: Interpreter, code: Code) -> None:
        """What the body said of the codes of its own file."""
        self.classes.update({inner: cls for inner, cls in run.classes.own.items() if inner.file is code})
        self.class_of.update({inner: cls for inner, cls in run.class_of.own.items() if inner.file is code})
        self.defaults.update({inner: values for inner, values in run.defaults.own.items() if inner.file is code})
