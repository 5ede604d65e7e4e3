"""Fixes of the grad mode: a decorator on a function that only evaluates, or a `with` around what does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from torchmode_lint.analysis import evaluation
from torchmode_lint.diagnostic import Fix
from torchmode_lint.fixes import regions, statements
from torchmode_lint.fixes.draft import Draft
from torchmode_lint.fixes.syntax import Place, binds
from torchmode_lint.protocol import GradMode

if TYPE_CHECKING:
    from torchmode_lint.analysis.program import Forward, Program
    from torchmode_lint.analysis.records import Point


def switch_off(program: Program, forward: Forward, at: Point, *, sure: bool) -> Fix | None:
    """Gradients off where a forward evaluates; `at` is where this is to be changed.

    `sure`: that no backward needs the graph of anything that is computed there.
    """
    event, context = program.nearest(at.event, at.context)
    if statements.entered(program, context):
        return None
    node = event.node
    draft = Draft(program.source)
    training = regions.Training(program, draft.syntax)
    name = regions.expression(program, forward, context)
    place = regions.region(draft.syntax, training, node, None)
    if place is None:
        return _by_condition(draft, training, node)
    function = draft.syntax.function(node)
    if function is not None and function not in training and _only_evaluates(function, name):
        draft.decorate(function, f"{draft.torch('no_grad')}()")
        return draft.fix(f"let `{function.name.value}` record no graphs", safe=sure)
    draft.wrap(_run(program, draft, training, place), f"with {draft.torch('no_grad')}():")
    return draft.fix("record no graphs here", safe=sure)


def _by_condition(draft: Draft, training: regions.Training, node: cst.CSTNode) -> Fix | None:
    """One forward trains and evaluates: gradients are recorded where what decides on that says so."""
    place = draft.syntax.place(node)
    test = regions.condition(draft.syntax, training, node)
    if place is None or test is None or not isinstance(place.statement, cst.SimpleStatementLine):
        return None
    asked = draft.syntax.text(test)
    draft.wrap([place.statement], f"with {draft.torch('set_grad_enabled')}({asked}):")
    return draft.fix(f"record a graph only if `{asked}`", safe=False)


def _only_evaluates(function: cst.FunctionDef, name: str | None) -> bool:
    """Whether a function is there to evaluate: it is handed the module, and does not go on between its values."""
    if function.asynchronous is not None or function.name.value in ("forward", "__call__", "__init__"):
        return False
    return name is not None and not binds(function.body, name)


def _run(program: Program, draft: Draft, training: regions.Training, place: Place) -> list[cst.BaseStatement]:
    """The statement and those up to the last one of its suite that evaluates, if none of them trains."""
    forwards = [f for f in program.forwards if f.direct and GradMode.OFF not in f.grad]
    nodes = {node for f in forwards for node in regions.nodes_of(program, evaluation.at(f.event, f.context))}
    run = [place.statement]
    for i, statement in enumerate(place.after):
        if statement in training:
            break
        if any(regions.is_in(draft.syntax, node, statement) for node in nodes):
            run = [place.statement, *place.after[: i + 1]]
    return run
