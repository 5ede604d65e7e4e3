"""A backward reaches a graph that an earlier backward has freed.

## What it does

Reports a `backward` (or `autograd.grad`) that walks into a graph which an earlier one has walked without
`retain_graph=True` or `create_graph=True`, when that is certain to happen.

## Why is this bad

torch raises `RuntimeError: Trying to backward through the graph a second time`, often hours into a run:
in the second iteration of the training loop, or on the first batch that takes a rare branch. Walking a
graph frees the values that its operations saved for it, and a second walk needs them again.

Three shapes are common. Two losses share a forward, and each has a `backward` of its own. A recurrent
state is carried into the next batch without `detach()`, so that the graph of every batch hangs on the one
before. Something is computed with gradients before a loop and used inside it.

## Example

    state = None
    for x, y in windows:
        out, state = rnn(x, state)
        loss = criterion(out, y)
        loss.backward()

Use instead:

    state = None
    for x, y in windows:
        out, state = rnn(x, state)
        loss = criterion(out, y)
        loss.backward()
        state = tuple(part.detach() for part in state)

Two losses of one forward are best added, `(first + second).backward()`, which walks the shared part once.
In a GAN, use `fake.detach()` in the discriminator's loss, and run the discriminator again for the
generator's. `retain_graph=True` belongs on the earlier call; on the later one it changes nothing.

## Fix safety

Unsafe. `detach()`, adding the losses and retaining the graph all make the error go away, and they train different
things. A state that is carried into the next turn is detached after the backward, which trains each window by
itself; two backwards in one suite become that of the sum, which has the same gradient; anything else is retained by
the earlier call, which holds its memory. There is no fix where a step in between would change what the graph needs,
or where an optimizer owns what was computed before the loop: the forward has to run again.

## What it does not see

- Graphs of plain arithmetic such as `(x + 1).sum()`: such operations save nothing, and torch lets them be
  walked twice.
- `retain_graph=` with a value that is only known when the program runs.
- Graphs kept alive by hooks, caches and buffers that are filled in place.
- Parameters changed in place between two walks of a retained graph: that is another error ("modified by
  an inplace operation").
"""

from __future__ import annotations

from collections.abc import Iterator

from torchmode_lint.analysis import evaluation
from torchmode_lint.analysis.program import Program
from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity
from torchmode_lint.fixes import graphs
from torchmode_lint.rule import Rule


def check(program: Program) -> Iterator[Diagnostic]:
    for backward in program.backwards:
        if not backward.again:
            continue
        forward = backward.again[0]
        built = evaluation.at(forward.event, forward.context)
        if not program.concerns(backward.context, {built}, backward.freed):
            continue
        made = program.note(built, "the graph is built here")
        freed = [program.note(point, "freed by this backward") for point in evaluation.ordered(backward.freed)]
        yield program.diagnostic(
            RULE,
            backward.event,
            backward.context,
            "this backward walks a graph that an earlier backward has freed: run the forward again, "
            "`detach()` what is carried over, or pass `retain_graph=True` to the earlier call",
            Confidence.CERTAIN,
            [made, *freed, program.note(evaluation.at(backward.event, backward.context), "walked again here")],
            graphs.walk_once(program, backward),
        )


RULE = Rule(code="TML401", name="repeated-backward", severity=Severity.ERROR, doc=__doc__, check=check)
