"""Which scope a name belongs to, by Python's rules, found after one walk over the file.

A name may be used before the statement that makes it local, so a `Scope` gives out a `Variable` of its own
while the file is lowered, and `settle` puts that of its owner in its place when all bindings are known: the
tree need not be walked twice. No code past lowering sees an unsettled variable.

No two scopes of a run have the same number. A function that is in no other numbers its own, so that they do not depend
on when it is lowered.

Not modelled: mangling of private names, and a class body's fall back to the enclosing scopes for a
name that it binds only later (`x = x`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchmode_lint.flow.events import Annotate, Delete, Load, Store, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchmode_lint.flow.cfg import Code

PER_PART = 1 << 16
PER_FILE = 1 << 40


def numbered(part: int, first: int) -> int:
    """The first number of a part of a file whose own scope has the number `first`."""
    return first + part * PER_PART


def shown(number: int) -> str:
    """A scope's number for people: that of the part, and within it."""
    part, inner = divmod(number % PER_FILE, PER_PART)
    return f"{part}.{inner}" if inner else str(part)


class Scope:
    """`kind` is "file", "function" (also a lambda), "class", "comprehension" or "types" (type parameters)."""

    __slots__ = ("bound", "globals", "kind", "nonlocals", "number", "parent", "variables")

    def __init__(self, kind: str, number: int, parent: Scope | None) -> None:
        self.kind = kind
        self.number = number
        self.parent = parent
        self.variables: dict[str, Variable] = {}
        self.bound: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()

    def use(self, name: str) -> Variable:
        """The variable that `name` means here; its owner is known once the file is settled."""
        variable = self.variables.get(name)
        if variable is None:
            variable = self.variables[name] = Variable(self.number, name)
        return variable

    def bind(self, name: str) -> Variable:
        self.bound.add(name)
        return self.use(name)

    def bind_walrus(self, name: str) -> Variable:
        """`name := ...` binds past the comprehensions around it."""
        scope = self
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        return scope.bind(name)

    def owns(self, name: str) -> bool:
        return name in self.bound and name not in self.globals and name not in self.nonlocals

    def locals(self) -> frozenset[str]:
        return frozenset(self.bound - self.globals - self.nonlocals)


def settle(scopes: Iterable[Scope], codes: Iterable[Code], by_number: Mapping[int, Scope], file: int) -> None:
    """Gives every variable in the events of some codes its owner.

    `scopes` are those of the codes; `by_number` has all scopes of the file, whose own has the number `file`.
    """
    settled: dict[Variable, Variable] = {}
    for scope in scopes:
        for name, variable in list(scope.variables.items()):
            owner = _owner(scope, name, file)
            if owner != variable.scope:
                settled[variable] = by_number[owner].use(name)
    for code in codes:
        for block in code.blocks:
            for event in block.events:
                if isinstance(event, Load | Store | Delete | Annotate) and event.variable in settled:
                    # The one write to a frozen value, before anyone else has seen it.
                    object.__setattr__(event, "variable", settled[event.variable])


def _owner(scope: Scope, name: str, file: int) -> int:
    if scope.owns(name):
        return scope.number
    if name in scope.globals:
        return file
    sees_class = scope.kind == "types"  # type parameters stand directly in a class and see its names
    outer = scope.parent
    while outer is not None:
        if outer.kind != "class" or sees_class:
            if outer.owns(name):
                return outer.number
            if name in outer.globals:
                return file
            sees_class = outer.kind == "types" and sees_class
        outer = outer.parent
    return file
