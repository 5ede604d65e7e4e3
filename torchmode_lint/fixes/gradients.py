"""Fixes of gradients: `zero_grad()` where it is missing, or moved to where it does no harm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from torchmode_lint.analysis.records import Point
from torchmode_lint.diagnostic import Fix
from torchmode_lint.fixes import regions, statements
from torchmode_lint.fixes.draft import Draft
from torchmode_lint.fixes.syntax import Place, Syntax, binds, dotted, read, walk

if TYPE_CHECKING:
    from torchmode_lint.analysis.program import Program, Step
    from torchmode_lint.analysis.values import Context


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
    """What clears gradients before a step has used them: to before their backward, or after that step."""
    for place, text, context in _clearings(program, Syntax(program.source), cleared):
        here = context is cleared.context and (step.context is context or step.event is context.call)
        fix = _move(program, step, place, text, sure=sure and here)
        if fix is not None:
            return fix
    return None


def _clearings(program: Program, syntax: Syntax, cleared: Point) -> Iterator[tuple[Place, str, Context]]:
    """The statements that do the clearing and nothing else, innermost first, and how to call them.

    That is a call of `zero_grad()`, a loop over parameters, or the call of a function that has nothing but those.
    """
    node, context = cleared.event.node, cleared.context
    while program.here(context):
        place = syntax.line(node)
        if place is None or not _only_clears(place.statement, node):
            return
        if syntax.alone(node) is not None:
            yield place, syntax.text(node), context
        outer = syntax.outer(place)
        while outer is not None and _only_clears(outer.statement, node):
            yield outer, syntax.text(outer.statement).partition(":")[0], context
            place, outer = outer, syntax.outer(outer)
        function = syntax.function(node)
        if function is None or not _only_clears(function.body, node) or context.call is None or context.parent is None:
            return
        node, context = context.call.node, context.parent


def _only_clears(suite: cst.CSTNode, call: cst.CSTNode) -> bool:
    """Whether all statements in a suite clear gradients: `call`, for one."""
    for at in walk(suite):
        match at:
            case cst.Expr(value=cst.SimpleString()):
                pass
            case cst.Expr(value=value):
                if value is not call and not (isinstance(value, cst.Call) and _clears(value.func)):
                    return False
            case cst.Assign(targets=[cst.AssignTarget(target=cst.Attribute(attr=cst.Name("grad")))]):
                pass
            case cst.BaseSmallStatement() | cst.FunctionDef() | cst.ClassDef():
                return False
    return True


def _clears(func: cst.BaseExpression) -> bool:
    """Whether a method is `zero_grad`, or one of those that make a gradient a zero: `p.grad.detach_().zero_()`."""
    match func:
        case cst.Attribute(attr=cst.Name("zero_grad")):
            return True
        case cst.Attribute(value=value, attr=cst.Name("zero_" | "detach_" | "requires_grad_")):
            return any(isinstance(at, cst.Attribute) and at.attr.value == "grad" for at in walk(value))
    return False


def _move(program: Program, step: Step, place: Place, text: str, *, sure: bool) -> Fix | None:
    """A statement that clears gradients, moved to before their backward or to after a step."""
    draft = Draft(program.source)
    suite = (*place.before, place.statement, *place.after)
    walked = [p for b in program.backwards for p in regions.nodes_of(program, Point(b.event, b.context))]
    stepped = [p for s in program.steps for p in regions.nodes_of(program, Point(s.event, s.context))]
    own = list(regions.nodes_of(program, Point(step.event, step.context)))
    first = None
    for statement in reversed(place.before):
        if regions.holds(draft.syntax, statement, stepped):
            break
        if regions.holds(draft.syntax, statement, walked):
            first = statement
    if first is not None:
        to = draft.syntax.place(first)
        assert to is not None
        if any(binds(one, name) for one in suite[to.index : place.index] for name in read(place.statement)):
            return None
        draft.move(place, to)
        return draft.fix(f"move `{text}` before the backward", safe=sure)
    for statement in place.after:
        if regions.holds(draft.syntax, statement, own):
            to = draft.syntax.line(statement)
            if to is None or regions.escapes(statement):
                return None
            draft.move(place, to, after=True)
            return draft.fix(f"move `{text}` after the step", safe=False)
    return None
