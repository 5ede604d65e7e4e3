"""A backward adds to gradients that a step has already used.

## What it does

Reports a `backward` that reaches parameters whose gradients have been used by a step and not cleared
since, when another step follows. Any way of clearing counts: `optimizer.zero_grad()`,
`module.zero_grad()`, `p.grad = None`, `p.grad.zero_()`, in this function or in one it calls.

## Why is this bad

`backward` adds to `.grad`; it does not replace it. Without clearing, the second step uses the sum of two
gradients, the hundredth the sum of a hundred, most of them computed at weights long gone. It acts like
momentum without decay: the loss falls at first, then oscillates or blows up, and lowering the learning
rate seems to help.

## Example

    for x, y in loader:
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()

Use instead:

    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()

`zero_grad()` outside the loop over the batches is the same bug: gradients then pile up for a whole epoch.
With two optimizers, each has parameters of its own to clear.

Gradients that add up on purpose are no bug as long as they are cleared after the step that uses them:

    for i, (x, y) in enumerate(loader):
        loss = criterion(model(x), y) / accumulate
        loss.backward()
        if (i + 1) % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()

## Fix safety

Safe where the diagnostic is certain and `zero_grad()` stands before a backward that leads to its step in the same
suite, or in the closure that the step calls: every step then uses the gradient of its own loss. Unsafe where another
optimizer steps in between, since what that one's loss leaves may be wanted; where it stands after the step, as it
must where gradients of several backwards are used at once (something may read them after that step); and where the
optimizer's construction is not in sight or the step is taken by hand.

## What it does not see

- Optimizers and parameters that the analysis cannot connect, such as those of an optimizer handed in by a
  caller out of sight.
- Gradients that are only read and never used in a step.
- Loops in which a framework clears: Lightning, DeepSpeed engines, the transformers `Trainer`.
- Optimizer classes of the project's own whose `step` is not that of torch.
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
        if step.optimizer.grads is not Gradients.MIXED:
            continue
        for point in evaluation.ordered(step.optimizer.mixed)[:1]:
            if not program.concerns(point.context, {evaluation.at(step.event, step.context)}):
                continue
            trail = [program.note(p, "gradients used by this step") for p in evaluation.ordered(step.optimizer.stepped)]
            yield program.diagnostic(
                RULE,
                point.event,
                point.context,
                "gradients are added to those that an earlier step has already used: "
                "call `zero_grad()` before this backward",
                Confidence.CERTAIN if step.optimizer.made else Confidence.LIKELY,
                [
                    *trail,
                    *program.call_notes(point.context),
                    program.note(point, "added to here, not cleared in between"),
                    program.note(evaluation.at(step.event, step.context), "the sum is used by this step"),
                ],
                gradients.clear(program, step, point, sure=step.optimizer.made),
            )


RULE = Rule(code="TML301", name="missing-zero-grad", severity=Severity.ERROR, doc=__doc__, check=check)
