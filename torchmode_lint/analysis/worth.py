"""Whether a file is worth a look, before libcst reads it and anything of it is interpreted.

What can make one of its functions a root is asked of sketches: of this file, and of those that its names lead to. What
these cannot say without interpretation is taken for worth a look.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from torchmode_lint import torch_api as api
from torchmode_lint.analysis import codes, construction
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.classes import line_of
from torchmode_lint.analysis.glance import glance
from torchmode_lint.analysis.mentions import BUILTINS, GRAD_MODES, leaves
from torchmode_lint.analysis.relevance import Kind, Relevance, by_name, calls_several, functions
from torchmode_lint.analysis.sketch import Import, Kin, Sketch, Value
from torchmode_lint.flow.cfg import Code
from torchmode_lint.harmless import may_drop
from torchmode_lint.python_parser import file_tree
from torchmode_lint.screen import PROTOCOL, names_dropout, names_moves

if TYPE_CHECKING:
    from torchmode_lint.analysis.loader import Loader
    from torchmode_lint.analysis.sketch import Bound

_MAX_SKETCHES = 60  # of other files
_MAX_MAKERS = 20  # functions that are followed to see whether they make modules
_MAX_STEPS = 20  # from one file to the next
_IMPORTS = re.compile(r"^[ \t]+(?:from|import)\b", re.MULTILINE)  # in a function: what it binds is no name of the file

_Atom: TypeAlias = "v.Ext | v.File | v.Imported | Code | Kin | Value | None"


class _UnsureError(Exception):
    """Sketches do not say it."""


def is_worth_a_look(text: str, path: Path, loader: Loader) -> bool:
    """Whether the file at `path` with this text may have to do with a diagnostic."""
    tree = file_tree(text)
    if tree is None or (names_dropout(text) and may_drop(text)):
        return True
    at = path.resolve()
    if not names_moves(text) or not loader.project.knows_torch(at, text):
        return False
    sketch = Sketch(at, text, tree)
    try:
        return _Asker(sketch, loader).wakes()
    except _UnsureError:
        return True
    finally:
        sketch.forget()  # its codes refer to each other, and would keep the trees until somebody looks for garbage


class _Asker:
    """Says of names what `Codes` would."""

    def __init__(self, sketch: Sketch, loader: Loader) -> None:
        self._own = sketch
        self._loader = loader
        self._project = loader.project
        self._sketches: dict[Path, Sketch] = {sketch.path: sketch}
        self._homes: dict[Code, Sketch] = {sketch.code: sketch}
        self._externals: dict[Kin, frozenset[str]] = {}
        self._asked_of: set[Code] = set()  # whether they name modules, just now

    def wakes(self) -> bool:
        named = by_name(self._own.code)
        relevance = {kind: Relevance(named, self, kind) for kind in Kind}
        of_file, aside = self._own.at_once()  # both are interpreted in any case
        in_general = relevance[Kind.FUNCTION]
        if in_general.may_know(of_file) or in_general.may_be(aside):
            return True
        if any(in_general.may_be(code) or _IMPORTS.search(code.text) for code in _run(of_file, named)):
            return True
        if not GRAD_MODES.isdisjoint(self._own.bare):
            return True
        return any(self._is_relevant(code, relevance) for code in functions(self._own.code)) or self._inherits()

    def _is_relevant(self, code: Code, relevance: dict[Kind, Relevance]) -> bool:
        kin = self._own.class_of.get(code)
        if kin is None:
            return relevance[Kind.FUNCTION].of(code)
        if not relevance[Kind.FUNCTION].may_be(code):
            return False
        if self._is_module(kin):
            kind = Kind.CONSTRUCTOR if code.name == "__init__" else Kind.METHOD
            if relevance[kind].of(code):
                return True
            if not any(construction.makes_moves(one.code) for one in self._line(kin)):
                return False
        return relevance[Kind.FUNCTION].of(code, _constructors(self._line(kin)))

    def _inherits(self) -> bool:
        """Whether a method of a base class in another file, worth a look, calls methods of a class of this one."""
        for kin in self._own.classes:
            if not kin.bases or self._is_module(kin):
                continue
            own = {f"self.{method.name}" for method in kin.methods}
            line = list(self._line(kin))
            for base in (one for one in line if one.home is not self._own):
                found = [method for method in base.methods if calls_several(method, own)]
                if found:
                    relevance = Relevance(by_name(self._own.code, base.home.code), self, Kind.FUNCTION)
                    if any(relevance.of(method, _constructors(line)) for method in found):
                        return True
        return False

    # What names mean.

    def elsewhere(self, code: Code, name: str, *, modules: bool = False) -> Code | None:
        found = dict.fromkeys(self._outside(self._homes[code.file], name, modules, 0))
        if len(found) > 1:
            raise _UnsureError
        return next(iter(found), None)

    def _outside(self, sketch: Sketch, name: str, modules: bool, steps: int) -> Iterator[Code]:
        if steps > _MAX_STEPS:
            raise _UnsureError
        first, *rest = name.split(".")
        for atom in self._meant(sketch, first):
            match atom:
                case v.Imported(path) | v.File(path):
                    if self._project.mentions(path, PROTOCOL) or (modules and self._of_modules_by_text(atom, rest)):
                        yield from self._followed(atom, rest, 0)
                case Value(alias) if alias:
                    yield from self._outside(sketch, ".".join((alias, *rest)), modules, steps + 1)
                case Value(_, called) if called and not rest:
                    raise _UnsureError  # a function, maybe, that was put around another

    def may_make_modules(self, code: Code, name: str) -> bool:
        return self._may_make(self._homes[code.file], name, 0)

    def _may_make(self, sketch: Sketch, name: str, steps: int) -> bool:
        first, *rest = name.split(".")
        return any(self._is_of_modules(sketch, atom, rest, steps) for atom in self._meant(sketch, first))

    def _is_of_modules(self, sketch: Sketch, atom: _Atom, rest: list[str], steps: int) -> bool:
        if steps > _MAX_STEPS:
            raise _UnsureError
        match atom:
            case v.Imported():
                inner = self._bound_in(atom) if self._of_modules_by_text(atom, rest) else ()
                return any(self._is_of_modules(home, one, rest, steps + 1) for home, one in inner)
            case v.File(path):
                return bool(rest) and self._is_of_modules(sketch, v.Imported(path, rest[0]), rest[1:], steps + 1)
            case v.Ext(package):
                return api.may_make_modules(".".join((package, *rest)))
            case Kin():
                return self._is_module(atom)
            case Code():
                return False
            case Value(alias, called, names):
                if alias:
                    return self._may_make(sketch, ".".join((alias, *rest)), steps + 1)
                if called and self._returns_modules(sketch, called):
                    return True
                return any(self._may_make(sketch, name, steps + 1) or self._is_function(sketch, name) for name in names)
        raise _UnsureError

    def _returns_modules(self, sketch: Sketch, called: str) -> bool:
        """Whether a call may return what is, or holds, modules."""
        first, *rest = called.split(".")
        if first == "?":
            raise _UnsureError
        for atom in self._meant(sketch, first):
            match atom:
                case v.Ext(package):
                    if api.may_make_modules(".".join((package, *rest))):
                        return True
                case v.Imported() | v.File():
                    made_by = list(self._followed(atom, rest, 0))
                    if len(made_by) != 1 or self._names_modules(made_by[0]):
                        return True
                case _:
                    raise _UnsureError
        return False

    def _names_modules(self, code: Code) -> bool:
        """Whether a function of another file, or one that it names, names modules; past a few functions, it may."""
        seen = {code}
        pending = [code]
        while pending:
            at = pending.pop()
            if len(seen) > _MAX_MAKERS or at in self._asked_of or _IMPORTS.search(at.text):
                raise _UnsureError
            self._asked_of.add(at)
            try:
                for name in leaves(glance(at)):
                    if self.may_make_modules(at, name):
                        return True
                    new = {one for one in self._named(self._homes[at.file], name) if one not in seen}
                    seen |= new
                    pending += new
            finally:
                self._asked_of.discard(at)
        return False

    def _named(self, sketch: Sketch, name: str) -> Iterator[Code]:
        """The functions and classes, of whichever file, that a name may mean."""
        first, *rest = name.split(".")
        for atom in self._meant(sketch, first):
            match atom:
                case Code() if not rest:
                    yield atom
                case Kin(code):
                    yield code
                case v.Imported() | v.File():
                    yield from self._followed(atom, rest, 0)
                case Value(alias, called) if not self._is_external(sketch, alias or called):
                    raise _UnsureError

    def _is_external(self, sketch: Sketch, name: str) -> bool:
        """Whether a name, if it is one, means nothing of the project: what it gives is no function of it."""
        return name != "?" and all(isinstance(atom, v.Ext) for atom in self._meant(sketch, name.partition(".")[0]))

    def _is_function(self, sketch: Sketch, name: str) -> bool:
        first = name.partition(".")[0]
        return any(isinstance(atom, (Code, v.Imported)) for atom in self._meant(sketch, first))

    def _of_modules_by_text(self, atom: v.Imported | v.File, rest: list[str]) -> bool:
        return codes.may_be_of_modules(self._loader, atom, rest)

    def _followed(self, atom: v.Imported | v.File, rest: list[str], steps: int) -> Iterator[Code]:
        """The functions and classes of other files that a name may mean."""
        if steps > _MAX_STEPS:
            raise _UnsureError
        if isinstance(atom, v.File):
            if rest:
                yield from self._followed(v.Imported(atom.path, rest[0]), rest[1:], steps + 1)
            return
        for home, one in self._bound_in(atom):
            match one:
                case v.Imported() | v.File():
                    yield from self._followed(one, rest, steps + 1)
                case Code():
                    if not rest and home is not self._own:
                        yield one
                case Kin(code):
                    if not rest and home is not self._own:
                        yield code
                case Value(alias) if alias:
                    first, *others = alias.split(".")
                    for meant in self._meant(home, first):
                        if not isinstance(meant, (v.Imported, v.File)):
                            raise _UnsureError
                        yield from self._followed(meant, [*others, *rest], steps + 1)
                case Value(_, called) if not called or rest:
                    pass
                case v.Ext():
                    pass
                case _:
                    raise _UnsureError

    def _meant(self, sketch: Sketch, name: str) -> list[_Atom]:
        """All that a global name of a file may mean."""
        found = sketch.bound.get(name)
        if found is None:
            for star in sketch.stars:
                path = self._project.find(sketch.path, star.loaded, star.level)
                if path is not None and self._project.may_bind(path, name):
                    raise _UnsureError
            return []
        return [self._atom(sketch, one) for one in found]

    def _bound_in(self, imported: v.Imported) -> list[tuple[Sketch, _Atom]]:
        """What a name of another file may mean there."""
        if self._loader.told(imported) is not None:
            raise _UnsureError
        sketch = self._sketch(imported.path)
        if sketch is None:
            return []
        found = [(sketch, atom) for atom in self._meant(sketch, imported.name)]
        if not found and sketch.path.name == "__init__.py":
            inner = self._project.find(sketch.path, imported.name, 1)
            if inner is not None and inner != sketch.path:
                return [(sketch, v.File(inner))]
        return found

    def _atom(self, sketch: Sketch, bound: Bound) -> _Atom:
        if not isinstance(bound, Import):
            return bound
        find = self._project.find
        target = find(sketch.path, bound.loaded, bound.level)
        if bound.name is None:
            if target is None:
                return v.Ext(bound.bound)
            top = target if bound.bound == bound.loaded else find(sketch.path, bound.bound, 0)
            return v.Ext(bound.bound) if top is None else v.File(top)
        name = f"{bound.loaded}.{bound.name}" if bound.loaded else bound.name
        if not bound.level and api.described(name, whole_libraries=target is None):
            return v.Ext(name)
        if target is not None:
            return v.Imported(target, bound.name)
        inner = find(sketch.path, name, bound.level)
        if inner is not None:
            return v.File(inner)
        known = not bound.level and find(sketch.path, bound.loaded.split(".")[0], 0) is None
        return v.Ext(name) if known else Value()

    def _sketch(self, path: Path) -> Sketch | None:
        if path not in self._sketches:
            found = self._loader.sketched(path)
            if found is None:
                return None
            if len(self._sketches) > _MAX_SKETCHES:
                raise _UnsureError
            self._sketches[path] = found
            self._homes[found.code] = found
        return self._sketches[path]

    # What classes inherit.

    def _is_module(self, kin: Kin) -> bool:
        externals = self._external_bases(kin)
        framework = any(base.startswith(api.FRAMEWORK_BASES) for base in externals)
        return not framework and any(map(api.is_module_base, externals))

    def _external_bases(self, kin: Kin) -> frozenset[str]:
        if kin not in self._externals:
            found: set[str] = set()
            for one in self._line(kin):
                found |= {base for base in self._bases(one) if isinstance(base, str)}
            self._externals[kin] = frozenset(found)
        return self._externals[kin]

    def _line(self, kin: Kin) -> Iterator[Kin]:
        """A class and the classes of the project that it inherits from, each once."""
        return line_of(kin, lambda one: [base for base in self._bases(one) if isinstance(base, Kin)])

    def _bases(self, kin: Kin) -> Iterator[Kin | str]:
        for name in kin.bases:
            if name:
                yield self._base(kin.home, name, 0)

    def _base(self, home: Sketch, name: str, steps: int) -> Kin | str:
        if steps > _MAX_STEPS:
            raise _UnsureError
        first, *rest = name.split(".")
        atoms: list[tuple[Sketch, _Atom]] = [(home, atom) for atom in self._meant(home, first)]
        if not atoms and first in BUILTINS and not home.stars:
            return f"builtins.{name}"
        while len(atoms) == 1 and steps <= _MAX_STEPS:
            steps += 1
            match atoms[0]:
                case (_, Kin() as found) if not rest:
                    return found
                case (_, v.Ext(package)):
                    return ".".join((package, *rest))
                case (_, v.Imported() as imported):
                    atoms = self._bound_in(imported)
                case (at, v.File(path)) if rest:
                    atoms = [(at, v.Imported(path, rest.pop(0)))]
                case (at, Value(alias)) if alias:
                    return self._base(at, ".".join((alias, *rest)), steps)
                case _:
                    break
        raise _UnsureError


def _run(body: Code, named: dict[str, list[Code]]) -> Iterator[Code]:
    """The body of a file and the functions of the file that it may call by name: these are interpreted in any case."""
    pending = [body]
    seen = set(pending)
    while pending:
        code = pending.pop()
        yield code
        new = {one for last in glance(code).lasts for one in named.get(last, ())} - seen
        seen |= new
        pending += new


def _constructors(line: Iterable[Kin]) -> Iterator[Code]:
    return (method for one in line for method in one.methods if method.name == "__init__")
