"""Forwards: a module is applied, a graph is built, and in the recording pass it is observed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from torchmode_lint import torch_api as api
from torchmode_lint.analysis import branches, calls, doubts, modes, renaming
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.glance import glance
from torchmode_lint.analysis.outputs import RECURRENT, SOMETHING, Output, layers_of
from torchmode_lint.analysis.program import Forward
from torchmode_lint.analysis.values import Identity, Obj, Path, Site, Tensor, Value
from torchmode_lint.protocol import GradMode, Graph, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.classes import Class
    from torchmode_lint.analysis.dependence import Lookup
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


def forward(
    frame: Frame,
    event: Event,
    identity: Identity,
    arguments: Arguments,
    *,
    direct: bool = True,
    by_method: str = "",
    exported: bool = False,
    extra: Iterable[Identity] = (),
) -> Value:
    """A module is applied to its arguments: a new graph, an observation. `exported`: to examples, to be traced."""
    if isinstance(identity, Path) and any(_is_foreign(frame, value) for value in arguments.all()):
        return frame.make(event, r.Library(r.FOREIGN))  # so is the model then, which nobody in sight has made
    record = modes.in_effect(frame, modes.ensure_module(frame, identity))
    inputs = [t for value in arguments.all() for t in frame.tensors(value)]
    inputs_grad = _require_grad(inputs)
    # data, not labels: what a loss is compared with may be volatile without being looked at by autograd
    volatile = any(t.volatile for t in frame.tensors(arguments.first))
    grad = GradMode.OFF if volatile or by_method in api.WITHOUT_GRADIENTS else frame.state.grad
    if exported:
        grad |= GradMode.OFF  # some exporters switch it off
    off = GradMode.OFF in grad
    items = branches.items_of(frame.state, frame.context.code.scope)
    if not off and direct:
        doubts.applied(frame, event, identity)
    frame.run.show(sure=direct and (not by_method or by_method in api.FORWARDS))
    if frame.run.recording:
        frame.run.program.forwards.append(
            Forward(
                event=event,
                context=frame.context,
                identity=identity,
                module=record,
                depends=partial(_dependence, frame.run.lookup, record, _whole(frame, identity)),
                grad=grad,
                grad_why=frame.state.grad_why,
                turn=frame.state.turn(),
                direct=direct,
                synthetic=_synthetic(frame, identity, arguments) and not exported,
                inputs_grad=inputs_grad,
                entered=_entered(frame),
                by_method=by_method,
                loop=next(reversed(frame.state.loops), None),
                items=items,
                exported=exported,
                handed=_was_handed_on(frame, identity),
            )
        )
        given = [calls.element_of(atom) for value in arguments.all() for atom in frame.reach(value)]
        frame.run.program.batches |= {one for one in given if one is not None}
    site = frame.fresh(event)
    output = frame.run.output(record.cls) if record.cls is not None and direct and not by_method else SOMETHING
    layers = {name: frame.fresh(v.Layer(event, name)) for name in layers_of(output)}
    arguments = _aged(arguments, [site, *layers.values()])
    inputs = [t for value in arguments.all() for t in frame.tensors(value)]
    for made in (site, *layers.values()):
        frame.run.owners[made.event, made.context] = frozenset({identity, *extra})
    data = frozenset({site}).union(*(t.data for t in inputs))
    if exported or grad is GradMode.OFF or (record.frozen is Truth.YES and inputs_grad is Truth.NO):
        free = Tensor(data=data, leaf=Truth.YES, grad=Truth.NO, exact=direct)
        if _switches_on(record):
            return v.just(replace(free, leaf=Truth.MAYBE, grad=Truth.MAYBE))
        if not exported and grad is not GradMode.OFF:
            unknown = [a for value in arguments.all() for a in frame.reach(value) if calls.may_hide_tensor(frame, a)]
            if _was_handed_on(frame, identity):
                free = replace(free, grad=Truth.MAYBE)
            elif unknown:
                free = replace(calls.in_doubt(free, unknown), leaf=Truth.YES)
        return v.just(free)
    turns = frozenset({frame.state.turn()})
    frame.state.graphs[site] = r.Traced(Graph.LIVE, record.mode, record.why, turns, items=frozenset({items}))
    sure_own = direct and not off and (record.frozen is Truth.NO or inputs_grad is Truth.YES)
    must: frozenset[Site] = frozenset()
    if direct and not off:  # what it is applied to is walked through, even where its own parameters are not
        must = must.union(*(t.must for t in inputs), {site} if sure_own else ())
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
    if record.name in RECURRENT and direct:
        one = v.just(whole)
        return v.just(v.Tup((one, v.just(v.Tup((one, one))) if RECURRENT[record.name] else one)))
    if output.parts is not None or output.cut:
        traced = frame.state.graphs[site]
        frame.state.graphs.update(dict.fromkeys(layers.values(), traced))
        sure_own = sure_own and not _has_frozen_part(frame, identity)
        behind = {name: frozenset({layer} if sure_own else ()) for name, layer in layers.items()}
        return _shaped(frame, whole, output, behind | _behind(frame, record.cls, arguments))
    return v.just(whole)


def _is_foreign(frame: Frame, value: Value) -> bool:
    """Whether a value is, or is computed from, what another framework made."""
    for atom in value:
        match atom:
            case Obj(v.Expression(operands=operands)):
                if any(_is_foreign(frame, operand) for operand in operands):
                    return True
            case Obj(at):
                while isinstance(at, Path):
                    at = at.base
                if frame.state.heap.get(at) == r.Library(r.FOREIGN):
                    return True
    return False


def _has_frozen_part(frame: Frame, identity: Identity) -> bool:
    """Whether some layer of a module may keep nothing for a backward: its parameters were frozen by themselves."""
    return any(
        isinstance(part, r.Module) and part.frozen is not Truth.NO and isinstance(key, Path) and key.base == identity
        for key, part in frame.state.heap.items()
    )


def _aged(arguments: Arguments, sites: Iterable[Site]) -> Arguments:
    """The arguments, with the graphs of an earlier turn of this forward called older ones."""

    def aged(value: Value) -> Value:
        for site in sites:
            value = renaming.renamed(value, site, renaming.older(site))
        return value

    keywords = {name: aged(value) for name, value in arguments.keywords.items()}
    return Arguments(tuple(map(aged, arguments.positional)), keywords, aged(arguments.rest))


def _behind(frame: Frame, cls: Class | None, arguments: Arguments) -> dict[str, frozenset[Site]]:
    """The graphs that surely are behind each of the arguments of a forward, by the names of its parameters."""
    method = v.single((cls.method("forward") if cls is not None else None) or v.EMPTY)
    names = [p.name for p in method.code.parameters[1:]] if isinstance(method, v.Func) else []
    behind: dict[str, frozenset[Site]] = {}
    for name, value in (dict(zip(names, arguments.positional, strict=False)) | arguments.keywords).items():
        musts = [t.must for t in frame.tensors(value)]
        behind[name] = frozenset.intersection(*musts) if musts and len(value) == 1 else frozenset()
    return behind


def _shaped(frame: Frame, whole: Tensor, output: Output, behind: dict[str, frozenset[Site]], at: int = 0) -> Value:
    """What a forward returns, as far as its own code tells: a tuple, or something cut off from all graphs."""
    if output.parts is not None:
        return v.just(v.Tup(tuple(_shaped(frame, whole, one, behind, i) for i, one in enumerate(output.parts))))
    if output.cut:
        return v.just(Tensor(data=whole.data, leaf=Truth.YES, grad=Truth.NO, exact=False))
    must = frozenset().union(*(behind.get(name, frozenset()) for name in output.must))
    part = replace(v.part(whole, at), may=whole.may | must)
    return v.just(replace(part, must=must, leaf=Truth.NO, grad=Truth.YES, exact=True) if must else part)


def _whole(frame: Frame, identity: Identity) -> r.Module | None:
    """The module of one of the project's classes that something is a part of."""
    whole = frame.state.heap.get(identity.base) if isinstance(identity, Path) else None
    return whole if isinstance(whole, r.Module) and whole.cls is not None else None


