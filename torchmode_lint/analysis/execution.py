"""One root is solved and recorded, within its budget.

Which roots there are, and from what state they start, is up to `roots`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchmode_lint.analysis import tracking
from torchmode_lint.analysis.activations import joined
from torchmode_lint.analysis.budget import OverBudget
from torchmode_lint.analysis.frame import Frame

if TYPE_CHECKING:
    from torchmode_lint.analysis import values as v
    from torchmode_lint.analysis.interpreter import Interpreter
    from torchmode_lint.analysis.program import Program
    from torchmode_lint.analysis.state import State


def execute(run: Interpreter, context: v.Context, state: State) -> State | None:
    """Solve a root and record what it shows; a root that costs too much is left out, and counted."""
    # a script may go straight on for long; and who wants to see states wants those of other code, too
    run.budget.allow(idle=context.code.kind != "file" and run.watch is None)
    marks = sizes(run.program)
    visited = set(run.visited)
    try:
        activation = run.solve(context, state)
        run.budget.steps = 0
        run.recording = True
        run.record(activation)
        for outcome in activation.outcomes:
            frame = Frame(run, context, outcome.state)
            tracking.mark(frame, run.program.returned, [outcome.value, activation.yielded])
            tracking.leave(frame, [outcome.value, activation.yielded])
    except OverBudget:
        run.program.degraded.append(context.code.qualname or "<module>")
        cut(run.program, marks)
        run.budget.give_up([(one.began, one.context.code) for one in run.active[1:]])
        run.visited = visited | {context.code}  # what was called from here is still to be looked at
        run.active.clear()
        return None
    finally:
        run.recording = False
    return joined(activation.outcomes) if activation.outcomes else None


def sizes(program: Program) -> tuple[int, ...]:
    return tuple(len(items) for items in _lists(program))


def _lists(program: Program) -> tuple[list[object], ...]:
    return (
        *(program.forwards, program.backwards, program.steps, program.grad_reads, program.no_effects),
        *(program.kepts, program.reveals, program.seen),
    )  # type: ignore[return-value]


def cut(program: Program, sizes: tuple[int, ...]) -> None:
    for items, size in zip(_lists(program), sizes, strict=True):
        del items[size:]
