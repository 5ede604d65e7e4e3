"""A backward starts from a value that requires no gradient.

## What it does

Reports a `backward` or `autograd.grad` whose value was computed while gradients were off, detached, turned
into a number, made anew with `torch.tensor`, or computed from nothing that requires grad, whenever that is
so on every path. Also reports a backward from a leaf that was only made to require grad itself.

## Why is this bad

torch raises `RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn`, or,
where `.item()` made a number of it, `AttributeError: 'float' object has no attribute 'backward'`. It raises
where the branch is taken or the evaluation has run that left gradients switched off, which may be epochs
into a run.

`torch.tensor(loss, requires_grad=True)` and `loss.detach().requires_grad_()` make the error go away and
nothing else: the new tensor knows nothing of the model, so its backward trains nothing.

## Example

    def evaluate(model, loader):
        torch.set_grad_enabled(False)
        return sum((model(x).argmax(1) == y).sum() for x, y in loader)

    for epoch in range(epochs):
        for x, y in train_loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        evaluate(model, val_loader)

Use instead:

    @torch.no_grad()
    def evaluate(model, loader):
        return sum((model(x).argmax(1) == y).sum() for x, y in loader)

A loss of predicted classes (`argmax`, comparisons) has no gradient at all: use the scores they come from.

## Fix safety

There is no automatic fix. Where the graph should have come from, the program does not say.

## What it does not see

- Values that require no grad on some paths only.
- Views taken under `no_grad` of tensors that require grad: they still say that they do.
- Backwards of accelerators and engines, and hand-written methods that are called `backward`.
- Statements that are there for their exception, inside `try` or `pytest.raises`.
"""

from __future__ import annotations

from collections.abc import Iterator

from torchmode_lint.analysis import evaluation, tracking
from torchmode_lint.analysis.program import Backward, Program
from torchmode_lint.diagnostic import Confidence, Diagnostic, Note, Severity
from torchmode_lint.flow.events import Event
from torchmode_lint.protocol import Truth
from torchmode_lint.rule import Rule

_NO_GRAPH = (
    "this backward starts from a value that requires no gradient, so torch raises: compute it with "
    "gradients on, from what the model returned"
)
_NOTHING_BEHIND = (
    "this backward starts from a new leaf with nothing behind it, so nothing is trained: "
    "go backward from the value that it was made of"
)


def check(program: Program) -> Iterator[Diagnostic]:
    by_place: dict[object, list[Backward]] = {}
    for backward in program.backwards:
        if program.here(backward.context):
            by_place.setdefault((backward.event, backward.context), []).append(backward)
    told: set[Event] = set()
    for observed in by_place.values():
        found = _always_without(program, observed)
        if found and found[0].event not in told and not any(b.guarded for b in observed):
            told.add(found[0].event)
            yield _diagnostic(program, found[0], len(found) == len(observed))


def _always_without(program: Program, observed: list[Backward]) -> list[Backward]:
    """The observations of a backward in some turn of the loops around it, if in that turn it never has a graph."""
    turns = {backward.turns: [b for b in observed if b.turns == backward.turns] for backward in observed}
    return next((same for same in turns.values() if all(_has_none(program, b) for b in same)), [])


def _has_none(program: Program, backward: Backward) -> bool:
    """Whether a backward has no graph, what loops draw from unknown data taken for data if a model is given it."""
    tensor = backward.without
    if tensor is None:
        return False
    return tensor.unless <= program.batches and not tensor.unless & program.asked


def _diagnostic(program: Program, backward: Backward, always: bool) -> Diagnostic:
    tensor = backward.without
    assert tensor is not None
    confidence = Confidence.CERTAIN if always and tensor.exact and not tensor.unless else Confidence.LIKELY
    if evaluation.in_unit_test(program, backward.context):
        confidence = Confidence.POSSIBLE
    trail: list[Note] = []
    sources = tracking.keys(tensor.data)
    for forward in program.forwards:
        if forward.key in sources and evaluation.grad_is_off(forward):
            trail += [program.note(p, "gradients are off from here") for p in evaluation.ordered(forward.grad_why)[:1]]
            trail.append(evaluation.here(program, forward, "computed here, without a graph"))
            break
    if isinstance(tensor.made, Event):
        point = evaluation.at(tensor.made, backward.context)
        trail.append(program.note(point, "made here"))
    message = _NOTHING_BEHIND if tensor.grad is Truth.YES else _NO_GRAPH
    here = program.note(evaluation.at(backward.event, backward.context), "walked here")
    return program.diagnostic(RULE, backward.event, backward.context, message, confidence, [*trail, here])


RULE = Rule(code="TML202", name="backward-without-graph", severity=Severity.ERROR, doc=__doc__, check=check)
