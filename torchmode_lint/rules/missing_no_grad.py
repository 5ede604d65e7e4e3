"""An evaluation records a graph that no backward will walk.

## What it does

Reports a forward pass of a module in eval mode while gradients are being recorded, when the module has
parameters that require gradients, the input requires none, and the output reaches no `backward` and no
`autograd.grad` in any caller. One diagnostic stands for all calls of an evaluation in one function.

A module that has no layer which depends on the mode needs no `eval()`. Where it is trained in sight, its evaluations
are told by their graph alone: no backward walks it.

It also reports a teacher: a module made and put into eval mode in sight, whose output does enter a loss, while
no optimizer owns it. The backward walks through it, and the gradients it leaves there are used by nobody.

## Why is this bad

The results are right; memory and time are wasted. Every layer keeps what its backward would need, as long
as anything refers to the output: a list of outputs, a running sum of losses or a recurrent state that is
fed back keeps all of it, until the evaluation runs out of memory on a model that trained without trouble.

`eval()` does not help: it switches layers and leaves the recording alone. `detach()`, `.data` or
`.item()` on the result come too late for the forward itself, whose graph has been built by then.

## Example

    def evaluate(model, loader):
        model.eval()
        predictions = []
        for x, _ in loader:
            predictions.append(model(x))
        return torch.cat(predictions)

Use instead:

    @torch.no_grad()
    def evaluate(model, loader):
        model.eval()
        predictions = []
        for x, _ in loader:
            predictions.append(model(x))
        return torch.cat(predictions)

or `with torch.no_grad():` around the loop. `torch.inference_mode()` is a little faster still; its results
cannot enter a computation with gradients later. `with torch.set_grad_enabled(training):` suits a function
that serves both training and evaluation.

## Fix safety

Safe where the diagnostic is certain: nothing that is computed there reaches a backward or leaves the function, and
without a graph all numbers are the same. Unsafe where it is only likely, since a caller out of sight may
differentiate the result, and where the grad mode is to follow a condition
(`torch.set_grad_enabled(phase == "train")`).

## What it does not see

- Evaluations of a module in train mode: they are reported as `missing-eval`, if at all.
- Functions that nobody calls, and results handed to code that cannot be followed.
- Modules whose parameters are all frozen: without gradients to record, no graph is built.
- Attacks, saliency maps, guidance and other forwards whose input requires gradients.
- Library calls that switch gradients off by themselves, such as the pipelines of diffusers and `generate` of
  transformers.
- What a module's own forward returns, unless a call of it is in sight.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torchmode_lint.analysis import evaluation
from torchmode_lint.analysis.program import Forward, Key, Program
from torchmode_lint.analysis.values import Site
from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity
from torchmode_lint.fixes import grad_modes
from torchmode_lint.protocol import GradMode, Mode, Truth
from torchmode_lint.rule import Rule

if TYPE_CHECKING:
    from torchmode_lint.analysis.records import Point, Points
    from torchmode_lint.flow.cfg import Block, Code


def check(program: Program) -> Iterator[Diagnostic]:
    surest: dict[tuple[Code, Block | None, Points], Diagnostic] = {}
    every = list(_evaluations(program))
    switched = {(code, loop) for (code, loop, why), _ in every if why}
    for key, found in every:
        if not key[2] and key[:2] in switched:
            continue  # a loss, say, beside the model that it is computed of
        known = surest.get(key)
        if known is None or (found.confidence, -found.span.line) > (known.confidence, -known.span.line):
            surest[key] = found
    yield from surest.values()
    yield from _teachers(program)


def _evaluations(program: Program) -> Iterator[tuple[tuple[Code, Block | None, Points], Diagnostic]]:
    for group in evaluation.groups(program, fed_too=True):
        in_eval = [f for f in group if f.module.mode is Mode.EVAL and f.module.why]
        if not in_eval:
            found = _in_any_mode(program, group)
            if found is not None:
                yield (*_evaluation(evaluation.place(program, group[0], frozenset())), frozenset()), found
            continue
        if not all(map(_records, group)):
            continue
        doubt = evaluation.doubt(program, group, mode_says_so=True)
        if doubt is None:
            continue
        first = in_eval[0]
        if first.grad is not GradMode.ON or first.by_method:
            doubt = min(doubt, Confidence.LIKELY)
        trail = [program.note(point, "in eval mode from here") for point in evaluation.ordered(first.module.why)]
        place = evaluation.place(program, first, first.module.why)
        found = program.diagnostic(
            RULE,
            *place,
            f"{evaluation.spoken(first)} is evaluated while gradients are recorded: "
            "wrap this in `torch.no_grad()` or `torch.inference_mode()`",
            doubt,
            [*trail, *program.call_notes(first.context), evaluation.here(program, first, "evaluated here")],
            grad_modes.switch_off(program, first, place, sure=doubt is Confidence.CERTAIN),
        )
        yield (*_evaluation(place), first.module.why), found


def _evaluation(place: Point) -> tuple[Code, Block | None]:
    """What is one evaluation, however many forwards it takes: a function, or a loop of a script."""
    code = place.context.code
    return code, evaluation.loop_around(*place) if code.kind == "file" else None


def _in_any_mode(program: Program, group: list[Forward]) -> Diagnostic | None:
    """An evaluation of a module without layers that depend on the mode, which is trained elsewhere in the program."""
    first = group[0]
    trained = [f for f in evaluation.training_of(program, first) if f.grad is first.grad]  # which is on, then
    if not trained or not all(f.grad is first.grad and _is_indifferent(f) for f in group):
        return None
    doubt = evaluation.doubt(program, group)
    if doubt is None or evaluation.beside_training(program, first) or evaluation.has_adversary(program, first):
        return None
    place = evaluation.place(program, first, frozenset())
    return program.diagnostic(
        RULE,
        *place,
        f"{evaluation.spoken(first)} is evaluated while gradients are recorded: "
        "wrap this in `torch.no_grad()` or `torch.inference_mode()`",
        doubt,
        [
            evaluation.here(program, trained[0], "trained here"),
            *program.call_notes(first.context),
            evaluation.here(program, first, "evaluated here: no backward walks this graph"),
        ],
        grad_modes.switch_off(program, first, place, sure=doubt is Confidence.CERTAIN),
    )


def _is_indifferent(f: Forward) -> bool:
    return (
        f.module.frozen is Truth.NO
        and GradMode.OFF not in f.grad
        and f.inputs_grad is not Truth.YES
        and not f.by_method
        and not f.exported
        and f.dependent is Truth.NO
    )


def _teachers(program: Program) -> Iterator[Diagnostic]:
    """Modules made here and put into eval mode whose output enters a loss, while no optimizer owns any of them."""
    by_key: dict[Key, list[Forward]] = {}
    for forward in program.forwards:
        if forward.key in program.unowned and forward.key not in program.owned and forward.direct:
            by_key.setdefault(forward.key, []).append(forward)
    for observed in by_key.values():
        first = observed[0]
        if not all(_only_teaches(f) for f in observed) or not program.concerns(first.context, first.module.why):
            continue
        yield program.diagnostic(
            RULE,
            first.event,
            first.context,
            f"{evaluation.spoken(first)} is in eval mode and no optimizer owns it, yet the backward walks through it: "
            "wrap this in `torch.no_grad()` or `torch.inference_mode()`",
            Confidence.POSSIBLE if evaluation.in_unit_test(program, first.context) else Confidence.LIKELY,
            [
                *(program.note(p, "in eval mode from here") for p in evaluation.ordered(first.module.why)),
                *program.call_notes(first.context),
                evaluation.here(program, first, "evaluated here, with its graph"),
            ],
            grad_modes.switch_off(program, first, evaluation.at(*first.key), sure=False),
        )


def _only_teaches(f: Forward) -> bool:
    made_here = isinstance(f.identity, Site)
    return made_here and _records(f) and f.module.frozen is Truth.NO and f.inputs_grad is Truth.NO and not f.entered


def _records(f: Forward) -> bool:
    """Whether the forward builds a graph that its evaluation does not need."""
    return (
        GradMode.OFF not in f.grad
        and Mode.EVAL in f.module.mode
        and Mode.TRAIN not in f.module.mode
        and f.module.frozen is not Truth.YES
        and f.inputs_grad is not Truth.YES
    )


RULE = Rule(code="TML201", name="missing-no-grad", severity=Severity.WARNING, doc=__doc__, check=check)
