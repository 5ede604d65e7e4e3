"""Fixes of tensors that are no leaves: their gradients kept, or the leaf made last."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import libcst as cst

from torchmode_lint.diagnostic import Fix
from torchmode_lint.fixes.draft import Draft
from torchmode_lint.fixes.syntax import Place, assigned, binds, dotted, read
from torchmode_lint.flow.events import Event

if TYPE_CHECKING:
    from torchmode_lint.analysis.program import GradRead, Program


def keep_gradient(program: Program, found: GradRead, *, sure: bool) -> Fix | None:
    """What gives a tensor that is no leaf a gradient, or makes it the leaf that it was to be."""
    draft = Draft(program.source)
    made = _made(program, found)
    place = None if made is None else draft.syntax.line(made)
    here = draft.syntax.line(found.event.node)
    if place is None or made is None:
        return None
    named = assigned(place.statement)
    if named is None:
        return None
    name, value = named
    if here is not None and here.statement is place.statement:
        return _step_in_place(draft, place, name, value)
    asking = _asks_for_grad(value)
    steps = _in_steps(place, here, name) if asking is None and found.optimized else None
    if steps is not None:
        (asking, value), sure = steps, False
    if asking is not None:
        draft.without_keyword(asking, "requires_grad")
        draft.method(value, ".requires_grad_()")
        return draft.fix(f"let `{name}` require its gradient when it is complete", safe=sure)
    if found.optimized or value is not made:
        return None
    draft.after(place, f"{name}.retain_grad()")
    same = draft.syntax.function(made) is draft.syntax.function(found.event.node)
    return draft.fix(f"let `{name}` keep its gradient", safe=sure and same)


def _made(program: Program, found: GradRead) -> cst.CSTNode | None:
    """The expression that made a tensor, if it is in this file."""
    made = found.tensor.made
    if made is None and len(found.tensor.must) == 1:
        made = next(iter(found.tensor.must)).event
    node = made.node if isinstance(made, Event) else None
    return node if node in program.source.parents else None


def _asks_for_grad(value: cst.BaseExpression) -> cst.Call | None:
    """The call with `requires_grad=True` with whose result an expression goes on."""
    start = _start(value)
    return start if start is not value and _is_leaf(start) else None


def _in_steps(made: Place, given: Place | None, name: str) -> tuple[cst.Call, cst.BaseExpression] | None:
    """The same, and the last value of the name, where lines like `x = x.view(2)` and no other use come in between."""
    if given is None or given.suite is not made.suite:
        return None
    last = None
    for statement in reversed(given.before):
        named = assigned(statement)
        if named is None or named[0] != name:
            if binds(statement, name) or (last is not None and name in read(statement)):
                return None
            continue
        start, last = _start(named[1]), last or named[1]
        if _is_leaf(start):
            return None if start is last else (start, last)
        if dotted(start) != name:
            return None
    return None


def _start(value: cst.BaseExpression) -> cst.BaseExpression:
    """What an expression begins with and then goes on from by methods and plain numbers.

    Not by `expand`: the elements of its result share memory, so that nothing can be written into it.
    """
    at = value
    while True:
        match at:
            case cst.Call() if _is_leaf(at):
                return at
            case cst.Call(func=cst.Attribute(attr=cst.Name("expand" | "expand_as" | "broadcast_to"))):
                return at
            case cst.Call(func=cst.Attribute(value=inner)) | cst.UnaryOperation(expression=inner):
                at = inner
            case cst.BinaryOperation(left=inner, right=cst.Integer() | cst.Float()):
                at = inner
            case cst.BinaryOperation(left=cst.Integer() | cst.Float(), right=inner):
                at = inner
            case _:
                return at


def _is_leaf(value: cst.BaseExpression) -> TypeGuard[cst.Call]:
    return isinstance(value, cst.Call) and any(_is_asking(arg) for arg in value.args)


def _is_asking(arg: cst.Arg) -> bool:
    return arg.keyword is not None and arg.keyword.value == "requires_grad" and dotted(arg.value) == "True"


def _step_in_place(draft: Draft, place: Place, name: str, value: cst.BaseExpression) -> Fix | None:
    """`w -= lr * w.grad` for `w = w - lr * w.grad`, so that `w` stays the leaf that it was."""
    match value:
        case cst.BinaryOperation(left=left, operator=cst.Subtract(), right=right) if dotted(left) == name:
            draft.wrap([place.statement], f"with {draft.torch('no_grad')}():")
            draft.replace(place.statement, f"{name} -= {draft.syntax.text(right)}")
            draft.after(place, f"{name}.grad = None")
            return draft.fix(f"move `{name}` in place, so that it stays a leaf", safe=False)
    return None
