"""Fixes of modes: `eval()` before an evaluation, `train()` where training goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import libcst as cst

from torchmode_lint.analysis import evaluation
from torchmode_lint.analysis.records import Point
from torchmode_lint.diagnostic import Fix
from torchmode_lint.fixes import regions, statements
from torchmode_lint.fixes.draft import Draft
from torchmode_lint.fixes.syntax import Place, binds
from torchmode_lint.protocol import GradMode

if TYPE_CHECKING:
    from torchmode_lint.analysis.program import Forward, Program
    from torchmode_lint.analysis.records import Points
    from torchmode_lint.analysis.values import Context


def put_into_eval(program: Program, forward: Forward, at: Point, *, sure: bool) -> Fix | None:
    """`eval()` for the module of a forward that evaluates in train mode; `at` is where this is to be changed.

    `sure`: that it evaluates, and in train mode, on every path.
    """
    event, context = program.nearest(at.event, at.context)
    if statements.forgotten(program, context, "eval"):
        return None
    node = forward.event.node if event is forward.event else event.node
    draft = Draft(program.source)
    training = regions.Training(program, draft.syntax)
    name = regions.expression(program, forward, context)
    if name is None:
        return _on_the_spot(draft, forward) if context is forward.context else None
    place = regions.region(draft.syntax, training, node, name)
    if place is None:
        return _by_condition(program, draft, training, forward)
    trains = _calls_of_train(program, draft, training, forward, place)
    what = f"put `{name}` into eval mode"
    if trains:
        for call in trains:
            assert isinstance(call.func, cst.Attribute)
            draft.replace(call, f"{draft.syntax.text(call.func.value)}.eval()")
    if not trains:
        draft.before(place, f"{name}.eval()")
    if any(_needs_restoring(forward, trained) for trained in evaluation.training_of(program, forward)):
        if regions.escapes(place.statement):
            sure = _restored_before_training(program, draft, forward) and sure
        else:
            draft.after(place, f"{name}.train()")
            what = f"{what}, and back into train mode afterwards"
    if forward.grad is not GradMode.OFF and not forward.exported:
        draft.wrap([place.statement], f"with {draft.torch('no_grad')}():")
        sure = False  # what it computes has no graph then
    return draft.fix(what, safe=sure)


def _on_the_spot(draft: Draft, forward: Forward) -> Fix | None:
    """A module that is made where it is applied."""
    node = regions.receiver(forward)
    if not isinstance(node, cst.Call):
        return None
    draft.append(node, ".eval()")
    return draft.fix("put it into eval mode where it is made", safe=False)


def _by_condition(program: Program, draft: Draft, training: regions.Training, forward: Forward) -> Fix | None:
    """One forward trains and evaluates: its mode follows what decides on that."""
    name = regions.expression(program, forward, forward.context)
    place = draft.syntax.place(forward.event.node)
    if name is None or place is None or not program.here(forward.context):
        return None
    test = regions.condition(draft.syntax, training, forward.event.node)
    if test is None:
        return None
    asked = draft.syntax.text(test)
    names = regions.names(test)
    call = f"{name}.train({asked})"
    fixed = _calls_of_train(program, draft, training, forward, None)
    if len(fixed) == 1:
        draft.replace(fixed[0], call)
    else:
        draft.before(_outside_loops(draft, place, [name, *names]), call)
    if forward.grad is not GradMode.OFF and isinstance(place.statement, cst.SimpleStatementLine):
        draft.wrap([place.statement], f"with {draft.torch('set_grad_enabled')}({asked}):")
    return draft.fix(f"let the mode of `{name}` follow `{asked}`", safe=False)


def _outside_loops(draft: Draft, place: Place, names: Iterable[str]) -> Place:
    """The outermost statement around a place that binds none of these names."""
    while True:
        outer = draft.syntax.outer(place)
        if outer is None or not isinstance(outer.statement, (cst.For, cst.While, cst.With)):
            return place
        if any(binds(outer.statement, name) for name in names):
            return place
        place = outer


def _calls_of_train(
    program: Program, draft: Draft, training: regions.Training, forward: Forward, place: Place | None
) -> list[cst.Call]:
    """The calls of `train()` in its own function by which a module is in train mode, where they serve nothing else.

    `place` is the region of the evaluation, if it is known not to train.
    """
    found = []
    for point in regions.first_here(program, forward.module.why):
        call = point.event.node
        if point.context is not forward.context or not isinstance(call, cst.Call):
            return []
        if not isinstance(call.func, cst.Attribute) or call.func.attr.value != "train":
            return []
        if place is not None:
            around = draft.syntax.function(call) or program.source.tree
            if not regions.is_in(draft.syntax, call, place.statement) and around in training:
                return []
        found.append(call)
    return found


def _needs_restoring(forward: Forward, trained: Forward) -> bool:
    evaluated, trains = Point(forward.event, forward.context), Point(trained.event, trained.context)
    loops = list(evaluation.loops(*trains))
    common = next((loop for loop in evaluation.loops(*evaluated) if loop in loops), None)
    restored = trained.module.why
    if common is None:
        return _is_before(evaluated, trains) and not any(
            _is_before(evaluated, point) and _is_before(point, trains) for point in restored
        )
    if trained.turn == 0 and restored:
        return False  # what the first turn finds was not left behind by an evaluation in a turn before
    return not restored or not all(
        common in evaluation.loops(*point) and _comes_between(evaluated, point, trains) for point in restored
    )


def _comes_between(first: Point, then: Point, last: Point) -> bool:
    """Whether, going round a loop, one comes from the first to the second before the last."""
    order = _is_before(first, then), _is_before(then, last), _is_before(last, first)
    return sum(order) >= 2


def _is_before(one: Point, other: Point) -> bool:
    """Whether one stands before the other in the innermost function that leads to both."""
    around = list(other.context.chain())
    code = next((at for at in one.context.chain() if at in around), None)
    return code is not None and _index(code, one) < _index(code, other)


def _index(code: Context, point: Point) -> int:
    """Where in the code of a context something comes about: at an event of its own, or at the call that leads there."""
    event, context = point
    while context is not code and context.parent is not None and context.call is not None:
        event, context = context.call, context.parent
    return event.index


def _restored_before_training(program: Program, draft: Draft, forward: Forward) -> bool:
    """`train()` before the module is trained again; whether a place for it was found."""
    for trained in evaluation.training_of(program, forward):
        place = _before_training(program, draft, trained, {Point(forward.event, forward.context)})
        if place is not None:
            draft.before(place[0], f"{place[1]}.train()")
            return True
    return False


def _before_training(program: Program, draft: Draft, trained: Forward, causes: set[Point]) -> tuple[Place, str] | None:
    """Before which statement a module must be put into train mode, and its name there: as far out as no cause is."""
    point = evaluation.turning(program, trained, frozenset(causes))
    name = regions.expression(program, trained, point.context)
    place = draft.syntax.place(point.event.node) if program.here(point.context) else None
    if name is None or place is None:
        return None
    nodes = [node for cause in causes for node in _nodes_in(cause, point.context)]
    while True:
        outer = draft.syntax.outer(place)
        if outer is None or any(regions.is_in(draft.syntax, node, outer.statement) for node in nodes):
            return place, name
        if not isinstance(outer.statement, (cst.For, cst.While, cst.With)):
            return place, name
        if binds(outer.statement, name):
            return place, name
        place = outer


def _nodes_in(cause: Point, context: Context) -> list[cst.CSTNode]:
    """The node by which a cause comes about in the code of a context."""
    event, at = cause
    while at.code is not context.code and at.parent is not None and at.call is not None:
        event, at = at.call, at.parent
    return [event.node] if at.code is context.code else []


def restore_train(program: Program, trained: Forward, causes: Points, *, sure: bool) -> Fix | None:
    """`train()` for a module that an evaluation has left in eval mode, where its next training forward sees it."""
    if statements.forgotten(program, trained.context, "train"):
        return None
    draft = Draft(program.source)
    found = _before_training(program, draft, trained, set(causes))
    if found is None:
        return None
    place, name = found
    message = f"put `{name}` back into train mode"
    own = draft.syntax.place(trained.event.node)
    if own is not None and own.statement is place.statement:
        after = _after_evaluation(program, draft, trained, causes)
        if after is not None:
            draft.after(after, f"{name}.train()")
            return draft.fix(f"{message} after the evaluation", safe=sure)
    draft.before(place, f"{name}.train()")
    return draft.fix(f"{message} before it is trained", safe=sure)


def _after_evaluation(program: Program, draft: Draft, trained: Forward, causes: Points) -> Place | None:
    """The last statement of an evaluation in the same function as the training, from which nobody leaves early."""
    for cause in causes:
        for node in _nodes_in(cause, trained.context):
            place = draft.syntax.place(node)
            if place is None or not program.here(trained.context):
                continue
            uses = [
                at
                for f in program.forwards
                if f.identity == trained.identity and f.key not in program.trained
                for at in _nodes_in(Point(f.event, f.context), trained.context)
            ]
            statements: Sequence[cst.BaseStatement] = (place.statement, *place.after)
            using = [one for one in statements if any(regions.is_in(draft.syntax, use, one) for use in uses)]
            if not using or any(regions.escapes(one) for one in statements[: statements.index(using[-1]) + 1]):
                continue
            return draft.syntax.place(using[-1])
    return None
