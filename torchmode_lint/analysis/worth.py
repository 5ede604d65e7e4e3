"""Whether a file is worth a look, before libcst reads it and anything of it is interpreted.

What can make one of its functions a root is asked of sketches: of this file, and of those that its names lead to. What
these cannot say without interpretation is taken for worth a look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from torchmode_lint.analysis import construction
from torchmode_lint.analysis.glance import glance
from torchmode_lint.analysis.mentions import GRAD_MODES
from torchmode_lint.analysis.relevance import Kind, Relevance, by_name, calls_several, functions
from torchmode_lint.analysis.sketch import Kin, Sketch
from torchmode_lint.analysis.sketched_names import SketchedNames, UnsureError, imports_itself
from torchmode_lint.flow.cfg import Code
from torchmode_lint.harmless import may_drop
from torchmode_lint.python_parser import file_tree
from torchmode_lint.screen import names_moves

if TYPE_CHECKING:
    from torchmode_lint.analysis.loader import Loader


def is_worth_a_look(text: str, path: Path, loader: Loader) -> bool:
    """Whether the file at `path` with this text may have to do with a diagnostic."""
    tree = file_tree(text)
    if tree is None or may_drop(text):
        return True
    at = path.resolve()
    if not names_moves(text) or not loader.project.knows_torch(at, text):
        return False
    sketch = Sketch(at, text, tree)
    try:
        return _wakes(sketch, SketchedNames(sketch, loader))
    except UnsureError:
        return True
    finally:
        sketch.dismantle()


def _wakes(own: Sketch, names: SketchedNames) -> bool:
    """Whether the file may have a root, or its own body says or knows anything."""
    named = by_name(own.code)
    relevance = {kind: Relevance(named, names, kind) for kind in Kind}
    of_file, aside = own.at_once()  # both are interpreted in any case
    in_general = relevance[Kind.FUNCTION]
    if in_general.may_know(of_file) or in_general.may_be(aside):
        return True
    if any(in_general.may_be(code) or imports_itself(code) for code in _run(of_file, named)):
        return True
    if not GRAD_MODES.isdisjoint(own.bare):
        return True
    return any(_is_relevant(own, names, code, relevance) for code in functions(own.code)) or _inherits(own, names)


def _is_relevant(own: Sketch, names: SketchedNames, code: Code, relevance: dict[Kind, Relevance]) -> bool:
    kin = own.class_of.get(code)
    if kin is None:
        return relevance[Kind.FUNCTION].of(code)
    if not relevance[Kind.FUNCTION].may_be(code):
        return False
    if names.is_module(kin):
        kind = Kind.CONSTRUCTOR if code.name == "__init__" else Kind.METHOD
        if relevance[kind].of(code):
            return True
        if not any(map(_trains_itself, names.line(kin))):
            return False
    return relevance[Kind.FUNCTION].of(code, _constructors(names.line(kin)))


def _trains_itself(kin: Kin) -> bool:
    if kin.trains_itself is None:
        kin.trains_itself = construction.makes_moves(kin.code)
    return kin.trains_itself


def _inherits(own: Sketch, names: SketchedNames) -> bool:
    """Whether a method of a base class in another file, worth a look, calls methods of a class of this one."""
    for kin in own.classes:
        if not kin.bases or names.is_module(kin):
            continue
        methods = {f"self.{method.name}" for method in kin.methods}
        line = list(names.line(kin))
        for base in (one for one in line if one.home is not own):
            found = [method for method in base.methods if calls_several(method, methods)]
            if found:
                relevance = Relevance(by_name(own.code, base.home.code), names, Kind.FUNCTION)
                if any(relevance.of(method, _constructors(line)) for method in found):
                    return True
    return False


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