def _dependence(lookup: Lookup, record: r.Module, whole: r.Module | None) -> Truth:
    """Whether a module depends on the mode; a part of one that does not, does not either."""
    found = modes.dependence_of(lookup, record)
    if found is Truth.MAYBE and whole is not None and modes.dependence_of(lookup, whole) is Truth.NO:
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


def _synthetic(frame: Frame, identity: Identity, arguments: Arguments) -> bool:
    """Whether a module is applied to nothing but noise, or something that need not be one to nothing at all."""
    if not any(True for _ in arguments.all()):
        return isinstance(identity, Path)
    tensors = [t for value in arguments.all() for t in frame.tensors(value)]
    unknown = any(
        isinstance(atom, (Obj, v.Anything)) and not (isinstance(atom, Obj) and atom.id in frame.state.heap)
        for value in arguments.all()
        for atom in value
    )
    return bool(tensors) and all(t.synthetic for t in tensors) and not unknown


_SWITCHING_ON = frozenset({"enable_grad", "set_grad_enabled"})


def _switches_on(record: r.Module) -> bool:
    """Whether a module's own code switches gradients on, whatever mode it is called in."""
    if record.cls is None:
        return False
    if not all(_SWITCHING_ON.isdisjoint(glance(one.code).lasts) for one in record.cls.line()):
        return True
    return any(isinstance(a, v.Func) and a.grad in ("on", "unknown") for a in record.cls.method("forward") or ())


def _was_handed_on(frame: Frame, identity: Identity) -> bool:
    """Whether code that cannot be seen had the module, or what it is a part of, and may have thawed parts of it."""
    while isinstance(identity, Path):
        if identity in frame.run.handed:
            return True
        identity = identity.base
    return identity in frame.run.handed


def _entered(frame: Frame) -> v.Context | None:
    """The outermost of the module's own methods that lead here without a break, if this runs in one."""
    entered: v.Context | None = None
    for at in frame.context.chain():
        cls = frame.run.class_of.get(at.code)
        if cls is not None and cls.is_module:
            entered = at
        elif cls is not None or not (at.code.kind == "lambda" or _is_nested(at)):
            break
    return entered


def _is_nested(context: v.Context) -> bool:
    parent = context.code.parent
    return parent is not None and parent.kind == "function"
