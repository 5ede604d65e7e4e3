"""What names mean to sketches: which functions of other files, whether modules, and what classes inherit.

Imports are followed from sketch to sketch, as `imports` and `loader` follow them from body to body. Where only a body
would say it, an `UnsureError` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from torchmode_lint import torch_api as api
from torchmode_lint.analysis import codes
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.classes import line_of
from torchmode_lint.analysis.glance import glance
from torchmode_lint.analysis.mentions import BUILTINS, leaves
from torchmode_lint.analysis.sketch import Import, Kin, Sketch, Value
from torchmode_lint.flow.cfg import Code
from torchmode_lint.screen import names_protocol

if TYPE_CHECKING:
    from torchmode_lint.analysis.loader import Loader
    from torchmode_lint.analysis.sketch import Bound

_MAX_SKETCHES = 60  # of other files
_MAX_MAKERS = 20  # functions that are followed to see whether they make modules
_MAX_STEPS = 20  # from one file to the next
_IMPORTS = re.compile(r"^[ \t]+(?:from|import)\b", re.MULTILINE)

_Atom: TypeAlias = "v.Ext | v.File | v.Imported | Code | Kin | Value | None"


class UnsureError(Exception):
    """Sketches do not say it."""


def imports_itself(code: Code) -> bool:
    """Whether a function imports something: what that binds is no name of the file."""
    return _IMPORTS.search(code.text) is not None


class SketchedNames:
    """Says of names what `Codes` would."""

    def __init__(self, sketch: Sketch, loader: Loader) -> None:
        self._own = sketch
        self._loader = loader
        self._project = loader.project
        self._sketches: dict[Path, Sketch] = {sketch.path: sketch}
        self._homes: dict[Code, Sketch] = {sketch.code: sketch}
        self._externals: dict[Kin, frozenset[str]] = {}
        self._asked_of: set[Code] = set()  # whether they name modules, just now

    def elsewhere(self, code: Code, name: str, *, modules: bool = False) -> Code | None:
        found = dict.fromkeys(self._outside(self._homes[code.file], name, modules, 0))
        if len(found) > 1:
            raise UnsureError
        return next(iter(found), None)

    def _outside(self, sketch: Sketch, name: str, modules: bool, steps: int) -> Iterator[Code]:
        if steps > _MAX_STEPS:
            raise UnsureError
        first, *rest = name.split(".")
        for atom in self._meant(sketch, first):
            match atom:
                case v.Imported(path) | v.File(path):
                    moves = self._project.mentions(path, names_protocol)
                    if moves or (modules and self._of_modules_by_text(atom, rest)):
                        yield from self._followed(atom, rest, 0)
                case Value(alias) if alias:
                    yield from self._outside(sketch, ".".join((alias, *rest)), modules, steps + 1)
                case Value(_, called) if called and not rest:
                    raise UnsureError  # a function, maybe, that was put around another

    def may_make_modules(self, code: Code, name: str) -> bool:
        return self._may_make(self._homes[code.file], name, 0)

    def _may_make(self, sketch: Sketch, name: str, steps: int) -> bool:
        first, *rest = name.split(".")
        return any(self._is_of_modules(sketch, atom, rest, steps) for atom in self._meant(sketch, first))

    def _is_of_modules(self, sketch: Sketch, atom: _Atom, rest: list[str], steps: int) -> bool:
        if steps > _MAX_STEPS:
            raise UnsureError
        match atom:
            case v.Imported():
                inner = self._bound_in(atom) if self._of_modules_by_text(atom, rest) else ()
                return any(self._is_of_modules(home, one, rest, steps + 1) for home, one in inner)
            case v.File(path):
                return bool(rest) and self._is_of_modules(sketch, v.Imported(path, rest[0]), rest[1:], steps + 1)
            case v.Ext(package):
                return api.may_make_modules(".".join((package, *rest)))
            case Kin():
                return self.is_module(atom)
            case Code():
                return False
            case Value(alias, called, names):
                if alias:
                    return self._may_make(sketch, ".".join((alias, *rest)), steps + 1)
                if called and self._returns_modules(sketch, called):
                    return True
                return any(self._may_make(sketch, name, steps + 1) or self._is_function(sketch, name) for name in names)
        raise UnsureError

    def _returns_modules(self, sketch: Sketch, called: str) -> bool:
        """Whether a call may return what is, or holds, modules."""
        first, *rest = called.split(".")
        if first == "?":
            raise UnsureError
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
                    raise UnsureError
        return False

    def _names_modules(self, code: Code) -> bool:
        """Whether a function of another file, or one that it names, names modules; past a few functions, it may."""
        seen = {code}
        pending = [code]
        while pending:
            at = pending.pop()
            if len(seen) > _MAX_MAKERS or at in self._asked_of or imports_itself(at):
                raise UnsureError
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
                    raise UnsureError

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
            raise UnsureError
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
                            raise UnsureError
                        yield from self._followed(meant, [*others, *rest], steps + 1)
                case Value(_, called) if not called or rest:
                    pass
                case v.Ext():
                    pass
                case _:
                    raise UnsureError

    def _meant(self, sketch: Sketch, name: str) -> list[_Atom]:
        """All that a global name of a file may mean."""
        known: list[_Atom] | None = sketch.meant.get(name)
        if known is None:
            if name not in sketch.bound:
                self._not_by_stars(sketch, name)
            known = sketch.meant[name] = [self._atom(sketch, one) for one in sketch.bound.get(name, ())]
        return known

    def _not_by_stars(self, sketch: Sketch, name: str) -> None:
        """No star import may bind a name."""
        for star in sketch.stars:
            path = self._project.find(sketch.path, star.loaded, star.level)
            if path is not None and self._project.may_bind(path, name):
                raise UnsureError

    def _bound_in(self, imported: v.Imported) -> list[tuple[Sketch, _Atom]]:
        """What a name of another file may mean there."""
        if self._loader.told(imported) is not None:
            raise UnsureError
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
                raise UnsureError
            self._sketches[path] = found
            self._homes[found.code] = found
        return self._sketches[path]

    def is_module(self, kin: Kin) -> bool:
        externals = self._external_bases(kin)
        framework = any(base.startswith(api.FRAMEWORK_BASES) for base in externals)
        return not framework and any(map(api.is_module_base, externals))

    def _external_bases(self, kin: Kin) -> frozenset[str]:
        if kin not in self._externals:
            found: set[str] = set()
            for one in self.line(kin):
                found |= {base for base in self._bases(one) if isinstance(base, str)}
            self._externals[kin] = frozenset(found)
        return self._externals[kin]

    def line(self, kin: Kin) -> Iterator[Kin]:
        """A class and the classes of the project that it inherits from, each once."""
        return line_of(kin, lambda one: [base for base in self._bases(one) if isinstance(base, Kin)])

    def _bases(self, kin: Kin) -> Iterator[Kin | str]:
        for name in kin.bases:
            if name:
                yield self._base(kin.home, name, 0)

    def _base(self, home: Sketch, name: str, steps: int) -> Kin | str:
        if steps > _MAX_STEPS:
            raise UnsureError
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
        raise UnsureError
