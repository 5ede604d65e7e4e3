"""Fixes of graphs that are walked twice: cut between the two, walked at once, or kept for the second time.

They train different things, so none of them is safe.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst

from torchmode_lint.analysis import evaluation
from torchmode_lint.analysis.records import Point
from torchmode_lint.diagnostic import Fix
from torchmode_lint.fixes import regions, statements
from torchmode_lint.fixes.dependence import carried, made_of, needed_for
from torchmode_lint.fixes.draft import Draft
from torchmode_lint.fixes.syntax import assigned, binds, bound, dotted, read, small_statements, walk

if TYPE_CHECKING:
    from torchmode_lint.analysis.program import Backward, Forward, Program

_LOOPS = (cst.For, cst.While)
_ARITHMETIC = (cst.Add, cst.Subtract, cst.Multiply, cst.Divide, cst.MatrixMultiply, cst.Power)
_STRUCTURES = (cst.Tuple, cst.List, cst.Dict, cst.Set, cst.BaseComp)


def walk_once(program: Program, backward: Backward) -> Fix | None:
    """What lets a backward walk a graph that an earlier one has freed, or keeps it from doing so."""
    node = backward.event.node
    if not program.here(backward.context) or statements.forgotten(program, backward.context, "detach"):
        return None
    draft = Draft(program.source)
    freed = evaluation.ordered(backward.freed)
    if not any(point.event is backward.event for point in freed):
        return _walk_sum(draft, freed[0], backward) or _retain(program, draft, freed[0], backward)
    forward = next(f for f in program.forwards if f.key == backward.again[0])
    made = next((at for at in regions.nodes_of(program, Point(*forward.key)) if _by_function(draft, at, node)), None)
    loop = next((at for at in draft.syntax.around(node) if isinstance(at, _LOOPS)), None)
    if loop is None or made is None:
        return None
    if regions.is_in(draft.syntax, made, loop):
        return _cut_carried(program, draft, loop, made, node, forward)
    if forward.key in program.unowned or _runs_in(program, draft, forward, loop):
        return _cut_before(draft, loop, made)
    if any(regions.holds(draft.syntax, loop, regions.nodes_of(program, Point(*step.key))) for step in program.steps):
        return None  # each turn is to run the forward again
    return _retain(program, draft, freed[0], backward)


def _by_function(draft: Draft, one: cst.CSTNode, other: cst.CSTNode) -> bool:
    return draft.syntax.function(one) is draft.syntax.function(other)


def _runs_in(program: Program, draft: Draft, forward: Forward, loop: cst.CSTNode) -> bool:
    """Whether the module is applied anew in a loop."""
    return any(
        other.identity == forward.identity
        and regions.holds(draft.syntax, loop, regions.nodes_of(program, Point(*other.key)))
        for other in program.forwards
        if other.key != forward.key
    )


def _cut_carried(
    program: Program, draft: Draft, loop: cst.For | cst.While, made: cst.CSTNode, node: cst.CSTNode, forward: Forward
) -> Fix | None:
    """`state = state.detach()` after the backward, for what goes into the next turn of the loop."""
    suite = list(loop.body.body)
    source, goal = (next((one for one in suite if regions.is_in(draft.syntax, at, one)), None) for at in (made, node))
    place = draft.syntax.line(node)
    if not isinstance(source, cst.BaseStatement) or not isinstance(goal, cst.BaseStatement) or place is None:
        return None
    text = draft.syntax.text(loop)
    names = sorted(carried(loop, source, goal), key=lambda name: len(re.split(rf"\b{re.escape(name)}\b", text)[0]))
    if not names or regions.escapes(place.statement):
        return None
    later = [one for one in suite[suite.index(goal) + 1 :] if any(binds(one, name) for name in names)]
    if later:
        found = draft.syntax.line(later[-1])
        if found is None:
            return None
        place = found
    a_tuple = _has_tuple(forward) if len(names) == 1 and names[0] in read(source) else False
    if a_tuple is None:
        return None
    if a_tuple:
        draft.after(place, f"{names[0]} = tuple(part.detach() for part in {names[0]})")
    else:
        draft.after(place, *(f"{name} = {name}.detach()" for name in names))
    return draft.fix(f"cut `{'`, `'.join(names)}` off the graph of this turn, which is not trained further", safe=False)


def _has_tuple(forward: Forward) -> bool | None:
    """Whether the state that a recurrent module hands on is a tuple of tensors; None where that is not known."""
    module = forward.module
    if module.cls is not None:
        return any(isinstance(at, cst.Name) and at.value in ("LSTM", "LSTMCell") for at in walk(module.cls.code.node))
    kind = module.name.rpartition(".")[2]
    return kind.startswith("LSTM") if kind.startswith(("LSTM", "GRU", "RNN")) else None


def _cut_before(draft: Draft, loop: cst.For | cst.While, made: cst.CSTNode) -> Fix | None:
    """`.detach()` on what is computed before a loop and used in each turn of it."""
    place = draft.syntax.place(loop)
    while place is not None:
        source = next((one for one in place.before if regions.is_in(draft.syntax, made, one)), None)
        if source is not None:
            names = (made_of(place.before, source) & read(loop)) - bound(loop)
            if len(names) != 1:
                return None
            (name,) = names
            last = [assigned(one) for one in place.before if binds(one, name)][-1]
            if last is None or isinstance(last[1], _STRUCTURES):
                return None
            draft.method(last[1], ".detach()")
            return draft.fix(f"cut `{name}` off its graph, which is walked once a turn and not trained", safe=False)
        place = draft.syntax.outer(place)
    return None


def _walk_sum(draft: Draft, earlier: Point, backward: Backward) -> Fix | None:
    """`(first + second).backward()` for two statements of one suite, with nothing between them that it matters to."""
    first, second = draft.syntax.alone(earlier.event.node), draft.syntax.alone(backward.event.node)
    one, other = _walked(earlier.event.node), _walked(backward.event.node)
    if first is None or second is None or one is None or other is None or earlier.context is not backward.context:
        return None
    if first.suite is not second.suite or first.index > second.index:
        return None
    between = first.after[: second.index - first.index - 1]
    if not all(_is_harmless(each) for each in between) or any(
        binds(each, name) for each in between for name in read(one)
    ):
        return None
    if draft.syntax.text(one) == draft.syntax.text(other):
        draft.remove(second)
        return draft.fix("walk this graph once, with half the gradient", safe=False)
    total = f"{_summand(draft, one)} + {_summand(draft, other)}"
    draft.remove(first)
    draft.replace(other, total if other.lpar else f"({total})")
    return draft.fix("walk the sum of both, which has the same gradient", safe=False)


def _walked(node: cst.CSTNode) -> cst.BaseExpression | None:
    """The loss of `loss.backward()`."""
    match node:
        case cst.Call(func=cst.Attribute(value=loss, attr=cst.Name("backward")), args=[]):
            return loss
    return None


def _summand(draft: Draft, node: cst.BaseExpression) -> str:
    plain = isinstance(node, cst.BinaryOperation) and isinstance(node.operator, _ARITHMETIC)
    return draft.syntax.text(node.with_changes(lpar=(), rpar=()) if plain else node)


def _is_harmless(statement: cst.BaseStatement) -> bool:
    """Whether a statement only computes or prints something, and no gradient."""
    if any(isinstance(at, cst.Name) and "grad" in at.value for at in walk(statement)):
        return False
    return bool(small_statements(statement)) and all(
        isinstance(small, (cst.Assign, cst.AnnAssign))
        or (isinstance(small, cst.Expr) and isinstance(small.value, cst.Call) and dotted(small.value.func) == "print")
        for small in small_statements(statement)
    )


def _retain(program: Program, draft: Draft, earlier: Point, backward: Backward) -> Fix | None:
    """`retain_graph=True` on the earlier call, unless what the graph needs is changed before the later one."""
    call = earlier.event.node
    if not program.here(earlier.context) or not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
        return None
    keys = set(backward.again)
    modules = {f.identity for f in program.forwards if f.key in keys}
    for step in program.steps:
        if earlier.event.index < step.event.index < backward.event.index and modules & (step.optimizer.owns or set()):
            return None
    if call.func.attr.value == "grad":
        word = "create_graph" if _enters(draft, call, backward.event.node) else "retain_graph"
    elif call.func.attr.value == "backward":
        word = "retain_graph"
    else:
        return None
    draft.keyword(call, word, "True")
    return draft.fix("keep the graph for the second time, and its memory with it", safe=False)


def _enters(draft: Draft, call: cst.Call, node: cst.CSTNode) -> bool:
    """Whether the gradient that a call asks for is a part of what is walked later on."""
    first, last = draft.syntax.line(call), draft.syntax.line(node)
    if first is None or last is None or first.suite is not last.suite:
        return False
    return bool(bound(first.statement) & needed_for(first.after, last.statement))
