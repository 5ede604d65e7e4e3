"""Fixes of gradients: `zero_grad()` where it is missing, or moved to where it does no harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from torchmode_lint.analysis.records import Point
from torchmode_lint.diagnostic import Fix
from torchmode_lint.fixes import regions, statements
from torchmode_lint.fixes.draft import Draft
from torchmode_lint.fixes.syntax import Place, Syntax, binds, dotted

if TYPE_CHECKING:
    from torchmode_lint.analysis.program import Program, Step


def clear(program: Program, step: Step, backward: Point, *, sure: bool) -> Fix | None:
    """`zero_grad()` for what a step moves, which finds gradients that it has used before.

    It stands before the backward where that leads to the step and to nothing else, and after the step otherwise:
    there it never parts gradients that belong together. `sure`: that they are used twice on every path.
    """
    if statements.forgotten(program, step.context, "zero_grad"):
        return None
    draft = Draft(program.source)
    if backward.context.call is step.event and program.here(backward.context):
        return _in_closure(program, draft, step, backward, sure=sure)
    name = _stepped(draft.syntax, step)
    if name is None or not program.here(step.context):
        return None
    call = f"{name}.zero_grad()"
    before = draft.syntax.place(backward.event.node) if backward.context is step.context else None
    after = _in_suite_of(draft.syntax, step, before)
    if before is not None and after is not None and before.index < after.index and not _rebound(before, after, name):
        own = _own_backward(program, draft.syntax, step, before, after)
        draft.before(own or before, call)
        return draft.fix(f"clear the gradients of `{name}` before its backward", safe=sure and own is None)
    behind = draft.syntax.line(step.event.node) if _is_step(step.event.node) else after
    suite = _one_line_suite(draft.syntax, step.event.node)
    if suite is not None:
        draft.append(suite.body[-1], f"; {call}")
    elif behind is not None and not regions.escapes(behind.statement):
        draft.after(behind, call)
    return draft.fix(f"clear the gradients of `{name}` after the step that uses them", safe=False)


def _in_closure(program: Program, draft: Draft, step: Step, backward: Point, *, sure: bool) -> Fix | None:
    """The step calls the backward itself, as often as it needs it."""
    name = _stepped(draft.syntax, step)
    place = draft.syntax.place(backward.event.node)
    code = backward.context.code
    if name is None or place is None or code.parent is not step.context.code or name.split(".")[0] in code.locals:
        return None
    draft.before(place, f"{name}.zero_grad()")
    return draft.fix(f"clear the gradients of `{name}` before this backward", safe=sure)


def _own_backward(program: Program, syntax: Syntax, step: Step, first: Place, last: Place) -> Place | None:
    """The backward that a step is for, where those before it were for the step of another optimizer in between."""
    others = [s for s in program.steps if s.identity != step.identity]
    stepped = [node for s in others for node in regions.nodes_of(program, Point(s.event, s.context))]
    walked = [node for b in program.backwards for node in regions.nodes_of(program, Point(b.event, b.context))]
    between = first.after[: last.index - first.index - 1]
    found = None
    for statement in reversed(between):
        if regions.holds(syntax, statement, stepped):
            return found
        if regions.holds(syntax, statement, walked):
            found = syntax.place(statement)
    return None


def _stepped(syntax: Syntax, step: Step) -> str | None:
    """What has the `zero_grad()` for a step: the optimizer, or the module that is moved along its gradients by hand."""
    node = step.event.node
    match node:
        case cst.Call(func=cst.Attribute(value=optimizer), args=args) if _is_step(node):
            return dotted(args[0].value if step.through and args else optimizer)
    loop = _loop_over_parameters(syntax, node)
    return None if loop is None else dotted(loop)


def _is_step(node: cst.CSTNode) -> bool:
    """Whether this is a call of an optimizer's `step()`, not a parameter moved by hand."""
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "step"


def _loop_over_parameters(syntax: Syntax, node: cst.CSTNode) -> cst.BaseExpression | None:
    """The module of `for p in module.parameters():` around a node."""
    for at in syntax.around(node):
        if isinstance(at, cst.For):
            of = at.iter
            if isinstance(of, cst.Call) and isinstance(of.func, cst.Attribute) and of.func.attr.value == "parameters":
                return of.func.value
            return None
    return None


def _in_suite_of(syntax: Syntax, step: Step, backward: Place | None) -> Place | None:
    """The statement in the suite of a backward that always comes to a step, if there is one.

    It may be a `with`, and by hand a loop over the parameters.
    """
    passable: tuple[type[cst.CSTNode], ...] = (cst.With,) if _is_step(step.event.node) else (cst.With, cst.For)
    place = syntax.line(step.event.node)
    while place is not None and (backward is None or place.suite is not backward.suite):
        place = syntax.outer(place)
        if place is not None and not isinstance(place.statement, passable):
            return None
    return place


def _one_line_suite(syntax: Syntax, node: cst.CSTNode) -> cst.SimpleStatementSuite | None:
    """The suite of `if due: optimizer.step()`."""
    call = syntax.parent(node)
    suite = None if call is None else syntax.parent(call)
    return suite if isinstance(call, cst.Expr) and isinstance(suite, cst.SimpleStatementSuite) else None


def _rebound(first: Place, last: Place, name: str) -> bool:
    return any(binds(one, name) for one in (first.statement, *first.after[: last.index - first.index - 1]))


def move_clearing(program: Program, step: Step, cleared: Point, *, sure: bool) -> Fix | None:
    """The call that clears gradients before a step has used them: before their backward, or after that step."""
    draft = Draft(program.source)
    place = draft.syntax.alone(cleared.event.node)
    if place is None or not program.here(cleared.context):
        return None
    suite = (*place.before, place.statement, *place.after)
    walked = [p for b in program.backwards for p in regions.nodes_of(program, Point(b.event, b.context))]
    stepped = [p for s in program.steps for p in regions.nodes_of(program, Point(s.event, s.context))]
    first = None
    for statement in reversed(place.before):
        if regions.holds(draft.syntax, statement, stepped):
            break
        if regions.holds(draft.syntax, statement, walked):
            first = statement
    text = draft.syntax.text(cleared.event.node)
    if first is not None:
        to = draft.syntax.place(first)
        assert to is not None
        if any(binds(one, text.partition("(")[0]) for one in suite[to.index : place.index]):
            return None
        draft.move(place, to)
        here = step.context is cleared.context or step.event is cleared.context.call
        return draft.fix(f"move `{text}` before the backward", safe=sure and here)
    own = list(regions.nodes_of(program, Point(step.event, step.context)))
    for statement in place.after:
        if regions.holds(draft.syntax, statement, own):
            to = draft.syntax.line(statement)
            if to is None or regions.escapes(statement):
                return None
            draft.move(place, to, after=True)
            return draft.fix(f"move `{text}` after the step", safe=False)
    return None
