"""Backwards, zeroing and steps: what they do to graphs and to the gradients of optimizers.

The only place that steps these through the tables of `protocol`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint.analysis import doubts, tracking
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.program import Backward, GradRead, Key, Step
from torchmode_lint.analysis.relations import covered, has_remainder, relation, with_parts
from torchmode_lint.analysis.values import Identity, Obj, Path, Site, Tensor, Value
from torchmode_lint.protocol import GRADIENTS, GRAPH, Gradients, Graph, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.analysis.state import State
    from torchmode_lint.flow.events import Event


def backward(
    frame: Frame, event: Event, value: Value, retain: Truth, *, accumulates: bool = True, own: bool = False
) -> None:
    """A graph is walked: `retain` says whether it is kept; autograd.grad does not accumulate.

    `own`: torch itself walks it, not something that may have another idea of what a backward is.
    """
    tensors = frame.tensors(value)
    run, state = frame.run, frame.state
    may = frozenset().union(*(t.may for t in tensors))
    must = frozenset().union(*(t.must for t in tensors))
    run.show()
    if run.recording:
        program = run.program
        program.trained |= tracking.keys(may)
        _note_ownership(frame, may)
        program.fed |= tracking.keys(frozenset().union(*(t.data - t.may for t in tensors)))
        program.carried |= tracking.keys(site for site in may if site.age)
        program.walked |= {v.name_of(t) for t in tensors if t.may}
        if retain is Truth.YES:
            program.retained |= tracking.keys(may)
        if not may:
            program.blind_backwards.add(frame.context)
        traced = tuple((tracking.key(s), state.graphs[s]) for s in may if s in state.graphs)
        again = [(s, state.graphs[s]) for s in must if s in state.graphs and state.graphs[s].status is Graph.FREED]
        program.backwards.append(
            Backward(
                event,
                frame.context,
                tuple(sorted(tracking.keys(s for s, _ in again), key=lambda k: k.event.index)),
                frozenset().union(*(graph.freed for _, graph in again)),
                traced,
                _without_graph(frame, value) if own else None,
                (state.outer, *state.loops.values()),
                frame.guarded,
            )
        )
    if retain is Truth.NO:
        here = frozenset({frame.point(event)})
        for site in may:
            before = state.graphs.get(site)
            if before is not None:
                after = GRAPH.step(before.status, "backward")
                sure = site in must
                state.graphs[site] = replace(before, status=after if sure else before.status | after, freed=here)
    elif retain is Truth.MAYBE:
        for site in may:
            before = state.graphs.get(site)
            if before is not None:
                state.graphs[site] = replace(before, status=before.status | Graph.LIVE)
    if accumulates:
        _fill(frame, event, may, surely=not own or _without_graph(frame, value) is None)
    else:
        doubts.doubt(frame)  # what is asked for by `autograd.grad` may be put into `.grad` by hand


def _without_graph(frame: Frame, value: Value) -> Tensor | None:
    """What a backward starts from, where it is nothing but tensors, and no graph is behind any of them.

    They require no grad, or are leaves that were made of numbers that forwards had computed.
    """
    inside = [atom for atom in frame.reach(value) if not isinstance(atom, v.Tup)]
    roots = [a for a in inside if not (isinstance(a, Obj) and isinstance(frame.state.heap.get(a.id), r.Sequence))]
    tensors = [a for a in roots if isinstance(a, Tensor)]
    if not tensors or len(tensors) < len(roots) or not all(map(_is_rootless, tensors)):
        return None
    return v.join_tensors(tensors)


def _is_rootless(t: Tensor) -> bool:
    bare_leaf = t.grad is Truth.YES and t.leaf is Truth.YES and t.exact and bool(t.data)
    return not t.may and (t.grad is Truth.NO or bare_leaf or bool(t.unless))


def _note_ownership(frame: Frame, may: frozenset[Site]) -> None:
    """Remember of each forward that is walked whether any optimizer may own what it applied."""
    state = frame.state
    optimizers = [one for one in state.heap.values() if isinstance(one, r.Optimizer)]
    for site in may:
        modules = with_parts(state, frame.run.owners.get((site.event, site.context), frozenset()))
        sure = bool(optimizers) and bool(modules)
        nobody = sure and all(relation(one.owns, modules) is Truth.NO for one in optimizers)
        (frame.run.program.unowned if nobody else frame.run.program.owned).add(tracking.key(site))


def _fill(frame: Frame, event: Event, may: frozenset[Site], *, surely: bool) -> None:
    """A backward adds to the gradients of what was applied; to those of a part of it perhaps, as without `surely`."""
    modules: set[Identity] = set()
    for site in may:
        modules |= frame.run.owners.get((site.event, site.context), frozenset())
    parts = with_parts(frame.state, modules)
    optimizers = [(key, one) for key, one in frame.state.heap.items() if isinstance(one, r.Optimizer)]
    point = frozenset({frame.point(event)})
    for key, optimizer in optimizers:
        reached = relation(optimizer.owns, modules) if modules else Truth.MAYBE
        doubts.doubt(frame, key)  # where it is not filled, it is not told so for sure
        optimizer = replace(optimizer, doubted=True)
        through_parts = reached is Truth.NO and relation(optimizer.owns, parts) is not Truth.NO
        if reached is Truth.NO and not through_parts:
            continue
        if reached is Truth.MAYBE and (len(optimizers) > 1 and optimizer.owns is not None and modules):
            continue
        after = GRADIENTS.step(optimizer.grads, "backward")
        mixed = point if Gradients.MIXED in after and Gradients.STALE in optimizer.grads else optimizer.mixed
        if through_parts or not surely or (reached is Truth.MAYBE and len(optimizers) > 1):
            after = after | optimizer.grads
        frame.state.heap[key] = replace(optimizer, grads=after, filled=point, mixed=mixed)


def zero(frame: Frame, event: Event, optimizer: Identity | None, module: Identity | None = None) -> None:
    """Gradients are cleared: of one optimizer, of a module, or (both None) of whatever is there."""
    point = frozenset({frame.point(event)})
    parts = with_parts(frame.state, [] if module is None else [module])
    for key, record in list(frame.state.heap.items()):
        if not isinstance(record, r.Optimizer):
            continue
        if optimizer is not None and key != optimizer and not _same_parameters(frame, record, optimizer):
            continue
        if optimizer is None and module is not None and relation(record.owns, parts) is Truth.NO:
            continue
        after = GRADIENTS.step(record.grads, "zero")
        if key != optimizer and Gradients.DISCARDED in after and not _owned(record, module):
            after = Gradients.CLEAN  # not surely the same parameters: nothing is said of the loss of them
        if windowed(frame.state):
            frame.run.learn(key, "windowed")
        doubted = not _cleared(frame, record, key, optimizer, module)
        frame.state.heap[key] = replace(record, grads=after, zeroed=point, doubted=doubted)


def _same_parameters(frame: Frame, record: r.Optimizer, optimizer: Identity) -> bool:
    cleared = frame.state.heap.get(optimizer)
    return isinstance(cleared, r.Optimizer) and relation(record.owns, cleared.owns or ()) is Truth.YES


def _cleared(
    frame: Frame, record: r.Optimizer, key: Identity, optimizer: Identity | None, module: Identity | None
) -> bool:
    """Whether everything that `key` owns surely was cleared with `optimizer` or `module`, or surely was clean."""
    if record.admitted is Gradients.CLEAN:
        return True
    if optimizer is None:
        return module is not None and covered(record.owns, with_parts(frame.state, [module]))
    other = frame.state.heap.get(optimizer)
    return key == optimizer or (isinstance(other, r.Optimizer) and covered(record.owns, other.owns or ()))


def _owned(record: r.Optimizer, module: Identity | None) -> bool:
    return module is not None and relation(record.owns, [module]) is Truth.YES


def windowed(state: State) -> bool:
    """Whether this runs only in some turns, by the remainder of a counter: `(i + 1) % accumulate == 0`."""
    return any(truth and has_remainder(fact) for fact, truth in state.facts.items())


def step(frame: Frame, event: Event, identity: Identity, *, through: bool = False) -> None:
    record = frame.state.heap.get(identity)
    if not isinstance(record, r.Optimizer):
        return
    frame.run.show()
    if frame.run.recording:
        frame.run.program.steps.append(Step(event, frame.context, identity, record, frame.state.turn(), through))
        if record.admitted is Gradients.CLEAN:
            # what the step was meant for, although its backward is missing
            frame.run.program.stepped |= {Key(point.event, point.context) for point in record.applied}
    after = GRADIENTS.step(record.admitted, "step")
    if windowed(frame.state) and frame.run.knows(identity, "windowed"):
        after = Gradients.ENTRY  # cleared at the other end of the window, by arithmetic on the counter
    here = frozenset({frame.point(event)})
    frame.state.heap[identity] = replace(record, grads=after, stepped=here, applied=r.NOWHERE)


def step_by_hand(frame: Frame, event: Event, owner: Identity) -> None:
    """A parameter is moved along its gradient without an optimizer: there is one all the same."""
    if isinstance(frame.state.heap.get(owner), r.Optimizer):
        return
    identity = Path(owner, "gradient descent by hand")
    if identity not in frame.state.heap:
        frame.state.heap[identity] = r.Optimizer(frozenset({owner}), Gradients.FILLED)
    step(frame, event, identity)


def touch_gradients(frame: Frame) -> None:
    """Gradients are written by hand: what every optimizer holds is unknown."""
    for key, record in list(frame.state.heap.items()):
        if isinstance(record, r.Optimizer):
            frame.state.heap[key] = replace(record, grads=Gradients.ENTRY)


def read_grad(frame: Frame, event: Event, t: Tensor, *, optimized: bool = False) -> None:
    frame.run.show()
    if frame.run.recording:
        frame.run.program.grad_reads.append(GradRead(event, frame.context, t, optimized))
