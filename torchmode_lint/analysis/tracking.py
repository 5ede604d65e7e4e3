"""The moves of the protocol on abstract states: mode switches, forwards, backwards, zeroing, steps.

The only place that steps abstract objects through the tables of `protocol`, and, in the recording pass,
the only place that writes observations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint.analysis import calls, doubts, renaming
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.classes import dependence, named_callees
from torchmode_lint.analysis.program import Backward, Forward, GradRead, Kept, Key, Step
from torchmode_lint.analysis.relations import covered, has_remainder, relation
from torchmode_lint.analysis.values import Identity, Obj, Path, Site, Tensor, Value
from torchmode_lint.protocol import GRADIENTS, GRAPH, Gradients, GradMode, Graph, Mode, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Arguments, Frame
    from torchmode_lint.analysis.state import State
    from torchmode_lint.flow.events import Event

_RECURRENT = {"torch.nn.LSTM": True, "torch.nn.GRU": False, "torch.nn.RNN": False}


# --- modules -----------------------------------------------------------------------------------------


def module_of(frame: Frame, identity: Identity) -> r.Module | None:
    """What is known of a module; a part of a module that nobody touched has the mode of the whole."""
    record = frame.state.heap.get(identity)
    if isinstance(record, r.Module):
        return record
    if record is None and isinstance(identity, Path):
        whole = module_of(frame, identity.base)
        if whole is not None:
            dependent = Truth.NO if whole.dependent is Truth.NO else Truth.MAYBE
            return r.Module(whole.mode, whole.why, dependent, None, whole.frozen)
    return None


def ensure_module(frame: Frame, identity: Identity) -> r.Module:
    """The record of something that is used as a module, made if it has none."""
    known = module_of(frame, identity)
    if known is None:
        known = r.Module(Mode.ENTRY)
    if frame.state.heap.get(identity) is None:
        frame.state.heap[identity] = known
    return known


def set_mode(frame: Frame, identity: Identity, mode: Mode, event: Event, chosen: bool = True) -> None:
    """Put a module and all its parts into a mode."""
    ensure_module(frame, identity)
    seen: set[Identity] = set()
    pending = [identity]
    why = frozenset({frame.point(event)})
    heap = frame.state.heap
    while pending:
        at = pending.pop()
        if at in seen:
            continue
        seen.add(at)
        record = heap.get(at)
        if isinstance(record, r.Module):
            heap[at] = replace(record, mode=mode, why=why, chosen=chosen)
            pending += record.parts
        elif isinstance(record, (r.Sequence, r.Mapping)):
            pending += [a.id for a in frame.reach(v.just(Obj(at))) if isinstance(a, Obj)]
        for key, other in heap.items():
            if isinstance(key, Path) and key.base == at and isinstance(other, r.Module):
                pending.append(key)
        for (owner, _), value in frame.state.attrs.items():
            if owner == at:
                pending += [a.id for a in v.objects_in(value) if a.id in heap]


def blur_mode(frame: Frame, identity: Identity) -> None:
    """An unseen function had the module: it may have switched the mode, or frozen it."""
    record = frame.state.heap.get(identity)
    frame.run.handed.add(identity)
    if isinstance(record, r.Module) and Mode.ENTRY not in record.mode:
        frame.state.heap[identity] = replace(record, mode=record.mode | Mode.ENTRY)
    elif isinstance(record, r.Optimizer):
        frame.state.heap[identity] = replace(record, grads=Gradients.ENTRY)


def dependence_of(frame: Frame, record: r.Module) -> Truth:
    """Whether the module computes differently by mode, its class followed."""
    if record.cls is not None:
        return dependence(record.cls, frame.run.lookup)
    return record.dependent


def freeze(frame: Frame, identity: Identity, requires: Truth) -> None:
    """All parameters of a module are set to require grad, or not to."""
    record = ensure_module(frame, identity)
    frozen = {Truth.YES: Truth.NO, Truth.NO: Truth.YES}.get(requires, Truth.MAYBE)
    frame.state.heap[identity] = replace(record, frozen=frozen)
    if frozen is not Truth.YES:
        thaw_around(frame, identity)


def thaw_around(frame: Frame, identity: Identity) -> None:
    """Of the modules that something is a part of, not all parameters are frozen any more."""
    heap = frame.state.heap
    while isinstance(identity, Path):
        identity = identity.base
        whole = heap.get(identity)
        if isinstance(whole, r.Module) and whole.frozen is Truth.YES:
            heap[identity] = replace(whole, frozen=Truth.MAYBE)


def freeze_owner(frame: Frame, identity: Identity, requires: Truth) -> None:
    """The parameters of a module, one by one in a loop, are set to require grad, or not to."""
    if not isinstance(frame.state.heap.get(identity), r.Optimizer):
        freeze(frame, identity, requires)


# --- forwards ----------------------------------------------------------------------------------------


def forward(
    frame: Frame,
    event: Event,
    identity: Identity,
    arguments: Arguments,
    *,
    direct: bool = True,
    by_method: str = "",
    extra: Iterable[Identity] = (),
) -> Value:
    """A module is applied to its arguments: a new graph, an observation."""
    record = ensure_module(frame, identity)
    inputs = [t for value in arguments.all() for t in frame.tensors(value)]
    inputs_grad = _require_grad(inputs)
    grad = GradMode.OFF if any(t.volatile for t in inputs) else frame.state.grad
    off = GradMode.OFF in grad
    if not off and direct:
        doubts.applied(frame, event, identity)
    if frame.run.recording:
        frame.run.program.forwards.append(
            Forward(
                event=event,
                context=frame.context,
                identity=identity,
                module=replace(record, dependent=_dependence(frame, identity, record)),
                grad=grad,
                grad_why=frame.state.grad_why,
                turn=frame.state.turn(),
                direct=direct,
                synthetic=_synthetic(frame, arguments),
                inputs_grad=inputs_grad,
                inner=_is_inner(frame, identity),
                by_method=by_method,
                loop=next(reversed(frame.state.loops), None),
            )
        )
        given = [calls.element_of(atom) for value in arguments.all() for atom in frame.reach(value)]
        frame.run.program.batches |= {one for one in given if one is not None}
    site = frame.fresh(event)
    inputs = [
        t for value in arguments.all() for t in frame.tensors(renaming.renamed(value, site, renaming.older(site)))
    ]
    frame.run.owners[site.event, site.context] = frozenset({identity, *extra})
    data = frozenset({site}).union(*(t.data for t in inputs))
    if grad is GradMode.OFF or (record.frozen is Truth.YES and inputs_grad is Truth.NO):
        free = Tensor(data=data, leaf=Truth.YES, grad=Truth.NO, exact=direct)
        if _switches_on(record):
            return v.just(replace(free, leaf=Truth.MAYBE, grad=Truth.MAYBE))
        if grad is not GradMode.OFF:
            unknown = [a for value in arguments.all() for a in frame.reach(value) if calls.may_hide_tensor(frame, a)]
            if _was_handed_on(frame, identity):
                free = replace(free, grad=Truth.MAYBE)
            elif unknown:
                free = replace(calls.in_doubt(free, unknown), leaf=Truth.YES)
        return v.just(free)
    frame.state.graphs[site] = r.Traced(Graph.LIVE, record.mode, record.why, frozenset({frame.state.turn()}))
    sure = direct and not off and (record.frozen is Truth.NO or inputs_grad is Truth.YES)
    must: frozenset[Site] = frozenset()
    if direct and not off:  # what it is applied to is walked through, even where its own parameters are not
        must = must.union(*(t.must for t in inputs), {site} if sure else ())
    sure = bool(must)
    whole = Tensor(
        may=frozenset({site}).union(*(t.may for t in inputs)),
        must=must,
        data=data,
        leaf=Truth.NO if sure else Truth.MAYBE,
        grad=Truth.YES if sure else Truth.MAYBE,
        exact=direct,
        asked=any(t.asked for t in inputs),
    )
    if record.name in _RECURRENT and direct:
        one = v.just(whole)
        return v.just(v.Tup((one, v.just(v.Tup((one, one))) if _RECURRENT[record.name] else one)))
    return v.just(whole)


def _dependence(frame: Frame, identity: Identity, record: r.Module) -> Truth:
    """Whether the module depends on the mode; a part of one that does not, does not either."""
    found = dependence_of(frame, record)
    if found is Truth.MAYBE and isinstance(identity, Path):
        whole = frame.state.heap.get(identity.base)
        if isinstance(whole, r.Module) and whole.cls is not None and dependence_of(frame, whole) is Truth.NO:
            return Truth.NO
    return found


def _require_grad(inputs: Iterable[Tensor]) -> Truth:
    answer = Truth.NO
    for t in inputs:
        if t.asked or (t.grad is Truth.YES and not t.may):
            return Truth.YES
        if t.may:
            answer = Truth.MAYBE
    return answer


def _synthetic(frame: Frame, arguments: Arguments) -> bool:
    tensors = [t for value in arguments.all() for t in frame.tensors(value)]
    unknown = any(
        isinstance(atom, (Obj, v.Anything)) and not (isinstance(atom, Obj) and atom.id in frame.state.heap)
        for value in arguments.all()
        for atom in value
    )
    return bool(tensors) and all(t.synthetic for t in tensors) and not unknown


def _switches_on(record: r.Module) -> bool:
    """Whether a module's own code switches gradients on, whatever mode it is called in."""
    if record.cls is None:
        return False
    named = (name for one in record.cls.line() for name, _ in named_callees(one.code))
    if any(name.rpartition(".")[2] in ("enable_grad", "set_grad_enabled") for name in named):
        return True
    return any(isinstance(a, v.Func) and a.grad in ("on", "unknown") for a in record.cls.method("forward") or ())


