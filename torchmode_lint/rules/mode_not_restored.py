"""Training goes on in eval mode after an evaluation.

## What it does

Reports a forward pass that is trained (its output reaches a `backward`, and a step follows) while the
module is in eval mode because an evaluation before it called `eval()` and nothing has called `train()`
since. The call may be in another function, and is often many lines away: `train()` before the loop over
the epochs, `eval()` in a validation inside it.

## Why is this bad

The first epoch trains as intended. From the first validation on, dropout is off and batch norm uses its
running statistics and no longer updates them. Nothing fails: the loss still falls, often faster than
before, while the regularisation that was asked for is gone and the statistics stay those of the first
epoch. What is left is an overfitted model and a learning curve with a kink after the first validation.

## Example

    model.train()
    for epoch in range(epochs):
        for x, y in train_loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            print(validate(model, val_loader))

Use instead:

    for epoch in range(epochs):
        model.train()
        for x, y in train_loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            print(validate(model, val_loader))

A function that evaluates in the middle of an epoch should put back what it found:

    was_training = model.training
    model.eval()
    ...
    model.train(was_training)

Read `training` before `eval()`: afterwards it is always False.

## Fix safety

Safe where the diagnostic is certain: the module has been trained in train mode before the evaluation, and
`train()` before its next training forward puts back what was there. Unsafe where it is only likely, as for modules
that may hold no layer that depends on the mode or some of whose later turns are in train mode anyway.

## What it does not see

- Training in eval mode that no evaluation has left behind: a frozen backbone, fine-tuning with fixed
  batch statistics, an attack or an input optimised through a finished model. They are meant so.
- Parts of a model in eval mode inside a model in train mode (frozen batch norm).
- Modules known to hold no layer that depends on the mode.
- Functions that are handed a model whose mode no caller in sight has set.
"""

from __future__ import annotations

from collections.abc import Iterator

from torchmode_lint.analysis import evaluation
from torchmode_lint.analysis.program import Forward, Key, Program
from torchmode_lint.analysis.records import Traced
from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity
from torchmode_lint.fixes import modes
from torchmode_lint.protocol import Mode, Truth
from torchmode_lint.rule import Rule


def check(program: Program) -> Iterator[Diagnostic]:
    walked: dict[Key, list[Traced]] = {}
    for backward in program.backwards:
        for key, graph in backward.graphs:
            walked.setdefault(key, []).append(graph)
    forwards: dict[Key, Forward] = {}
    for forward in program.forwards:
        forwards.setdefault(forward.key, forward)
    for key, graphs in walked.items():
        found = forwards.get(key)
        left_over = [graph for graph in graphs if graph.mode is Mode.EVAL]
        if found is None or not left_over or not _trained_before(graphs):
            continue
        if found.module.frozen is Truth.YES or found.dependent is Truth.NO:
            continue
        sure = _always(graphs) and found.dependent is Truth.YES
        causes = frozenset().union(*(graph.why for graph in left_over))
        if not program.concerns(found.context, causes):
            continue
        why = evaluation.ordered(causes)
        trail = [
            n
            for point in why
            for n in (*program.call_notes(point.context), program.note(point, "put into eval mode here"))
        ]
        yield program.diagnostic(
            RULE,
            *evaluation.turning(program, found, causes),
            f"{evaluation.spoken(found)} is trained in eval mode from the second time on: "
            "call `train()` after the evaluation",
            Confidence.CERTAIN if sure else Confidence.LIKELY,
            [
                *trail,
                *program.call_notes(found.context),
                evaluation.here(program, found, "trained here, still in eval mode"),
            ],
            modes.restore_train(program, found, causes, sure=sure),
        )


def _trained_before(graphs: list[Traced]) -> bool:
    """Trained in train mode in the first turn, in eval mode only later: the switch is a left-over."""
    return any(graph.mode is Mode.TRAIN for graph in graphs) and not any(
        graph.mode is Mode.EVAL and 0 in graph.turns for graph in graphs
    )


def _always(graphs: list[Traced]) -> bool:
    """Whether every later turn trains in eval mode."""
    return all(graph.mode is Mode.EVAL for graph in graphs if 0 not in graph.turns)


RULE = Rule(code="TML102", name="mode-not-restored", severity=Severity.ERROR, doc=__doc__, check=check)
