"""Calls of things outside the project, by what `torch_api` says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint.analysis import branches, calls, methods, tracking
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.classes import strongest
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.iteration import elements
from torchmode_lint.analysis.values import Const, Expression, Func, Obj, Param, Tensor, Tup, Value
from torchmode_lint.flow.events import Variable
from torchmode_lint.protocol import Gradients, GradMode, Mode, Truth
from torchmode_lint.torch_api import Effect, effect_of

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event

Handler = "Callable[[Frame, Event, str, Arguments], Value]"


def call(frame: Frame, event: Event, name: str, arguments: Arguments, dst: int | None = None) -> Value:
    """Call the external name."""
    if name == "builtins.super":
        return _super(frame, arguments)
    if name.startswith("torch.nn.Module.") and arguments.positional:
        for atom in arguments.positional[0]:
            given = Arguments(arguments.positional[1:], arguments.keywords, arguments.rest)
            return methods.call(frame, event, atom, name.rpartition(".")[2], given, dst)
    if name in ("builtins.dict", "collections.OrderedDict"):
        return _dict(frame, event, arguments)
    if name.endswith("[]"):
        return calls.unknown_call(frame, event, arguments)
    decorating = v.single(arguments.first)
    effect = effect_of(name)
    if isinstance(decorating, Func) and effect in (Effect.GRAD_OFF, Effect.GRAD_ON, Effect.GRAD_FLAG):
        # @torch.no_grad without parentheses
        grad = "on" if effect is Effect.GRAD_ON else "off"
        return v.just(replace(decorating, grad=grad))
    return _EFFECTS.get(effect, _unknown)(frame, event, name, arguments)


def _dict(frame: Frame, event: Event, arguments: Arguments) -> Value:
    element = v.join_all(v.just(atom) for value in arguments.positional for atom in frame.reach(value))
    return frame.make(event, r.Mapping(v.join(element, arguments.rest), tuple(arguments.keywords.items())))


def _super(frame: Frame, arguments: Arguments) -> Value:
    """`super()`: the rest of the class line, for the object of the method that says it."""
    for at in frame.context.chain():
        cls = frame.run.class_of.get(at.code)
        if cls is not None and at.code.parameters:
            owner = frame.state.env.get(Variable(at.code.scope, at.code.parameters[0].name), v.TOP)
            return v.just(v.Super(cls, owner))
    return v.TOP


def _unknown(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    result = calls.unknown_call(frame, event, arguments)
    return result


def _neutral(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    if name in ("builtins.map", "builtins.getattr", "builtins.setattr", "builtins.vars"):
        _blur(frame, arguments)
    return calls.unknown_call(frame, event, arguments, neutral=True)


def _grad_off(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.GradSwitch(GradMode.OFF))


def _grad_on(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.GradSwitch(GradMode.ON))


def _grad_flag(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """`set_grad_enabled(flag)` acts at once and may be a context manager; `inference_mode(flag)` only the latter."""
    inference = name.endswith("inference_mode")
    flag = arguments.get(0, "mode")
    truth = calls.truth_of(flag, Truth.YES)
    if inference:
        modes = {Truth.YES: GradMode.OFF, Truth.NO: GradMode.ON}
        return frame.make(event, r.GradSwitch(modes.get(truth, GradMode.ON | GradMode.OFF)))
    made = frame.make(event, r.GradSwitch({Truth.YES: GradMode.ON, Truth.NO: GradMode.OFF}.get(truth, GradMode.ENTRY)))
    (atom,) = made
    assert isinstance(atom, Obj)
    frame.state.saved[atom.id] = (frame.state.grad, frame.state.grad_why)
    if truth is not Truth.MAYBE or flag is None:
        set_grad(frame, event, GradMode.OFF if truth is Truth.NO else GradMode.ON)
        return made

    def follow(one: Frame, yes: bool) -> None:
        set_grad(one, event, GradMode.ON if yes else GradMode.OFF)
        one.state.heap[atom.id] = r.GradSwitch(GradMode.ON if yes else GradMode.OFF)
        register = getattr(event, "dst", None)
        if register is not None:
            one.set(register, made)

    branches.split(frame, flag, follow)
    return made


def set_grad(frame: Frame, event: Event, mode: GradMode) -> None:
    frame.state.grad = mode
    frame.state.grad_why = frozenset({frame.point(event)})


def _module(dependent: Truth, name: str) -> Callable[[Frame, Event, str, Arguments], Value]:
    def make(frame: Frame, event: Event, qualified: str, arguments: Arguments) -> Value:
        record = r.Module(Mode.TRAIN, frozenset({frame.point(event)}), dependent, name=name or qualified)
        return frame.make(event, record)

    return make


def _dropped(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    rate = arguments.get(0, "p") if "Dropout" in name else arguments.get(-1, "dropout")
    return _by_rate(frame, event, name, rate, Truth.YES)


def _dropping(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return _by_rate(frame, event, name, arguments.get(-1, "dropout"), Truth.NO)


def _running(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return _by_rate(frame, event, name, arguments.get(-1, "track_running_stats"), Truth.NO)


def _by_rate(frame: Frame, event: Event, name: str, rate: Value | None, default: Truth) -> Value:
    dependent = default
    if rate is not None:
        number = v.constant(rate, Ellipsis)
        dependent = Truth.MAYBE if number is Ellipsis else Truth.YES if number else Truth.NO
    return frame.make(event, r.Module(Mode.TRAIN, frozenset({frame.point(event)}), dependent, name=name))


def _container(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """A container is in train mode when made, its parts stay as they are; it depends as they do."""
    answers: set[Truth] = {Truth.NO}
    parts: set[v.Identity] = set()
    for value in arguments.all():
        for atom in frame.reach(value):
            if isinstance(atom, Obj):
                record = tracking.module_of(frame, atom.id)
                if record is not None:
                    parts.add(atom.id)
                    answers.add(tracking.dependence_of(frame, record))
                elif not isinstance(frame.state.heap.get(atom.id), (r.Sequence, r.Mapping)):
                    answers.add(Truth.MAYBE)
            elif isinstance(atom, v.Anything):
                answers.add(Truth.MAYBE)
    frozen = {m.frozen for p in parts if isinstance(m := frame.state.heap.get(p), r.Module)}
    record = r.Module(
        Mode.TRAIN,
        frozenset({frame.point(event)}),
        strongest(answers),
        frozen=frozen.pop() if len(frozen) == 1 else Truth.NO,
        parts=frozenset(parts),
        name=name,
    )
    return frame.make(event, record)


def _sharing(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    for atom in arguments.first:
        if isinstance(atom, Obj) and frame.state.heap.get(atom.id) is None and not name.startswith("torch.compile"):
            frame.run.learn(atom.id, "module")
            tracking.ensure_module(frame, atom.id)
    return arguments.first or frame.unknown(event)


def _factory(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.Module(Mode.TRAIN, frozenset({frame.point(event)}), Truth.YES, name=name))


def _pretrained(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.Module(Mode.EVAL, frozenset({frame.point(event)}), Truth.YES, name=name))


def _copy(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    atom = v.single(arguments.first)
    if isinstance(atom, Obj):
        record = frame.state.heap.get(atom.id)
        if isinstance(record, (r.Module, r.Sequence, r.Mapping)):
            return frame.make(event, record)
        return frame.unknown(event)
    if isinstance(atom, Tensor):
        return arguments.first
    return frame.unknown(event)


def _optimizer(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    if not name.rpartition(".")[2][:1].isupper() and not name.startswith("timm."):
        return frame.unknown(event)
    owns: set[v.Identity] = set()
    known = True
    given = arguments.get(0, "params") or arguments.first
    for atom in frame.reach(given):
        match atom:
            case Param(owner, _):
                owns.add(owner)
            case Obj(identity):
                record = frame.state.heap.get(identity)
                if isinstance(record, r.Parameters):
                    owns |= record.owners
                elif isinstance(record, r.Module) or (record is None and isinstance(identity, v.Path)):
                    owns.add(identity)
                elif record is None:
                    known = False
            case Tensor():
                known = False
                tracking.read_grad(frame, event, atom, optimized=True)
            case v.Anything():
                known = False
    record = r.Optimizer(frozenset(owns) if known and owns else None, Gradients.CLEAN, made=True)
    return frame.make(event, record)


def _scheduler(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.Library("scheduler"))


def _loader(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.Loader())


def _create(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    wants = calls.truth_of(arguments.keywords.get("requires_grad"), Truth.NO)
    frame.state.asked = frame.state.asked or wants is not Truth.NO
    return v.just(Tensor(leaf=Truth.YES, grad=wants, synthetic=True, asked=wants is not Truth.NO, made=event))


def _from_data(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    wants = calls.truth_of(arguments.keywords.get("requires_grad"), Truth.NO)
    data = frozenset().union(*(t.data for value in arguments.all() for t in frame.tensors(value)))
    frame.state.asked = frame.state.asked or wants is not Truth.NO
    return v.just(Tensor(data=data, leaf=Truth.YES, grad=wants, asked=wants is not Truth.NO, made=event))


def _parameter(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    wants = calls.truth_of(arguments.get(1, "requires_grad"), Truth.YES)
    frame.state.asked = True
    return v.just(Tensor(leaf=Truth.YES, grad=wants, asked=True, made=event))


def _variable(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """`Variable(x)` is `x`; with `requires_grad=True` a leaf; with `volatile=True` (torch < 0.4) no graph."""
    volatile = arguments.keywords.get("volatile")
    if volatile is not None and calls.truth_of(volatile, Truth.NO) is not Truth.NO:
        return v.just(Tensor(leaf=Truth.YES, grad=Truth.NO, volatile=True))
    wants = calls.truth_of(arguments.get(1, "requires_grad"), Truth.NO)
    tensors = [t for value in arguments.positional[:1] for t in frame.tensors(value)]
    if wants is Truth.YES:
        frame.state.asked = True
        return v.just(Tensor(leaf=Truth.YES, grad=Truth.YES, asked=True, made=event))
    if tensors:
        return v.just(replace(v.derived(tensors), leaf=Truth.MAYBE)) if len(tensors) > 1 else v.just(tensors[0])
    return v.just(Tensor(leaf=Truth.YES, grad=wants))


def _operation(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    if any(isinstance(a, Func) for value in arguments.all() for a in value):
        return calls.unknown_call(frame, event, arguments)
    return _made(calls.operation(frame, arguments), event)


def _made(value: Value, event: Event) -> Value:
    return frozenset(replace(a, made=event) if isinstance(a, Tensor) else a for a in value)


def _no_graph(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    tensors = [t for value in arguments.all() for t in frame.tensors(value)]
    if not tensors:
        return frame.unknown(event)
    data = frozenset().union(*(t.data for t in tensors))
    return v.just(Tensor(data=data, leaf=Truth.YES, grad=Truth.NO))


def _backward(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    retain = calls.truth_of(
        arguments.get(2, "retain_graph"), calls.truth_of(arguments.get(3, "create_graph"), Truth.NO)
    )
    tracking.backward(frame, event, arguments.get(0, "tensors") or v.EMPTY, retain)
    return v.NONE


def _gradient(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    create = calls.truth_of(arguments.get(4, "create_graph"), Truth.NO)
    retain = calls.truth_of(arguments.get(3, "retain_graph"), create)
    outputs = arguments.get(0, "outputs") or v.EMPTY
    tracking.backward(frame, event, outputs, retain, accumulates=False)
    tensors = [t for value in arguments.all() for t in frame.tensors(value)]
    if create is Truth.NO:
        data = frozenset().union(*(t.data for t in tensors))
        return v.just(Tensor(data=data, leaf=Truth.YES, grad=Truth.NO, exact=False))
    return v.just(replace(v.derived(tensors, exact=False), grad=Truth.YES))


def _functional(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """`torch.func` and friends take gradients of whatever they are given."""
    result = calls.unknown_call(frame, event, arguments)
    tracking.backward(frame, event, v.join_all([result, *arguments.all()]), Truth.MAYBE, accumulates=False)
    return result


def _pure(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """A symbol that is the same for the same arguments."""
    tensors = [t for value in arguments.all() for t in frame.tensors(value)]
    short = name.rpartition(".")[2]
    if short in ("min", "max", "abs", "round") and tensors:
        return calls.operation(frame, arguments)
    if short in ("float", "int", "str", "bool", "repr", "format") and tensors:
        return v.just(Tensor(data=frozenset().union(*(t.data for t in tensors)), leaf=Truth.YES, grad=Truth.NO))
    known = _evaluated(frame, short, arguments)
    if known is not None:
        return known
    operands = tuple(arguments.all())
    if all(_is_stable(o) for o in operands):
        depth = 1 + max(
            (a.id.depth for o in operands for a in o if isinstance(a, Obj) and isinstance(a.id, Expression)), default=0
        )
        if depth <= 4:
            return v.just(Obj(Expression(name, operands, "call", depth)))
    return frame.unknown(event)


def _is_stable(value: Value) -> bool:
    return all(not isinstance(atom, v.Anything) for atom in value) and len(value) <= 2


def _evaluated(frame: Frame, name: str, arguments: Arguments) -> Value | None:
    if name == "bool" and len(arguments.positional) == 1:
        may_true, may_false = branches.possible(frame.state, arguments.positional[0])
        if may_true != may_false:
            return v.const(may_true)
    if name == "isinstance" and len(arguments.positional) == 2:
        atom, target = v.single(arguments.positional[0]), v.single(arguments.positional[1])
        if isinstance(atom, Const) and isinstance(target, v.Ext) and target.name.startswith("torch."):
            return v.FALSE
    return None


def _enumerate(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    site = frame.fresh(event)
    element = elements(frame, arguments.first, _Inner(event, "element"))
    frame.state.heap[site] = r.Sequence(v.just(Tup((v.just(Obj(v.Path(site, "index"))), element))))
    return v.just(Obj(site))


def _zip(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    site = frame.fresh(event)
    columns = tuple(elements(frame, value, _Inner(event, str(i))) for i, value in enumerate(arguments.positional))
    frame.state.heap[site] = r.Sequence(v.just(Tup(columns)) if columns else v.TOP)
    return v.just(Obj(site))


def _Inner(event: Event, part: str) -> object:  # noqa: N802 - a stand-in for an event
    return (event, part)


def _elements(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    if name in ("builtins.next",):
        return elements(frame, arguments.first, event)
    if name == "builtins.filter":
        return arguments.positional[1] if len(arguments.positional) > 1 else frame.unknown(event)
    first = arguments.first
    atom = v.single(first)
    if isinstance(atom, Obj) and isinstance(
        frame.state.heap.get(atom.id), (r.Sequence, r.Parameters, r.Loader, r.Groups)
    ):
        if name in ("builtins.list", "builtins.tuple"):
            record = frame.state.heap[atom.id]
            return frame.make(event, record)
        return first
    if isinstance(atom, Tup):
        return frame.make(event, r.sequence(atom.items))
    if not first:
        return frame.make(event, r.Sequence(v.EMPTY, ()) if name.startswith("builtins.") else r.Sequence(v.TOP))
    return frame.make(event, r.Sequence(elements(frame, first, (event, "element"))))


def _sequence(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    owners: set[v.Identity] = set()
    for value in arguments.all():
        for atom in value:
            record = frame.state.heap.get(atom.id) if isinstance(atom, Obj) else None
            if isinstance(record, r.Parameters):
                owners |= record.owners
    if owners:
        return frame.make(event, r.Parameters(frozenset(owners)))
    return frame.make(
        event, r.Sequence(v.join_all(elements(frame, value, (event, "e")) for value in arguments.all()) or v.TOP)
    )


def _partial(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    if len(arguments.positional) == 1 and not arguments.keywords:
        return arguments.positional[0]
    _blur(frame, arguments)
    return frame.unknown(event)


def _blur(frame: Frame, arguments: Arguments) -> None:
    """What is handed on may be switched by whoever gets it."""
    for value in arguments.all():
        for atom in frame.reach(value):
            if isinstance(atom, Obj):
                tracking.blur_mode(frame, atom.id)


def _library(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    kind = name
    if name.startswith("torch.distributed.autograd"):
        tracking.touch_gradients(frame)
        for value in arguments.all():
            tracking.backward(frame, event, value, Truth.MAYBE, accumulates=False)
        return frame.unknown(event)
    calls.unknown_call(frame, event, arguments)
    return frame.make(event, r.Library(kind))


def _manager(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    decorating = v.single(arguments.first)
    if isinstance(decorating, Func):
        return v.just(decorating)
    return frame.make(event, r.Library("manager"))


def _wraps(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """`functools.wraps(f)`: a decorator that leaves the function as it is; `f` is not called."""
    return frame.make(event, r.Library("manager"))


def _suppress(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.Library("suppress"))


def _export(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.unknown(event)


def _all_arguments(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    given = arguments.positional
    return given[0] if len(given) == 1 else v.just(Tup(given))


_EFFECTS: dict[Effect, Callable[[Frame, Event, str, Arguments], Value]] = {
    Effect.GRAD_OFF: _grad_off,
    Effect.GRAD_ON: _grad_on,
    Effect.GRAD_FLAG: _grad_flag,
    Effect.LAYER: _module(Truth.NO, ""),
    Effect.STATELESS: _module(Truth.NO, "stateless"),
    Effect.DEPENDENT: _module(Truth.YES, ""),
    Effect.DROPPED: _dropped,
    Effect.DROPPING: _dropping,
    Effect.RUNNING: _running,
    Effect.CONTAINER: _container,
    Effect.SHARING: _sharing,
    Effect.ALL_ARGUMENTS: _all_arguments,
    Effect.FACTORY: _factory,
    Effect.PRETRAINED: _pretrained,
    Effect.COPY: _copy,
    Effect.OPTIMIZER: _optimizer,
    Effect.SCHEDULER: _scheduler,
    Effect.LOADER: _loader,
    Effect.CREATE: _create,
    Effect.FROM_DATA: _from_data,
    Effect.PARAMETER: _parameter,
    Effect.VARIABLE: _variable,
    Effect.OPERATION: _operation,
    Effect.NO_GRAPH: _no_graph,
    Effect.BACKWARD: _backward,
    Effect.GRADIENT: _gradient,
    Effect.FUNCTIONAL: _functional,
    Effect.EXPORT: _export,
    Effect.NEUTRAL: _neutral,
    Effect.PURE: _pure,
    Effect.ENUMERATE: _enumerate,
    Effect.ZIP: _zip,
    Effect.ELEMENTS: _elements,
    Effect.SEQUENCE: _sequence,
    Effect.PARTIAL: _partial,
    Effect.LIBRARY: _library,
    Effect.MANAGER: _manager,
    Effect.SUPPRESS: _suppress,
    Effect.WRAPS: _wraps,
    Effect.UNKNOWN: _unknown,
}
