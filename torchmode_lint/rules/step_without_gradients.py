"""An optimizer steps while no backward has filled the gradients it works with.

## What it does

Reports the step of an optimizer whose parameters surely hold no gradient: they were cleared, or never
filled, and no `backward` has run since on any way to the step. As a rule the backward is missing, or has
been lost when the code was rearranged.

## Why is this bad

Since torch 2.0 `zero_grad()` sets `.grad` to None, and optimizers skip parameters without a gradient. The
step does nothing, raises nothing, and the weights stay as they were made. With `set_to_none=False` the
gradient is zero, and momentum, weight decay and Adam's averages still move the weights, which hides the
mistake. The loss goes on being printed; it only does not fall.

## Example

    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        optimizer.step()

Use instead:

    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()

## Fix safety

There is no automatic fix. Which value is the loss, and whether the step should be there at all, is for the
author to say.

## What it does not see

- Gradients that are cleared between the backward and the step: that is gradients-discarded.
- Steps that find gradients on some way, as in `if loss > margin: loss.backward()`, or from the second turn
  of a loop on, as when the step stands before the backward.
- Steps after something unseen got the loss, the model or the optimizer: it may have gone backward.
- Steps with a closure, or through a gradient scaler or an engine.
- Optimizers over single tensors, over parameters that are not known, or handed in by a caller out of sight.
- A backward that fills the gradients of another model than the optimizer's.
- A step without any forward before it, such as the one that quietens the warning of a learning rate
  scheduler (`possible`).
"""

from __future__ import annotations

from collections.abc import Iterator

from torchmode_lint.analysis import evaluation
from torchmode_lint.analysis.program import Key, Program, Step
from torchmode_lint.analysis.tracking import root_of
from torchmode_lint.analysis.values import Context, Site
from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity
from torchmode_lint.protocol import Gradients
from torchmode_lint.rule import Rule


def check(program: Program) -> Iterator[Diagnostic]:
    observed: dict[Key, list[Step]] = {}
    for step in program.steps:
        if program.here(step.context):
            observed.setdefault(step.key, []).append(step)
    for (event, context), steps in observed.items():
        if not all(_is_empty(step) for step in steps) or _explained(program, steps):
            continue
        records = [step.optimizer for step in steps]
        cleared = frozenset().union(*(record.zeroed for record in records))
        waiting = frozenset().union(*(record.applied for record in records))
        again = bool(cleared) or any(step.turn > 0 for step in steps)
        unit_test = evaluation.in_unit_test(program, context)
        confidence = Confidence.CERTAIN if all(record.applied for record in records) else Confidence.LIKELY
        yield program.diagnostic(
            RULE,
            event,
            context,
            "this step finds no gradients: no backward has filled them on the way here",
            confidence if waiting and again and not unit_test else Confidence.POSSIBLE,
            [
                *(program.note(point, "cleared here") for point in evaluation.ordered(cleared)),
                *(program.note(point, "this forward has no backward") for point in evaluation.ordered(waiting)),
                *program.call_notes(context),
                program.note(evaluation.at(event, context), "this step has nothing to use"),
            ],
        )


def _is_empty(step: Step) -> bool:
    """Whether the step surely finds no gradients, in this observation of it."""
    record = step.optimizer
    newest = not isinstance(step.identity, Site) or step.identity.age == 0
    return newest and record.made and bool(record.owns) and record.admitted is Gradients.CLEAN


def _explained(program: Program, steps: list[Step]) -> bool:
    """Whether gradients may be older than the optimizer, or the backward is there but not called."""
    root = root_of(steps[0].context)
    if not all(step.optimizer.zeroed for step in steps) and _goes_backward(program, root):
        return True
    return any(
        found.form == "method" and found.what.endswith("backward") and root_of(found.context) is root
        for found in program.no_effects
    )


def _goes_backward(program: Program, root: Context) -> bool:
    return any(root_of(backward.context) is root for backward in program.backwards)


RULE = Rule(code="TML303", name="step-without-gradients", severity=Severity.ERROR, doc=__doc__, check=check)
