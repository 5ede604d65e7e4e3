"""A model is evaluated while it is still in train mode.

## What it does

Reports a forward pass that only evaluates (no gradient will ever flow back through it) of a module that
is in train mode and has layers whose result depends on the mode: dropout, batch norm, or any code of its
own that reads `self.training`. A module is in train mode when it is constructed, and again after
`train()`. Loading weights with `load_state_dict` does not change the mode.

Whether a forward evaluates is told by what happens, not by names: gradients are off around it, or its
output reaches no `backward` in any caller. An export that takes the module in the mode it is in
(`torch.jit.trace`, `torch.export.export`, converters to Core ML and TensorRT) is an evaluation;
`torch.onnx.export` switches the mode by itself.

Where nobody in sight sets the mode, but the same function trains the module and evaluates it without gradients
in one and the same mode, that is reported as well: the mode is wrong for one of the two.

## Why is this bad

In train mode dropout zeroes activations at random and batch norm normalises with the statistics of the
batch at hand. The result is noisy, usually worse than the model really is, and depends on how samples
happen to be batched: a single sample gets another answer alone than in company. Batch norm also updates
its running statistics in every such forward, with or without `no_grad`, so the evaluation data leaks
into the model.

`torch.no_grad()` does not help: it switches off the recording of gradients and leaves the mode alone.

## Example

    def evaluate(model, loader):
        correct = 0
        with torch.no_grad():
            for x, y in loader:
                correct += (model(x).argmax(1) == y).sum().item()
        return correct / len(loader.dataset)

Use instead:

    def evaluate(model, loader):
        model.eval()
        correct = 0
        with torch.no_grad():
            for x, y in loader:
                correct += (model(x).argmax(1) == y).sum().item()
        return correct / len(loader.dataset)

with `model.train()` at the start of each epoch of training.

## Fix safety

Safe where the diagnostic is certain and only `eval()` is added before the evaluation, and `train()` after it where
training goes on: layers then compute as they were built to. Unsafe in all other cases: where the diagnostic is
only likely; where `torch.no_grad()` comes with it, since the results have no graph then; where the mode is to
follow a condition (`model.train(phase == "train")`); and for a module that is put into eval mode where it is made.

## What it does not see

- Functions that nobody calls with a model the analysis knows: the caller may have called `eval()`.
- Modules known to hold no layer that depends on the mode; `eval()` would change nothing.
- Forwards on nothing but random noise made on the spot (samples of a GAN, smoke tests).
- Forwards whose output enters a loss, even detached or under `no_grad`: teachers and target networks.
- Actions of a policy in the loop that trains it: they collect what it is trained on.
- Forwards inside a module's own methods: the mode is that of whoever calls it from outside.
- Models that a library hands over in eval mode (`from_pretrained` of transformers and diffusers), and
  loops that a framework runs (Lightning, Ignite, the transformers `Trainer`).
- Samples of a generator that is trained through a discriminator: by convention they are drawn in train mode.
- Dropout that is left active on purpose: a whole model put back into train mode for Monte-Carlo dropout
  looks like the bug. Switch only the dropout modules, or add `# noqa: TML101`.
"""

from __future__ import annotations

from collections.abc import Iterator

from torchmode_lint.analysis import evaluation
from torchmode_lint.analysis.program import Forward, Program
from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity
from torchmode_lint.fixes import modes
from torchmode_lint.protocol import Mode, Truth
from torchmode_lint.rule import Rule


def check(program: Program) -> Iterator[Diagnostic]:
    for group in evaluation.groups(program):
        broken = [f for f in group if f.module.mode is Mode.TRAIN and f.dependent is not Truth.NO]
        if not broken:
            yield from _in_one_mode(program, group)
            continue
        if any(f.module.mode is Mode.EVAL and f.turn == b.turn for f in group for b in broken):
            continue  # a condition decides on the mode, and both have been thought of
        doubt = evaluation.doubt(program, group)
        if doubt is None:
            continue
        confidence = doubt
        if any(f.inputs_grad is not Truth.NO and evaluation.beside_training(program, f) for f in broken):
            confidence = Confidence.POSSIBLE  # a loss of what is being trained, computed to be looked at
        if not all(map(evaluation.grad_is_off, broken)) and evaluation.has_adversary(program, broken[0]):
            confidence = Confidence.POSSIBLE
        if len(broken) < len(group) or any(f.dependent is not Truth.YES for f in broken):
            confidence = min(confidence, Confidence.LIKELY)
        first = broken[0]
        if first.exported:
            confidence = min(confidence, Confidence.LIKELY)  # it may be meant to be trained further where it is run
        name = evaluation.spoken(first)
        trail = [program.note(point, "in train mode from here") for point in evaluation.ordered(first.module.why)]
        trail += program.call_notes(first.context)
        if first.grad_why and evaluation.grad_is_off(first):
            trail += [program.note(point, "gradients off from here") for point in evaluation.ordered(first.grad_why)]
        place = evaluation.place(program, first, first.module.why)
        yield program.diagnostic(
            RULE,
            *place,
            f"{name} is exported in train mode: call `eval()` on it first"
            if first.exported
            else f"{name} is evaluated in train mode: call `eval()` on it before this forward",
            confidence,
            [*trail, evaluation.here(program, first, "evaluated here")],
            modes.put_into_eval(program, first, place, sure=confidence is Confidence.CERTAIN),
        )


def _in_one_mode(program: Program, group: list[Forward]) -> Iterator[Diagnostic]:
    """A module that nobody in sight switches is trained, and evaluated without gradients, in one and the same mode."""
    if not all(_untouched(f) and evaluation.grad_is_off(f) and f.dependent is not Truth.NO for f in group):
        return
    first = group[0]
    trained = evaluation.training_of(program, first)
    if not trained or not all(map(_untouched, trained)) or evaluation.doubt(program, group) is Confidence.POSSIBLE:
        return
    place = evaluation.place(program, first, frozenset())
    yield program.diagnostic(
        RULE,
        *place,
        f"{evaluation.spoken(first)} is evaluated in the mode that it is trained in: "
        "call `eval()` on it before this forward, and `train()` before it is trained again",
        Confidence.LIKELY if first.dependent is Truth.YES else Confidence.POSSIBLE,
        [
            evaluation.here(program, trained[0], "trained here"),
            *program.call_notes(first.context),
            *(program.note(point, "gradients off from here") for point in evaluation.ordered(first.grad_why)),
            evaluation.here(program, first, "evaluated here, with no `eval()` in between"),
        ],
        modes.put_into_eval(program, first, place, sure=False),
    )


def _untouched(forward: Forward) -> bool:
    return forward.module.mode is Mode.ENTRY and not forward.module.why and not forward.handed


RULE = Rule(code="TML101", name="missing-eval", severity=Severity.ERROR, doc=__doc__, check=check)
