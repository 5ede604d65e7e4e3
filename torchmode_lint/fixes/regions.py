"""Which statements evaluate and which train: how far a change of mode or grad mode may reach, and who says what it is.

A *region* is the statement that a change is put around or before: as many loops and `with` blocks around a forward
as hold no training and do not choose the module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import libcst as cst

from torchmode_lint.analysis.records import Point
from torchmode_lint.fixes.syntax import Place, Syntax, binds, dotted, walk

if TYPE_CHECKING:
    from torchmode_lint.analysis.program import Forward, Program
    from torchmode_lint.analysis.values import Context

_PASSABLE = (cst.For, cst.While, cst.With)
_ESCAPES = (cst.Return, cst.Yield, cst.Break, cst.Continue)


class Training:
    """The statements of a file in which something is trained, or from which it is called."""

    def __init__(self, program: Program, syntax: Syntax) -> None:
        self._busy: set[cst.CSTNode] = set()
        for point in _trainings(program):
            for node in nodes_of(program, point):
                at: cst.CSTNode | None = node
                while at is not None and at not in self._busy:
                    self._busy.add(at)
                    at = syntax.parent(at)

    def __contains__(self, node: cst.CSTNode) -> bool:
        return node in self._busy


def _trainings(program: Program) -> Iterator[Point]:
    teachers = program.unowned - program.owned  # walked, though nobody trains them
    yield from (Point(key.event, key.context) for key in program.trained - teachers)
    yield from (Point(backward.event, backward.context) for backward in program.backwards)
    yield from (Point(step.event, step.context) for step in program.steps)
    for context in program.blind_backwards:
        if context.call is not None and context.parent is not None:
            yield Point(context.call, context.parent)


def nodes_of(program: Program, point: Point) -> Iterator[cst.CSTNode]:
    """The node of an event and of the calls that lead to it, as far as they are in the file."""
    if program.here(point.context):
        yield point.event.node
    for at in point.context.chain():
        if at.call is not None and at.parent is not None and program.here(at.parent):
            yield at.call.node


def region(syntax: Syntax, training: Training, node: cst.CSTNode, name: str | None) -> Place | None:
    """The outermost statement around a node that neither trains nor binds `name`; None if the innermost one trains."""
    place = syntax.place(node)
    if place is None or place.statement in training:
        return None
    while True:
        outer = syntax.outer(place)
        if outer is None or not isinstance(outer.statement, _PASSABLE) or outer.statement in training:
            return place
        if name is not None and binds(outer.statement, name):
            return place
        place = outer


def escapes(node: cst.CSTNode) -> bool:
    """Whether control may leave a statement early: by `return`, or by `break` or `continue` of a loop outside."""
    pending: list[tuple[cst.CSTNode, bool]] = [(node, False)]
    while pending:
        at, in_loop = pending.pop()
        if isinstance(at, (cst.Return, cst.Yield)) or (isinstance(at, _ESCAPES) and not in_loop):
            return True
        if isinstance(at, (cst.FunctionDef, cst.ClassDef, cst.Lambda)):
            continue
        loops = in_loop or isinstance(at, (cst.For, cst.While))
        pending += [(child, loops) for child in at.children]
    return False


def receiver(forward: Forward) -> cst.BaseExpression | None:
    """The expression of the module that a forward applies."""
    call = forward.event.node
    if not isinstance(call, cst.Call):
        return None
    if forward.exported:
        return call.args[0].value if call.args else None
    func = call.func
    if isinstance(func, cst.Attribute) and func.attr.value in {"forward", "__call__", forward.by_method}:
        return func.value
    return func


def expression(program: Program, forward: Forward, context: Context) -> str | None:
    """How the module of a forward is called in the code of `context`, which has led to it; None if it has no name."""
    node = receiver(forward)
    return None if node is None else named_in(program, node, forward.context, context)


def named_in(program: Program, node: cst.BaseExpression, inner: Context, context: Context) -> str | None:
    """What an expression in the code of `inner` is called in that of `context`, which has called it."""
    name = dotted(node)
    at = inner
    while name is not None and at is not context:
        if at.call is None or at.parent is None:
            return None
        name = _outside(program, name, at)
        at = at.parent
    return name


def _outside(program: Program, name: str, context: Context) -> str | None:
    """What a name in a function is for its caller: the argument that was given for it, or the same global name."""
    code = context.code
    root, dot, rest = name.partition(".")
    if root not in {parameter.name for parameter in code.parameters}:
        shared = code.parent is not None and root not in code.locals and program.here(context)
        return name if shared and context.parent is not None and root not in context.parent.code.locals else None
    value = argument(context, root)
    outer = None if value is None else dotted(value)
    return None if outer is None else f"{outer}{dot}{rest}"


def argument(context: Context, name: str) -> cst.BaseExpression | None:
    """The expression that was given for a parameter of a function, unless the function binds that anew."""
    code, call = context.code, context.call
    function = code.node
    if call is None or not isinstance(function, cst.FunctionDef) or not isinstance(call.node, cst.Call):
        return None
    if binds(function.body, name) or any(arg.star for arg in call.node.args):
        return None
    names = [parameter.name for parameter in code.parameters if parameter.kind in ("normal", "positional")]
    arguments = {arg.keyword.value: arg.value for arg in call.node.args if arg.keyword is not None}
    given = [arg.value for arg in call.node.args if arg.keyword is None]
    if code.parent is not None and code.parent.kind == "class" and "staticmethod" not in code.decorators:
        if not isinstance(call.node.func, cst.Attribute):
            return None
        given.insert(0, call.node.func.value)
    arguments.update(zip(names, given, strict=False))
    return arguments.get(name)


def condition(syntax: Syntax, training: Training, node: cst.CSTNode) -> cst.BaseExpression | None:
    """What decides on whether a forward is trained: of a `set_grad_enabled` around it, or of an `if` with the backward.

    Its names must mean the same at the forward as there.
    """
    for at in syntax.around(node):
        if isinstance(at, cst.With):
            for item in at.items:
                if isinstance(item.item, cst.Call) and (dotted(item.item.func) or "").endswith("set_grad_enabled"):
                    if len(item.item.args) == 1:
                        return item.item.args[0].value
    place = syntax.place(node)
    while place is not None:
        for i, after in enumerate(place.after):
            if isinstance(after, cst.If) and after.body in training and _is_plain(after.test):
                between = place.after[:i]
                rebound = any(binds(one, name) for one in (place.statement, *between) for name in names(after.test))
                return None if rebound else after.test
        place = syntax.outer(place)
        if place is None or not isinstance(place.statement, cst.With):
            return None
    return None


def _is_plain(test: cst.BaseExpression) -> bool:
    """Whether asking a second time gives the same: a test of names, attributes and literals."""
    return not any(isinstance(at, (cst.Call, cst.NamedExpr, cst.Await)) for at in walk(test))


def names(node: cst.CSTNode) -> set[str]:
    """The names that an expression is made of, those of attributes included."""
    return {at.value for at in walk(node) if isinstance(at, cst.Name)}


def is_in(syntax: Syntax, node: cst.CSTNode, around: cst.CSTNode) -> bool:
    return node is around or any(at is around for at in syntax.around(node))


def holds(syntax: Syntax, around: cst.CSTNode, nodes: Iterable[cst.CSTNode]) -> bool:
    return any(is_in(syntax, node, around) for node in nodes)


def first_here(program: Program, points: Iterable[Point]) -> list[Point]:
    """The points in this file, in its order."""
    return sorted((p for p in points if program.here(p.context)), key=lambda p: p.event.index)
