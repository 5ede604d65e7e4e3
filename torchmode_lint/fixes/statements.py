"""Fixes of statements without effect: what they were meant to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from torchmode_lint.diagnostic import Fix
from torchmode_lint.fixes import regions
from torchmode_lint.fixes.draft import Draft
from torchmode_lint.fixes.syntax import Place, Syntax, dotted, is_docstring, read, targets, walk

if TYPE_CHECKING:
    from torchmode_lint.analysis.program import NoEffect, Program
    from torchmode_lint.analysis.values import Context


def forgotten(program: Program, context: Context, method: str) -> bool:
    """Whether such a call is made in the same function and has no effect: repairing that repairs more."""
    return any(found.what == method and found.context.code is context.code for found in program.no_effects)


def take_effect(program: Program, found: NoEffect) -> Fix | None:
    """What a statement that does nothing was meant to be."""
    draft = Draft(program.source)
    statement = found.event.node
    if found.form == "bare":
        return _call_decorators(draft, statement, found.what.rpartition(".")[2])
    assert isinstance(statement, cst.Expr)
    value = statement.value
    if found.form == "method":
        draft.method(value, "()")
        return draft.fix(f"call `{found.what}`", safe=True)
    if found.form == "grad mode":
        return _enter(program, draft, value)
    return _keep_result(draft, value)


def _call_decorators(draft: Draft, function: cst.CSTNode, name: str) -> Fix | None:
    """`@torch.no_grad()` for `@torch.no_grad`."""
    for one in function.decorators if isinstance(function, cst.FunctionDef) else ():
        word = dotted(one.decorator)
        if word is not None and word.rpartition(".")[2] == name:
            draft.append(one.decorator, "()")
    return draft.fix(f"call `{name}`", safe=True)


def _keep_result(draft: Draft, call: cst.BaseExpression) -> Fix | None:
    """`x = x.to(device)`, where `x` can be assigned and is read later on."""
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
        return None
    target = call.func.value
    if call.func.attr.value == "requires_grad":
        return None  # there is no such method
    place = draft.syntax.place(call)
    if place is None or not isinstance(target, (cst.Name, cst.Attribute, cst.Subscript)):
        return None
    if any(isinstance(at, (cst.Call, cst.Await, cst.NamedExpr)) for at in walk(target)):
        return None
    if _is_element(draft.syntax, place, target):
        return None
    name = draft.syntax.text(target)
    draft.prepend(call, f"{name} = ")
    return draft.fix(f"assign the result to `{name}`", safe=False)


def _is_element(syntax: Syntax, place: Place, target: cst.BaseExpression) -> bool:
    """Whether a name is that of a loop's element and is not read again: the tensor in the list would stay as it is."""
    name = dotted(target)
    for at in syntax.around(place.statement):
        if isinstance(at, cst.For) and name in targets(at.target):
            return not any(name in read(one) for one in place.after)
    return False


def entered(program: Program, context: Context) -> bool:
    """Whether a grad mode that is made and dropped in a function gets its `with` by a fix of its own."""
    return any(
        n.form == "grad mode" and n.context.code is context.code and take_effect(program, n) is not None
        for n in program.no_effects
        if program.here(n.context)
    )


def _enter(program: Program, draft: Draft, call: cst.BaseExpression) -> Fix | None:
    """`with torch.no_grad():` around the rest of the suite, where nothing in there trains.

    In a function that has nothing else, the statement is to hold for the callers: `torch.set_grad_enabled(False)`.
    """
    place = draft.syntax.alone(call)
    if place is None or not isinstance(call, cst.Call):
        return None
    on = (dotted(call.func) or "").endswith("enable_grad")
    if not place.after:
        if draft.syntax.function(call) is None or not all(is_docstring(one) for one in place.before):
            return None
        draft.replace(call, f"{draft.torch('set_grad_enabled')}({on})")
        return draft.fix(f"switch gradients {'on' if on else 'off'} for whoever calls this", safe=False)
    training = regions.Training(program, draft.syntax)
    for statement in place.after:
        if isinstance(statement, (cst.FunctionDef, cst.ClassDef)) or (statement in training and not on):
            return None
    draft.enter(place, call)
    return draft.fix("let the grad mode hold for what follows", safe=False)
