"""Who lowers which kind of node: each `lower_*` file adds its rows here, so that they need not import each other.

Two frames of recursion a level: `expression` (or `suite`) and the row's function. Chains that grow to
the left or right without brackets (`a + b + ...`, `a.b().c()...`, `elif`) are loops in their rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import libcst as cst

from torchmode_lint.flow.build import Builder
from torchmode_lint.flow.events import Register

Expressions: TypeAlias = dict[type[cst.CSTNode], Callable[[Builder, Any], Register]]
Statements: TypeAlias = dict[type[cst.CSTNode], Callable[[Builder, Any], None]]

EXPRESSIONS: Expressions = {}
STATEMENTS: Statements = {}


def expression(b: Builder, node: cst.CSTNode) -> Register:
    """Lowers an expression into the open block (and others it makes); where its value is."""
    return EXPRESSIONS[type(node)](b, node)


def suite(b: Builder, body: cst.BaseSuite | cst.Module) -> None:
    """Lowers the statements of a block, a one-line block or the file."""
    if type(body) is cst.SimpleStatementSuite:
        for small in body.body:
            STATEMENTS[type(small)](b, small)
        return
    for statement in body.body:
        if type(statement) is cst.SimpleStatementLine:
            for small in statement.body:
                STATEMENTS[type(small)](b, small)
        else:
            STATEMENTS[type(statement)](b, statement)