def ask(frame: Frame, identity: Identity) -> None:
    """Something unknown is made to require grad, or may be."""
    element = calls.element_of(Obj(identity))
    if element is not None:
        frame.run.program.asked.add(element)


def _was_handed_on(frame: Frame, identity: Identity) -> bool:
    """Whether code that cannot be seen had the module, or what it is a part of, and may have thawed parts of it."""
    while isinstance(identity, Path):
        if identity in frame.run.handed:
            return True
        identity = identity.base
    return identity in frame.run.handed


def _is_inner(frame: Frame, identity: Identity) -> bool:
    """Whether the forward runs in a module's own method (its mode is that module's business)."""
    for at in frame.context.chain():
        cls = frame.run.class_of.get(at.code)
        if cls is not None:
            return cls.is_module
        if at.code.kind not in ("lambda",) and at.code.parent is not None and at.code.parent.kind == "function":
            continue
        return False
    return False


# --- gradients ---------------------------------------------------------------------------------------


def keys(sites: Iterable[Site]) -> set[Key]:
    return {Key(site.event, site.context) for site in sites}  # type: ignore[arg-type]


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
    if run.recording:
        program = run.program
        program.trained |= keys(may)
        program.fed |= keys(frozenset().union(*(t.data - t.may for t in tensors)))
        program.carried |= keys(site for site in may if site.age)
        program.walked |= {v.name_of(t) for t in tensors if t.may}
        if retain is Truth.YES:
            program.retained |= keys(may)
        if not may:
            program.blind_backwards.add(root_of(frame.context))
        traced = tuple((Key(s.event, s.context), state.graphs[s]) for s in may if s in state.graphs)  # type: ignore[arg-type]
        again = [(s, state.graphs[s]) for s in must if s in state.graphs and state.graphs[s].status is Graph.FREED]
        program.backwards.append(
            Backward(
                event,
                frame.context,
                tuple(sorted(keys(s for s, _ in again), key=lambda k: k.event.index)),
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
        _fill(frame, event, tensors, may)
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


def _fill(frame: Frame, event: Event, tensors: list[Tensor], may: frozenset[Site]) -> None:
    modules: set[Identity] = set()
    for site in may:
        modules |= frame.run.owners.get((site.event, site.context), frozenset())
    optimizers = [(key, one) for key, one in frame.state.heap.items() if isinstance(one, r.Optimizer)]
    point = frozenset({frame.point(event)})
    for key, optimizer in optimizers:
        reached = relation(optimizer.owns, modules) if modules else Truth.MAYBE
        doubts.doubt(frame, key)  # where it is not filled, it is not told so for sure
        optimizer = replace(optimizer, doubted=True)
        if reached is Truth.NO:
            continue
        if reached is Truth.MAYBE and (len(optimizers) > 1 and optimizer.owns is not None and modules):
            continue
        after = GRADIENTS.step(optimizer.grads, "backward")
        mixed = point if Gradients.MIXED in after and Gradients.STALE in optimizer.grads else optimizer.mixed
        if reached is Truth.MAYBE and len(optimizers) > 1:
            after = after | optimizer.grads
        frame.state.heap[key] = replace(optimizer, grads=after, filled=point, mixed=mixed)


def zero(frame: Frame, event: Event, optimizer: Identity | None, module: Identity | None = None) -> None:
    """Gradients are cleared: of one optimizer, of a module, or (both None) of whatever is there."""
    point = frozenset({frame.point(event)})
    for key, record in list(frame.state.heap.items()):
        if not isinstance(record, r.Optimizer):
            continue
        if optimizer is not None and key != optimizer and not _same_parameters(frame, record, optimizer):
            continue
        if optimizer is None and module is not None and relation(record.owns, [module]) is Truth.NO:
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
    if record.grads is Gradients.CLEAN and not record.doubted:
        return True
    if optimizer is None:
        return module is not None and covered(record.owns, [module])
    other = frame.state.heap.get(optimizer)
    return key == optimizer or (isinstance(other, r.Optimizer) and covered(record.owns, other.owns or ()))


def _owned(record: r.Optimizer, module: Identity | None) -> bool:
    return module is not None and relation(record.owns, [module]) is Truth.YES


def windowed(state: State) -> bool:
    """Whether this runs only in some turns, by the remainder of a counter: `(i + 1) % accumulate == 0`."""
    return any(truth and has_remainder(fact) for fact, truth in state.facts.items())


def step(frame: Frame, event: Event, identity: Identity) -> None:
    record = frame.state.heap.get(identity)
    if not isinstance(record, r.Optimizer):
        return
    if frame.run.recording:
        frame.run.program.steps.append(Step(event, frame.context, identity, record, frame.state.turn()))
        if record.grads is Gradients.CLEAN and not record.doubted:
            # what the step was meant for, although its backward is missing
            frame.run.program.stepped |= {Key(point.event, point.context) for point in record.applied}
    after = GRADIENTS.step(record.grads, "step")
    if windowed(frame.state) and "windowed" in frame.run.evidence.get(identity, ()):
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
    if frame.run.recording:
        frame.run.program.grad_reads.append(GradRead(event, frame.context, t, optimized))


# --- what happens to the output of a forward -----------------------------------------------------------


def mark(frame: Frame, what: set[Key], values: Iterable[Value]) -> None:
    """In the recording pass, the forwards behind these values are returned, stored or passed on."""
    if frame.run.recording:
        for value in values:
            for t in frame.tensors(value):
                what |= keys(t.may)


def leave(frame: Frame, values: Iterable[Value], way: set[Key] | None = None) -> None:
    """In the recording pass, graphs of earlier turns of a loop go where the analysis cannot see, in some `way`."""
    if frame.run.recording:
        for value in values:
            for t in frame.tensors(value):
                gone = keys(site for site in t.may if site.age)
                frame.run.program.left |= gone
                if way is not None:
                    way |= gone


def combine(frame: Frame, made: object, operands: Iterable[Tensor]) -> None:
    """In the recording pass, remember of which tensors with graphs an operation made another."""
    if frame.run.recording:
        names = frame.run.program.operands.setdefault(made, set())
        names |= {v.name_of(t) for t in operands if t.may} - {made}


def accumulate(frame: Frame, event: Event, held: Value, added: Value, *, listed: bool = False) -> None:
    """In the recording pass: does a value that is added to another one keep a graph for each turn of a loop?

    It does where what it is added to hangs on the graph of an earlier turn, and it on that of this turn.
    A value that hangs on both by itself is carried on (a recurrent state), and is not looked at.
    """
    if not frame.run.recording:
        return
    sites = frozenset().union(*(t.may for t in frame.tensors(held)))
    if not listed and any(not site.age for site in sites):
        sites = frozenset(site for site in sites if Site(site.event, site.context) not in sites)
    earlier = {Site(site.event, site.context): site for site in sites if site.age}
    for t in frame.tensors(added) if earlier else ():
        again = [earlier[site] for site in t.may if site in earlier]
        if not again or any(site in t.may for site in again):
            continue
        graphs = [frame.state.graphs[site] for site in again if site in frame.state.graphs]
        if graphs:
            whole = graphs[0]
            for other in graphs[1:]:
                whole = whole.join(other)
            frame.run.program.kepts.append(
                Kept(event, frame.context, frozenset(keys(again)), whole.status, whole.freed, t, listed)
            )


def keep(frame: Frame, value: Value) -> None:
    """In the recording pass, what comes from the forwards behind a value is not dropped on the spot."""
    if frame.run.recording:
        for t in frame.tensors(value):
            frame.run.program.kept |= keys(t.data)


def root_of(context: v.Context) -> v.Context:
    return list(context.chain())[-1]
