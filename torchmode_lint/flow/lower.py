"""Lowering: one walk over a file's tree makes the control-flow graphs of all its codes.

The last place that reads syntax: `lower_file` takes what libcst parsed and the analysis sees only events.
The rows for each kind of node are in the `lower_*` files; this one holds what belongs to the whole file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

import libcst as cst

from torchmode_lint.flow import lower_comp, lower_def, lower_match, lower_stmt, lower_try  # noqa: F401
from torchmode_lint.flow.build import Builder
from torchmode_lint.flow.cfg import Code
from torchmode_lint.flow.dispatch import suite
from torchmode_lint.flow.nodes import Gone
from torchmode_lint.flow.outline import Outline
from torchmode_lint.flow.scopes import Scope, numbered, settle

_EVENTS = 1 << 32  # more than a part of a file can have


class Part:
    """A function that is in no other, or the rest of the file: what is lowered in one go, with numbers of its own."""

    __slots__ = ("codes", "events", "next_scope", "scopes")

    def __init__(self, number: int, first_scope: int) -> None:
        self.events = number * _EVENTS
        self.next_scope = numbered(number, first_scope)
        self.scopes: list[Scope] = []
        self.codes: list[Code] = []


class Lowering:
    """What is counted and kept through one file; `outline`: where the bodies of its functions are.

    `later`: functions wait until somebody asks for what is inside them, though their bodies are there.
    """

    def __init__(
        self, first_scope: int = 0, outline: Outline | None = None, gone: Gone | None = None, *, later: bool = False
    ) -> None:
        self.first_scope = first_scope
        self.outline = outline
        self.gone = gone
        self.later = later
        self.scopes: dict[int, Scope] = {}
        self.rest = Part(0, first_scope)
        self._parts = [self.rest]
        self._codes: dict[cst.CSTNode, Code] = {}
        self._inner: dict[cst.CSTNode, Scope] = {}
        self._pending: deque[tuple[Code, Part, Callable[[Builder], None]]] = deque()

    def scope(self, kind: str, part: Part, parent: Scope | None) -> Scope:
        made = self.scopes[part.next_scope] = Scope(kind, part.next_scope, parent)
        part.next_scope += 1
        part.scopes.append(made)
        return made

    def inner_scope(self, kind: str, node: cst.CSTNode, b: Builder) -> Scope:
        """The scope of a comprehension or of type parameters: one, however often it is lowered."""
        found = self._inner.get(node)
        if found is None:
            found = self._inner[node] = self.scope(kind, b.part, b.scope)
        return found

    def scope_of(self, code: Code) -> Scope:
        return self.scopes[code.scope]

    def code_of(self, node: cst.CSTNode) -> Code | None:
        return self._codes.get(node)

    def make_code(
        self, b: Builder, kind: str, name: str, node: cst.CSTNode, outer: Scope, body: Callable[[Builder], None]
    ) -> Code:
        """A code inside `b`'s, whose body is lowered when its turn comes."""
        part = b.part
        if part is self.rest and kind == "function":
            part = Part(len(self._parts), self.first_scope)
            self._parts.append(part)
        scope = self.scope("class" if kind == "class" else "function", part, outer)
        parent = b.code
        qualname = f"{parent.qualname}.{name}" if parent.qualname else name
        code = Code(kind, name, qualname, scope.number, parent, node)
        parent.codes.append(code)
        self._codes[node] = code
        outline = self.outline
        number = outline.number_of(node) if outline is not None and part is not b.part else None
        if outline is not None and number is not None:
            parsed = partial(outline.parsed, number)
            code.put_off(partial(self._fill, code, part, lambda b: suite(b, parsed())), outline.bodies[number])
        elif self.later and part is not b.part:
            code.put_off(partial(self._fill, code, part, body))
        else:
            self._pending.append((code, part, body))
        return code

    def run(self, code: Code, part: Part, body: Callable[[Builder], None]) -> None:
        part.codes.append(code)
        builder = Builder(code, self.scope_of(code), self, part)
        body(builder)
        builder.finish()
        code.locals = builder.scope.locals()

    def run_pending(self) -> None:
        while self._pending:
            self.run(*self._pending.popleft())
        self._codes.clear()  # and with them the nodes
        self._inner.clear()

    def settle(self, *parts: Part) -> None:
        """Find the owners of the variables in some parts, or in all that are lowered."""
        for part in parts or self._parts:
            if part.codes:
                settle(part.scopes, part.codes, self.scopes, self.first_scope)

    def _fill(self, code: Code, part: Part, body: Callable[[Builder], None]) -> None:
        """Lower a function that was put off."""
        self.run(code, part, body)
        self.run_pending()
        self.settle(part)
        if self.gone is not None:
            give_up(part.codes, self.gone)


def lower_file(
    module: cst.Module,
    first_scope: int = 0,
    outline: Outline | None = None,
    gone: Gone | None = None,
    *,
    later: bool = False,
) -> Code:
    """The code of a file; those of its functions and classes hang below it.

    Scopes are numbered from `first_scope`, so that the files of one project can have numbers of their own. With an
    `outline`, whose tree `module` is, the functions in it are put off, and `gone` stands for all nodes; `later` puts
    all functions off.

    Raises RecursionError for expressions nested deeper than about 450 under Python's usual limit.
    """
    lowering = Lowering(first_scope, outline, gone, later=later)
    lowering.scope("file", lowering.rest, None)
    file = Code("file", "", "", first_scope, None, module)
    lowering.run(file, lowering.rest, lambda b: suite(b, module))
    lowering.run_pending()
    lowering.settle()
    if gone is not None:
        give_up(file.walk_lowered(), gone)
    return file


def give_up(codes: Iterable[Code], gone: Gone) -> None:
    """Forget the nodes of codes and of their events."""
    for code in codes:
        code.syntax = gone
        for block in () if code.is_put_off else code.blocks:
            for event in block.events:
                object.__setattr__(event, "syntax", gone)
