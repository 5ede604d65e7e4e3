"""Comprehensions: loops inside the code around them, with a scope of their own for their targets.

A generator expression is lowered like a list: when its elements are drawn is not modelled.
"""

from __future__ import annotations

import libcst as cst

from torchmode_lint.flow import events as ev
from torchmode_lint.flow.build import Builder
from torchmode_lint.flow.cfg import Next
from torchmode_lint.flow.dispatch import EXPRESSIONS, expression
from torchmode_lint.flow.events import Register
from torchmode_lint.flow.lower_assign import assign
from torchmode_lint.flow.lower_bool import condition
from torchmode_lint.flow.lower_expr import build

_KINDS: dict[type[cst.CSTNode], str] = {
    cst.ListComp: "list",
    cst.SetComp: "set",
    cst.DictComp: "dict",
    cst.GeneratorExp: "list",
}


def _comprehension(b: Builder, node: cst.ListComp | cst.SetComp | cst.DictComp | cst.GeneratorExp) -> Register:
    container = build(b, node, _KINDS[type(node)], ())
    outside, outer_loops = b.scope, b.loops
    inside = b.file.inner_scope("comprehension", node, b)
    back = after = b.fresh()
    part: cst.CompFor | None = node.for_in
    while part is not None:
        src = expression(b, part.iter)  # the first one in the scope around, where Python evaluates it
        b.scope = inside
        iterator = b.register()
        b.emit(ev.Iterate(b.index(), part, iterator, src))
        head = b.fresh()
        b.go(head)
        head.loops = b.loops = (*b.loops, head)
        element = b.register()
        body = b.fresh()
        b.end(Next(iterator, element, body, back), body)
        assign(b, part.target, element)
        for test in part.ifs:
            passed = b.fresh()
            condition(b, test.test, passed, head)
            b.block = passed
        back = head  # where the loop inside goes when it is done
        part = part.inner_for_in
    key = expression(b, node.key) if isinstance(node, cst.DictComp) else None
    value = expression(b, node.value if isinstance(node, cst.DictComp) else node.elt)
    b.emit(ev.Grow(b.index(), node, container, value, key))
    b.go(back, after)
    b.scope, b.loops = outside, outer_loops
    return container


EXPRESSIONS.update(dict.fromkeys(_KINDS, _comprehension))
