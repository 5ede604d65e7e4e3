"""Gradients are cleared after they were computed and before the step that should use them.

## What it does

Reports the clearing of gradients that a `backward` has just filled, when a step over the same parameters
follows and nothing fills them again in between.

## Why is this bad

The step finds nothing to do. Since torch 2.0 `zero_grad()` sets `.grad` to None, and optimizers skip
parameters without a gradient, so the weights do not change at all. With `set_to_none=False` the gradient
is zero, and momentum, weight decay and Adam's averages still move the weights, which hides the mistake.
No error is raised; the loss just stays where it is.

## Example

    loss.backward()
    optimizer.zero_grad()
    optimizer.step()

Use instead:

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

## Fix safety

Safe where the diagnostic is certain and the call moves to before the backward whose gradients it cleared, in the
function that takes the step: the step then uses them. Unsafe where it moves to after the step, where another
function takes the step (there may be callers that want the gradients dropped), and where the optimizer's
construction is not in sight. A loop that does nothing but clear gradients is moved as a whole, and so is the call of
a function that does nothing else, which is unsafe.

## What it does not see

- Gradients that are dropped and computed anew before the step: those that a generator's loss leaves in
  the discriminator, those of an attack, those of a warm-up pass.
- Gradients that are dropped without a step: a skipped batch, a measured gradient norm.
- Windows of accumulated gradients of which only a part is dropped, as when the clearing stands outside
  `if (i + 1) % accumulate == 0`.
- Steps by hand (`w -= lr * w.grad`) after a `w.grad.zero_()`.
"""

from __future__ import annotations

from collections.abc import Iterator

from torchmode_lint.analysis import evaluation
from torchmode_lint.analysis.program import Program
from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity
from torchmode_lint.fixes import gradients
from torchmode_lint.protocol import Gradients
from torchmode_lint.rule import Rule


def check(program: Program) -> Iterator[Diagnostic]:
    for step in program.steps:
        if step.optimizer.grads is not Gradients.DISCARDED:
            continue
        for point in evaluation.ordered(step.optimizer.zeroed)[:1]:
            if program.source_of(point.context) is not program.source:
                continue
            trail = [program.note(p, "gradients computed here") for p in evaluation.ordered(step.optimizer.filled)]
            yield program.diagnostic(
                RULE,
                point.event,
                point.context,
                "gradients are cleared before the step that should use them: "
                "call `zero_grad()` before the backward or after the step",
                Confidence.CERTAIN if step.optimizer.made else Confidence.LIKELY,
                [
                    *trail,
                    program.note(point, "cleared here"),
                    program.note(evaluation.at(step.event, step.context), "this step has nothing to use"),
                ],
                gradients.move_clearing(program, step, point, sure=step.optimizer.made),
            )


RULE = Rule(code="TML302", name="gradients-discarded", severity=Severity.ERROR, doc=__doc__, check=check)
