"""A value is kept from turn to turn of a loop together with its graph, where only its number is wanted.

## What it does

Reports a loss or an output that is added to a running total, or put into a list or dictionary that outlives
the turn of the loop, while it still hangs on the graph of its forward, and no backward is ever taken from
the total or the collection.

## Why is this bad

A tensor holds on to the graph that it was computed by. One that has not been walked keeps the activations
of every layer: an evaluation that sums up its losses fills the memory a batch at a time. One that has been
walked keeps the nodes of the graph and tensors they refer to; the total of an epoch is then the end of a
chain as long as the epoch, which slows down and eats memory without an error.

## Example

    running = 0.0
    for x, y in loader:
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss

Use instead:

    running = 0.0
    for x, y in loader:
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item()

`loss.detach()` does it without waiting for the GPU. An evaluation is best run under `torch.no_grad()`, which
builds no graph in the first place.

## Fix safety

Safe where the diagnostic is certain: the graph has been walked and freed, so that nothing is lost with it, and the
numbers stay. What is kept gets `.detach()`, and `.item()` only where it is surely one number and its total begins as
a number and is only printed. Unsafe where the graph may still be walked, by a caller out of sight. An evaluation is
put under `torch.no_grad()` instead. Of structures that are kept whole, dictionaries are copied without their graphs,
which is unsafe, where the module's forward shows them to hold tensors only; for others there is no fix.

## What it does not see

- Accumulators that a method fills when the loop that calls it is out of sight.
- Graphs of parameters that belong to no module.
- Containers that are not a list, set or dictionary of Python: `defaultdict`, `deque`, replay buffers.
- Recurrent states that are carried on: where they are trained, see `repeated-backward`; where they are evaluated,
  `missing-no-grad`.
"""

from __future__ import annotations

from collections.abc import Iterator

from torchmode_lint.analysis import evaluation
from torchmode_lint.analysis.program import Forward, Kept, Program
from torchmode_lint.analysis.records import Point
from torchmode_lint.analysis.values import PartOf, name_of
from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity
from torchmode_lint.fixes import kept as fixes
from torchmode_lint.protocol import GradMode, Graph, Mode, Truth
from torchmode_lint.rule import Rule

_WALKED = (
    "what is kept here still hangs on its graph, which a backward has walked already: "
    "keep the number with `.item()` or `.detach()`"
)
_WHOLE = (
    "what is kept here holds on to the whole graph of every turn of the loop: "
    "keep the number with `.item()` or `.detach()`, or compute it under `torch.no_grad()`"
)


def check(program: Program) -> Iterator[Diagnostic]:
    walked = _walked(program)
    told: dict[Point, tuple[Confidence, Kept]] = {}
    # where one caller walks the sum, it is there to be walked
    summed = {kept.event for kept in program.kepts if kept.forwards & program.carried}
    for kept in program.kepts:
        if kept.event in summed:
            continue
        place = _place(program, kept)
        sure = _confidence(program, kept, walked)
        if place is None or sure is None:
            continue
        known = told.get(place)
        if known is None or (sure, _made(known[1])) > (known[0], _made(kept)):
            told[place] = (sure, kept)
    seen = set()
    for place, (sure, kept) in sorted(told.items(), key=lambda item: (-item[1][0], item[0].event.index)):
        if place.event in seen:
            continue
        seen.add(place.event)
        forwards = [f for f in program.forwards if f.key in kept.forwards]
        first = min(forwards, key=lambda forward: forward.event.index, default=None)
        trail = [] if first is None else [evaluation.here(program, first, "the graph is built here")]
        trail += [program.note(point, "walked by this backward") for point in evaluation.ordered(kept.freed)[:1]]
        trail += program.call_notes(kept.context)
        trail.append(program.note(Point(kept.event, kept.context), "kept here, with the graphs of earlier turns"))
        message = _WALKED if _is_walked(program, kept) else _WHOLE
        fix = fixes.cut(program, kept, sure=sure is Confidence.CERTAIN)
        yield program.diagnostic(RULE, place.event, place.context, message, sure, trail, fix)


def _made(kept: Kept) -> list[int]:
    """Where the forwards are that it hangs on: of several that are kept in one place, the first is told of."""
    return sorted({key.event.index for key in kept.forwards})


def _place(program: Program, kept: Kept) -> Point | None:
    """The innermost place in this file: where it is kept, or the call of the meter that keeps it."""
    if program.here(kept.context):
        return Point(kept.event, kept.context)
    for at in kept.context.chain():
        if at.call is not None and at.parent is not None and program.here(at.parent):
            return Point(at.call, at.parent)
    return None


def _walked(program: Program) -> set[object]:
    """The names of all tensors that surely had a graph: a backward started from what was made of them."""
    names: set[object] = set()
    pending = list(program.walked)
    while pending:
        name = pending.pop()
        if name in names:
            continue
        names.add(name)
        pending += program.operands.get(name, ())
        if isinstance(name, PartOf):
            pending.append(name.whole)
    return names


def _has_graph(program: Program, kept: Kept, walked: set[object]) -> bool:
    """Whether what is kept surely hangs on a graph: known operations made it, or a backward started from it."""
    if kept.tensor.exact and kept.tensor.grad is Truth.YES:
        if not any(f.by_method for f in program.forwards if f.key in kept.forwards):
            return True
    seen: set[object] = set()
    pending = [name_of(kept.tensor)]
    while pending:
        name = pending.pop()
        if name in walked and (not isinstance(name, frozenset) or kept.tensor.grad is Truth.YES):
            return True
        if name not in seen:
            seen.add(name)
            pending += program.operands.get(name, ())
    return False


def _is_walked(program: Program, kept: Kept) -> bool:
    return Graph.FREED in kept.status or (kept.forwards <= program.trained and not kept.forwards & program.retained)


def _confidence(program: Program, kept: Kept, walked: set[object]) -> Confidence | None:
    if not _has_graph(program, kept, walked) or evaluation.in_unit_test(program, kept.context):
        return Confidence.POSSIBLE
    if kept.status is Graph.FREED:
        return Confidence.CERTAIN if kept.tensor.must else Confidence.LIKELY
    if _is_walked(program, kept):
        return Confidence.LIKELY
    if kept.forwards & program.trained:
        return Confidence.POSSIBLE if kept.forwards & program.left else Confidence.LIKELY
    return _never_walked(program, kept)


def _never_walked(program: Program, kept: Kept) -> Confidence | None:
    """How sure it is that nobody will walk the graphs: that the forwards behind them evaluate."""
    if not (kept.tensor.exact and kept.tensor.grad is Truth.YES) or kept.forwards & program.entrusted:
        return Confidence.POSSIBLE
    group = [f for f in program.forwards if f.key in kept.forwards and GradMode.OFF not in f.grad]
    if kept.forwards & program.stepped:
        return None  # somebody forgot the backward, which is another rule's
    if not group or (any(f.entered for f in group) and not any(f.module.chosen for f in group)):
        return None
    in_eval = all(_is_in_eval(f) for f in group)
    doubt = evaluation.doubt(program, group, mode_says_so=in_eval)
    if doubt is None or in_eval:
        return None if doubt is None else min(doubt, Confidence.LIKELY)
    on = all(f.grad is GradMode.ON for f in group)
    return min(doubt, Confidence.LIKELY) if on and not kept.forwards & program.left else Confidence.POSSIBLE


def _is_in_eval(forward: Forward) -> bool:
    return forward.module.mode is Mode.EVAL and bool(forward.module.why)


RULE = Rule(code="TML403", name="graph-leak", severity=Severity.WARNING, doc=__doc__, check=check)
