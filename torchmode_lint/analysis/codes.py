"""What is known of the files and code objects that are interpreted, by their names and words alone.

Nothing is interpreted here; `classes` says the same of classes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Generic, TypeVar

from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.classes import Class
from torchmode_lint.analysis.mentions import Own, Plain, moves, own_plain, plain
from torchmode_lint.analysis.outputs import Output, output_of
from torchmode_lint.flow import events as ev
from torchmode_lint.flow.cfg import Code
from torchmode_lint.screen import names_protocol
from torchmode_lint.text import whole_word
from torchmode_lint.torch_api import may_make_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path as FilePath

    from torchmode_lint.analysis.loader import Loaded, Loader
    from torchmode_lint.analysis.state import State
    from torchmode_lint.analysis.values import Context, Value
    from torchmode_lint.flow.events import Variable
    from torchmode_lint.source import SourceFile

MAX_IMPORTED = 60

K = TypeVar("K")
V = TypeVar("V")

# A file without any of these words neither knows torch nor touches modes and gradients.
_WORDS = ("torch", "backward", ".eval()", ".train()", "zero_grad", "no_grad", "set_grad_enabled")


# A file of modules, or of what makes some, speaks of these.
_MODULES = tuple(re.compile(whole_word(word)) for word in ("forward", "Module", "nn"))
_DEFINED = r"(?m)^[ \t]*(?:class|def)[ \t]+{}\b"
_WORD = re.compile(r"[^\W\d]\w*")
_DEFINITIONS = (v.Func, v.Cls, v.Ext, v.File, v.Imported)


class Layered(Generic[K, V]):
    """A table over one that others share: `own` is what is written here.

    `hides`: what is not looked up below, so that a file that was imported before is read as if it had not been.
    """

    __slots__ = ("below", "hides", "own")

    def __init__(self, below: Mapping[K, V]) -> None:
        self.own: dict[K, V] = {}
        self.below = below
        self.hides: Callable[[K], bool] = lambda _: False

    def get(self, key: K) -> V | None:
        found = self.own.get(key)
        return self.below.get(key) if found is None and not self.hides(key) else found

    def __getitem__(self, key: K) -> V:
        return self.own[key] if key in self.own or self.hides(key) else self.below[key]

    def __setitem__(self, key: K, value: V) -> None:
        self.own[key] = value

    def __contains__(self, key: K) -> bool:
        return key in self.own or (key in self.below and not self.hides(key))


class Codes:
    """The scopes of the files that were loaded, with the names in them, and what was looked up of their code.

    `globals`, `scopes` and the tables of definitions show what the loader has of imported files, too.
    """

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.globals: Layered[Variable, Value] = Layered(loader.globals)
        self.scopes: Layered[int, Loaded] = Layered(loader.scopes)
        self.sources: Layered[Code, SourceFile] = Layered(loader.sources)
        self.classes: Layered[Code, Class] = Layered(loader.classes)
        self.class_of: Layered[Code, Class] = Layered(loader.class_of)
        self.defaults: Layered[Code, tuple[Value | None, ...]] = Layered(loader.defaults)
        self.decorated: dict[Code, Value] = {}  # what a function of this file was made into
        self.main: Loaded | None = None
        self._reached: set[FilePath] = set()
        self._matters: dict[Code, bool] = {}
        self._scopes: dict[Code, frozenset[int]] = {}
        self._moves: dict[Code, bool] = {}
        self._plain: dict[Code, Plain | None] = {}
        self._owns: dict[Code, Own | None] = {}
        self._reads: dict[Code, frozenset[str]] = {}
        self._outputs: dict[Class, Output] = {}

    def is_file_scope(self, scope: int) -> bool:
        return scope in self.scopes

    def star_imported(self, scope: int) -> bool:
        """Whether a name of the file may come from a star import that cannot be followed."""
        return scope in self.scopes and self.scopes[scope].open_star

    def scope_key(self, scope: int) -> Context:
        """The identity on which unknown names of a scope hang."""
        loaded = self.scopes.get(scope) or self.main
        assert loaded is not None
        return loaded.context

    def note_global(self, variable: Variable, value: Value) -> bool:
        """Remember, whatever the order of execution, what a name of a file may hold.

        True where that says it all: a function, a class or an import, and the only thing the name ever holds.
        """
        known = self.globals.get(variable)
        joined = self.globals[variable] = value if known is None else v.join(known, value)
        return joined == value and all(
            isinstance(atom, _DEFINITIONS) and getattr(atom, "owner", None) is None for atom in value
        )

    def resolved(self, value: Value) -> Value:
        """A value with what imported names mean, in place of the names."""
        for atom in value:
            if isinstance(atom, v.Imported):
                return v.join_all(self.meaning(a) if isinstance(a, v.Imported) else v.just(a) for a in value)
        return value

    def meaning(self, imported: v.Imported) -> Value:
        """What a name of another file means. Past so many files, something unknown."""
        if imported.path not in self._reached:
            if len(self._reached) >= MAX_IMPORTED:
                assert self.main is not None
                return v.just(v.Obj(v.Path(self.main.context, f"{imported.path.stem}.{imported.name}")))
            self._reached.add(imported.path)
        return self.loader.meaning(imported)

    def name(self, variable: Variable) -> Value | None:
        """What a global name of a file may hold, bound there or by a star import; None if nothing binds it."""
        value = self.globals.get(variable)
        if value is None:
            loaded = self.scopes.get(variable.scope)
            if loaded is not None and loaded.stars:
                return self.loader.from_stars(loaded, variable.name)
        return value

    def lend(self, state: State, value: Value) -> None:
        """Put into a state what the bodies of imported files say of the objects in a value."""
        for atom in value:
            if isinstance(atom, v.Obj) and atom.id not in state.heap:
                maker = _maker(atom.id)
                loaded = None if maker is None else self.scopes.get(maker.scope)
                if loaded is not None and loaded is not self.main and loaded.state is not None:
                    loaded.lend(state, atom.id)

    def lookup(self, code: Code, name: str) -> str | Class | Code | None:
        """What a dotted name means in a code object, seen from the names of its file."""
        first, *rest = name.split(".")
        value = self.name(ev.Variable(code.file.scope, first))
        atom = None if value is None else v.single(self.resolved(value))
        for step in rest:
            if isinstance(atom, v.File):
                atom = v.single(self.meaning(v.Imported(atom.path, step)))
            elif isinstance(atom, v.Ext):
                atom = v.Ext(f"{atom.name}.{step}")
            else:
                return None
        match atom:
            case v.Ext(qualified):
                return qualified
            case v.Cls(cls):
                return cls
            case v.Func(found, _, _, _):
                return found
            case _:
                return None

    def elsewhere(self, code: Code, name: str, *, modules: bool = False) -> Code | None:
        """The function or class of another file that a name means, if that file makes moves of the protocol.

        `modules`: or if it speaks of modules.
        """
        value = self.name(ev.Variable(code.file.scope, name.partition(".")[0]))
        atom = None if value is None else v.single(value)
        if isinstance(atom, v.Imported | v.File) and not self.loader.project.mentions(atom.path, names_protocol):
            if not (modules and may_be_of_modules(self.loader, atom, name.split(".")[1:])):
                return None
        if value is None or isinstance(atom, v.Ext):
            return None
        found = self.lookup(code, name)
        if isinstance(found, Class):
            found = found.code
        return found if isinstance(found, Code) and found.file is not code.file else None

    def may_make_modules(self, code: Code, name: str) -> bool:
        """Whether a name of a file may mean a module or an optimizer, or a class of these; functions are followed."""
        first, *rest = name.split(".")
        value = self.name(ev.Variable(code.file.scope, first))
        return value is not None and self._of_modules(value, rest)

    def _of_modules(self, value: Value, rest: Sequence[str] = (), deep: bool = False) -> bool:
        """Whether something is, makes or holds modules; of files and packages, what they call by the names `rest`."""
        for atom in value:
            if isinstance(atom, v.Imported | v.File) and not may_be_of_modules(self.loader, atom, rest):
                continue
            match atom:
                case v.Imported():
                    found = self._of_modules(self.meaning(atom), rest, deep)
                case v.File(path):
                    found = bool(rest) and self._of_modules(self.meaning(v.Imported(path, rest[0])), rest[1:])
                case v.Ext(package):
                    found = may_make_modules(".".join((package, *rest)))
                case v.Cls(cls):
                    found = cls.is_module
                case v.Tup(items):
                    found = not deep and any(self._of_modules(item, deep=True) for item in items)
                case v.Obj(identity):
                    maker = _maker(identity)
                    loaded = None if maker is None else self.scopes.get(maker.scope)
                    record = None if loaded is None or loaded.state is None else loaded.state.heap.get(identity)
                    match record:
                        case r.Sequence(element):
                            found = not deep and self._of_modules(element, deep=True)
                        case r.Mapping(element, pairs):
                            held = (element, *(value for _, value in pairs))
                            found = not deep and any(self._of_modules(value, deep=True) for value in held)
                        case r.Instance(cls):
                            found = self._may_hold_modules(cls)
                        case _:
                            found = record is not None
                case _:
                    found = deep and isinstance(atom, v.Func)  # one of a table of functions
            if found:
                return True
        return False

    def _may_hold_modules(self, cls: Class) -> bool:
        """Whether an object of a class that is no module may have some, by the text of the file of the class."""
        loaded = self.scopes.get(cls.code.file.scope)
        if loaded is None or loaded.source.cells is not None:
            return True
        return any(self.loader.project.mentions(loaded.path, words) for words in (speaks_of_modules, names_protocol))

    def matters(self, code: Code) -> bool:
        """Whether the file of a code object can hold anything of the protocol at all, by its words."""
        at = code.file
        known = self._matters.get(at)
        if known is None:
            loaded = self.scopes.get(at.scope)
            text = loaded.source.text if loaded is not None else ""
            known = self._matters[at] = loaded is None or any(word in text for word in _WORDS)
        return known

    def moves(self, code: Code) -> bool:
        """Whether a code object itself names a move of the protocol."""
        known = self._moves.get(code)
        if known is None:
            known = self._moves[code] = moves(code)
        return known

    def plain(self, code: Code) -> Plain | None:
        """What a code object does where neither it nor what it calls can be anything of the protocol."""
        known = self.nameless(code)
        return None if known is None or known.applies else known

    def nameless(self, code: Code) -> Plain | None:
        """What a code object does where neither it nor what it calls names anything of the protocol."""
        if code not in self._plain:
            self._plain[code] = plain(code, self._own)
        return self._plain[code]

    def _own(self, code: Code) -> Own | None:
        """What a code object does by itself; kept once all names of its file are there."""
        if code in self._owns:
            return self._owns[code]
        own = own_plain(code, self)
        loaded = self.scopes.get(code.file.scope)
        if loaded is not None and loaded.state is not None:
            self._owns[code] = own
        return own

    def output(self, cls: Class) -> Output:
        """What the forward of a module of the class returns."""
        if cls not in self._outputs:
            self._outputs[cls] = output_of(cls, self)
        return self._outputs[cls]

    def methods(self, code: Code, name: str) -> list[Code]:
        """The methods that `self.name` may mean in a method of a class: its own, or the nearest inherited one."""
        at: Code | None = code
        while at is not None and at.kind != "class":
            at = at.parent
        if at is None:
            return []
        own = [inner for inner in at.codes if inner.name == name]
        cls = None if own else self.classes.get(at)
        inherited = None if cls is None else cls.method(name)
        return own + [atom.code for atom in inherited or () if isinstance(atom, v.Func)]

    def own_scopes(self, code: Code) -> frozenset[int]:
        """The scope of a code object and those of its comprehensions."""
        known = self._scopes.get(code)
        if known is None:
            around = set()
            at = code.parent
            while at is not None:
                around.add(at.scope)
                at = at.parent
            stored = {e.variable.scope for b in code.blocks for e in b.events if isinstance(e, ev.Store)}
            known = self._scopes[code] = frozenset({code.scope} | (stored - around))
        return known

    def reads(self, code: Code) -> frozenset[str]:
        """The names of a code's own scope that the codes inside it read, and may be others."""
        known = self._reads.get(code)
        if known is None:
            names: set[str] = set()
            pending = list(code.codes) if code.kind != "class" else []  # whose names no function in it sees
            while pending:
                at = pending.pop()
                if at.text:
                    names.update(_WORD.findall(at.text))
                    continue
                pending += at.codes
                for block in at.blocks:
                    for event in block.events:
                        if isinstance(event, (ev.Load, ev.Store)) and event.variable.scope == code.scope:
                            names.add(event.variable.name)
            known = self._reads[code] = frozenset(names)
        return known


def speaks_of_modules(text: str) -> bool:
    """Whether a file with this text may have modules, or something that makes some."""
    return any(words.search(text) for words in _MODULES)


def may_be_of_modules(loader: Loader, atom: v.Imported | v.File, rest: Sequence[str]) -> bool:
    """Whether a name of a file may be of modules, by the text: a function or a class is not in a file without."""
    name = atom.name if isinstance(atom, v.Imported) else rest[0] if rest else ""
    if loader.told(v.Imported(atom.path, name)) is not None:
        return True
    mentions = loader.project.mentions
    defined = re.compile(_DEFINED.format(re.escape(name)))
    return mentions(atom.path, speaks_of_modules) or not mentions(atom.path, defined.search)


def _maker(identity: v.Identity) -> Code | None:
    """The file whose body made an object, None for one that was made otherwise."""
    while isinstance(identity, v.Path):
        identity = identity.base
    context = identity.context if isinstance(identity, v.Site) else identity
    return context.code.file if isinstance(context, v.Context) else None
