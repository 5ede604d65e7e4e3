"""Lowering: one walk over a file's tree makes the control-flow graphs of all its codes.

The last place that reads syntax: `lower_file` takes what libcst parsed and the analysis sees only events.
The rows for each kind of node are in the `lower_*` files; this one holds what belongs to the whole file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import libcst as cst

from torchmode_lint.flow import lower_comp, lower_def, lower_match, lower_stmt, lower_try  # noqa: F401
from torchmode_lint.flow.build import Builder
from torchmode_lint.flow.cfg import Code
from torchmode_lint.flow.dispatch import suite
from torchmode_lint.flow.scopes import Scope, settle


class Lowering:
    """What is counted and kept through one file."""

    def __init__(self, first_scope: int = 0) -> None:
        self.events = 0
        self.first_scope = first_scope
        self.scopes: list[Scope] = []
        self._codes: dict[cst.CSTNode, Code] = {}
        self._inner: dict[cst.CSTNode, Scope] = {}
        self._pending: deque[tuple[Code, Callable[[Builder], None]]] = deque()

    def scope(self, kind: str, parent: Scope | None) -> Scope:
        made = Scope(kind, self.first_scope + len(self.scopes), parent)
        self.scopes.append(made)
        return made

    def inner_scope(self, kind: str, node: cst.CSTNode, parent: Scope) -> Scope:
        """The scope of a comprehension or of type parameters: one, however often it is lowered."""
        found = self._inner.get(node)
        if found is None:
            found = self._inner[node] = self.scope(kind, parent)
        return found

    def scope_of(self, code: Code) -> Scope:
        return self.scopes[code.scope - self.first_scope]

    def code_of(self, node: cst.CSTNode) -> Code | None:
        return self._codes.get(node)

    def make_code(
        self, b: Builder, kind: str, name: str, node: cst.CSTNode, outer: Scope, body: Callable[[Builder], None]
    ) -> Code:
        """A code inside `b`'s, whose body is lowered when its turn comes."""
        scope = self.scope("class" if kind == "class" else "function", outer)
        parent = b.code
        qualname = f"{parent.qualname}.{name}" if parent.qualname else name
        code = Code(kind, name, qualname, scope.number, parent, node)
        parent.codes.append(code)
        self._codes[node] = code
        self._pending.append((code, body))
        return code

    def run(self, code: Code, body: Callable[[Builder], None]) -> None:
        builder = Builder(code, self.scope_of(code), self)
        body(builder)
        builder.finish()
        code.locals = builder.scope.locals()

    def run_pending(self) -> None:
        while self._pending:
            self.run(*self._pending.popleft())


def lower_file(module: cst.Module, first_scope: int = 0) -> Code:
    """The code of a file; those of its functions and classes hang below it.

    Scopes are numbered from `first_scope`, so that the files of one project can have numbers of their own.

    Raises RecursionError for expressions nested deeper than about 450 under Python's usual limit.
    """
    lowering = Lowering(first_scope)
    lowering.scope("file", None)
    file = Code("file", "", "", first_scope, None, module)
    lowering.run(file, lambda b: suite(b, module))
    lowering.run_pending()
    settle(lowering.scopes, file)
    return file
