"""Calls: which code a value means, binding of arguments, inlining, construction, calls into the unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint.analysis import library, methods, reveal, tracking
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.classes import named_callees
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import ANY, Atom, Bound, Cls, Ext, Func, Obj, Path, Tensor, Value
from torchmode_lint.flow.events import Variable
from torchmode_lint.protocol import GradMode, Mode, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.classes import Class
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.analysis.state import Slot, State
    from torchmode_lint.flow.cfg import Code
    from torchmode_lint.flow.events import Call, Event


def call(frame: Frame, event: Call) -> None:
    """Interpret a call event: the result goes to its register, on this path or on forks of it."""
    arguments = evaluated(frame, event)
    callees = sorted(frame.raw(event.func), key=_order)
    if frame.run.recording:
        _note_droppable(frame, event, callees, arguments)
    if not callees:
        frame.set(event.dst, v.TOP)
        return
    if len(callees) > 1 and all(isinstance(c, Bound) for c in callees) and len({c.name for c in callees}) == 1:  # type: ignore[union-attr]
        # one of several objects, in a loop over them as a rule: all of them get the call
        frame.set(event.dst, v.join_all([apply(frame, event, callee, arguments) for callee in callees]))
        return
    for callee in callees[1:]:
        other = frame.fork(frame.state.copy())
        other.set(event.dst, apply(other, event, callee, arguments, event.dst))
        frame.forks += other.forks
        other.forks = []
    frame.set(event.dst, apply(frame, event, callees[0], arguments, event.dst))


_NEW_TENSOR = frozenset({"detach", "to", "cuda", "cpu", "clone", "requires_grad"})


def _note_droppable(frame: Frame, event: Call, callees: list[Atom], arguments: Arguments) -> None:
    """Remember calls that only return something: a statement that drops the result does nothing."""
    key = (frame.context, event.dst)
    frame.run.dropped.pop(key, None)
    match callees:
        case [Bound(Tensor(exact=True), name)] if name in _NEW_TENSOR:
            frame.run.dropped[key] = (name, "tensor")


def _order(atom: Atom) -> tuple[int, str]:
    return (0 if isinstance(atom, (Func, Cls, Obj)) else 1, type(atom).__name__)


def evaluated(frame: Frame, event: Call) -> Arguments:
    positional: list[Value] = []
    keywords: dict[str, Value] = {}
    rest = v.EMPTY
    for argument in event.arguments:
        value = frame.get(argument.src)
        tracking.keep(frame, value)
        if argument.star == "*" and not rest:
            atom = v.single(value)
            record = frame.state.heap.get(atom.id) if isinstance(atom, Obj) else None
            if isinstance(atom, v.Tup):
                positional += atom.items
            elif isinstance(record, r.Sequence) and record.items is not None:
                positional += record.items
            else:
                rest = v.join(rest, value)
        elif argument.star:
            rest = v.join(rest, value)
        elif argument.keyword is not None:
            keywords[argument.keyword] = value
        elif rest:
            rest = v.join(rest, value)
        else:
            positional.append(value)
    return Arguments(tuple(positional), keywords, rest)


def apply(frame: Frame, event: Event, callee: Atom, arguments: Arguments, dst: int | None = None) -> Value:
    """Call one thing. With `dst`, further ways out become forks of the frame; else they are joined."""
    match callee:
        case Obj(Path(v.Context(), "reveal_state")):
            reveal.record(frame, event, arguments)
            return v.NONE
        case Func():
            return inline(frame, event, callee, arguments, dst)
        case Cls(cls):
            return construct(frame, event, cls, arguments)
        case Ext(name):
            return library.call(frame, event, name, arguments, dst)
        case Bound(owner, name):
            return methods.call(frame, event, owner, name, arguments, dst)
        case Obj(identity):
            return _call_object(frame, event, identity, arguments, dst)
        case Tensor():
            return unknown_call(frame, event, arguments, receiver=v.just(callee))
        case _:
            return unknown_call(frame, event, arguments)


def _call_object(frame: Frame, event: Event, identity: v.Identity, arguments: Arguments, dst: int | None) -> Value:
    record = frame.state.heap.get(identity)
    match record:
        case r.Module(cls=cls):
            called = cls.method("__call__") if cls is not None else None
            if called is not None:
                return call_method(frame, event, called, identity, arguments, dst)
            if record.name in ("stateless",):
                return operation(frame, arguments)
            return tracking.forward(frame, event, identity, arguments)
        case r.Instance(cls):
            called = cls.method("__call__")
            if called is not None:
                return call_method(frame, event, called, identity, arguments, dst)
            return unknown_call(frame, event, arguments)
        case r.GradSwitch() | r.Library("manager"):
            return _decorated(record, arguments.first)
        case None:
            pass
        case _:
            return unknown_call(frame, event, arguments)
    if "module" in frame.run.evidence.get(identity, ()):
        return tracking.forward(frame, event, identity, arguments)
    if isinstance(identity, Path):
        if tracking.module_of(frame, identity.base) is None or identity.step in methods.SHARED_NAMES:
            return methods.call(frame, event, Obj(identity.base), identity.step, arguments, dst)
        return _call_part(frame, event, identity, arguments, dst)
    return unknown_call(frame, event, arguments)


def _call_part(frame: Frame, event: Event, identity: Path, arguments: Arguments, dst: int | None) -> Value:
    """Something of a module is called: a part of it, or a method whose body cannot be seen."""
    whole = frame.state.heap.get(identity.base)
    cls = whole.cls if isinstance(whole, r.Module) else None
    if cls is not None and not cls.is_open and isinstance(identity.base, v.Path | v.Site):
        return tracking.forward(frame, event, identity, arguments)
    return methods.call(frame, event, Obj(identity.base), identity.step, arguments, dst)


def _decorated(record: r.Record, value: Value) -> Value:
    """A function decorated with a grad mode (or with a manager that leaves it alone)."""
    grad = ""
    if isinstance(record, r.GradSwitch):
        grad = {GradMode.OFF: "off", GradMode.ON: "on"}.get(record.mode, "unknown")
    return frozenset(replace(atom, grad=grad or atom.grad) if isinstance(atom, Func) else atom for atom in value)


def call_method(
    frame: Frame, event: Event, method: Value, identity: v.Identity, arguments: Arguments, dst: int | None = None
) -> Value:
    """Call a method found on a class, with the object as its first argument."""
    result = v.EMPTY
    for atom in method:
        if isinstance(atom, Func) and atom.owner is None and atom.kind != "static":
            atom = replace(atom, owner=v.just(Obj(identity)))
        result = v.join(result, apply(frame, event, atom, arguments, dst if len(method) == 1 else None))
    return result or v.TOP


def inline(frame: Frame, event: Event, func: Func, arguments: Arguments, dst: int | None = None) -> Value:
    """Interpret the body of a function in the state of this call."""
    run, code = frame.run, func.code
    if func.owner is not None:
        arguments = Arguments((func.owner, *arguments.positional), arguments.keywords, arguments.rest)
    if not run.may_enter(frame.context, code) or not run.matters(code):
        return unknown_call(frame, event, arguments, made=(event, code))
    context = run.enter(frame.context, event, code)  # type: ignore[arg-type]
    if is_plain(frame, func, arguments):
        return unknown_call(frame, event, arguments, neutral=True, made=(event, code))
    entry = frame.state.copy()
    entry.outer = frame.state.turn()
    bind(frame, entry, code, arguments)
    if code.is_generator and func.kind == "contextmanager":
        site = frame.fresh(event)
        frame.state.heap[site] = r.Resumable(code, context, tuple(arguments.all()))
        frame.state.saved[site] = (frame.state.grad, frame.state.grad_why)
        for slot, value in entry.env.items():
            if isinstance(slot, Variable) and slot.scope == code.scope:
                frame.state.env[slot] = value
        return v.just(Obj(site))
    was = (entry.grad, entry.grad_why)
    if func.grad:
        entry.grad = {"off": GradMode.OFF, "on": GradMode.ON}.get(func.grad, GradMode.ENTRY)
        entry.grad_why = frozenset({frame.point(event)})
    loops = frame.state.loops
    stash = _hide(frame, entry, code)
    activation = run.solve(context, entry)
    stash = _shown(stash, activation.made)
    ways: list[tuple[State, Value]] = []
    for outcome in activation.outcomes:
        state = outcome.state.copy()
        state.loops = dict(loops)
        state.outer = frame.state.outer
        if func.grad:
            state.grad, state.grad_why = was
        _leave_scope(frame, state.env, code)
        state.env.update(stash)
        _drop_garbage(state, context, outcome.value)
        ways.append((state, outcome.value or v.TOP))
    if not ways:
        frame.dead = True
        return v.EMPTY
    first, value = ways[0]
    for state, other in ways[1:]:
        if dst is None:
            first.join(state)
            value = v.join(value, other)
        else:
            frame.fork(state, dst, other)
    frame.state = first
    if code.is_generator:
        return frame.make(event, r.Sequence(activation.yielded))
    return value


def _hide(frame: Frame, entry: State, code: Code) -> dict[Slot, Value]:
    """Take out of a callee's state what it cannot see, so that its solution serves more calls."""
    seen = set()
    at: Code | None = code
    while at is not None:
        seen.add(at.scope)
        at = at.parent
    reads = frame.run.reads
    hidden = {
        scope: reads(c.code)
        for c in frame.context.chain()
        if c.code.kind == "file" or c.code.scope not in seen
        for scope in frame.run.own_scopes(c.code)
    }
    stash: dict[Slot, Value] = {}
    for slot, value in entry.env.items():
        if isinstance(slot, Variable):
            read = hidden.get(slot.scope)
            if read is not None and slot.name not in read:
                stash[slot] = value
        elif slot[0] in hidden:
            stash[slot] = value
    for slot in stash:
        del entry.env[slot]
    return stash


def _shown(stash: dict[Slot, Value], made: set[v.Site]) -> dict[Slot, Value]:
    """What was hidden from a call, with what the call made anew become older in it."""
    for slot, value in stash.items():
        for site in v.sites_of(value) & made:
            value = v.renamed(value, site, v.older(site))
        stash[slot] = value
    return stash


def is_plain(frame: Frame, func: Func, arguments: Arguments) -> bool:
    """Whether a call can do nothing to the protocol: no such name in its reach, nothing of it in its arguments."""
    if func.kind or func.grad or not frame.run.is_plain(func.code):
        return False
    for value in arguments.all():
        for atom in frame.reach(value):
            match atom:
                case Tensor(may=may) if may:
                    return False
                case Obj(identity):
                    record = frame.state.heap.get(identity)
                    if isinstance(record, (r.Module, r.Optimizer)) or "module" in frame.run.evidence.get(identity, ()):
                        return False
                case Func() | Cls() | Bound():
                    return False
    return True


def _leave_scope(frame: Frame, env: dict[Slot, Value], code: Code) -> None:
    """The local names of a call are gone after it, unless an inner function may still read them."""
    own = frame.run.own_scopes(code)
    read = frame.run.reads(code)
    gone = [
        slot
        for slot in env
        if (slot.scope in own and slot.name not in read if isinstance(slot, Variable) else slot[0] == code.scope)
    ]
    for slot in gone:
        del env[slot]


_SCRAP = (r.Sequence, r.Mapping, r.Parameters, r.GradSwitch, r.Loader, r.Library)


def _drop_garbage(state: State, context: v.Context, value: Value) -> None:
    """What a call made and nothing holds any more would only make later states differ."""
    made = [
        key
        for key, record in state.heap.items()
        if isinstance(key, v.Site) and key.context is context and isinstance(record, _SCRAP)
    ]
    if not made:
        return
    held = v.sites_of(value).union(
        *(v.sites_of(one) for one in state.attrs.values()), *(v.sites_of(one) for one in state.env.values())
    )
    for record in state.heap.values():
        held |= r.sites_of(record)
    for key in made:
        if key not in held:
            del state.heap[key]
            state.saved.pop(key, None)


def bind(frame: Frame, entry: State, code: Code, arguments: Arguments) -> None:
    """Put the arguments of a call into the parameters of the code."""
    defaults = frame.run.defaults.get(code, ())
    positional = list(arguments.positional)
    keywords = dict(arguments.keywords)
    unsure = bool(arguments.rest)
    for position, parameter in enumerate(code.parameters):
        variable = Variable(code.scope, parameter.name)
        if parameter.kind == "*":
            entry.env[variable] = frame.make(parameter, r.sequence(positional)) if positional else _rest(arguments)
            _copy_new(frame, entry)
            positional = []
        elif parameter.kind == "**":
            items = tuple(keywords.items())
            entry.env[variable] = frame.make(parameter, r.Mapping(arguments.rest, items))
            _copy_new(frame, entry)
        elif parameter.kind != "keyword" and positional:
            entry.env[variable] = positional.pop(0)
        elif parameter.name in keywords:
            entry.env[variable] = keywords.pop(parameter.name)
        else:
            default = defaults[position] if position < len(defaults) else None
            if default is not None and not unsure:
                entry.env[variable] = default
            else:
                context = frame.context
                entry.env[variable] = v.just(Obj(Path(context, parameter.name))) if not unsure else v.TOP


def _rest(arguments: Arguments) -> Value:
    return arguments.rest or v.just(v.Tup(()))


def _copy_new(frame: Frame, entry: State) -> None:
    """What was just made in the caller's state is there in the callee's, too."""
    for key, record in frame.state.heap.items():
        entry.heap.setdefault(key, record)


def construct(frame: Frame, event: Event, cls: Class, arguments: Arguments) -> Value:
    """`C(...)` of a class of the project."""
    if cls.is_framework:
        made = frame.make(event, r.Library("framework"))
        return made
    site = frame.fresh(event)
    if cls.is_module:
        frame.state.heap[site] = r.Module(
            Mode.TRAIN, frozenset({frame.point(event)}), Truth.MAYBE, cls, Truth.NO, parts=_parts(frame, arguments)
        )
        if not trains(cls):
            return v.just(Obj(site))
    else:
        frame.state.heap[site] = r.Instance(cls)
    init = cls.method("__init__")
    if init is None:
        for part in _parts(frame, arguments):
            tracking.blur_mode(frame, part)
    if init is not None and not (frame.run.is_plain(cls.code) and not _parts(frame, arguments)):
        call_method(frame, event, init, site, arguments)
    if cls.is_module:
        record = frame.state.heap.get(site)
        if isinstance(record, r.Module) and not record.chosen:
            frame.state.heap[site] = replace(record, mode=Mode.TRAIN, why=frozenset({frame.point(event)}))
    return v.just(Obj(site))


def _parts(frame: Frame, arguments: Arguments) -> frozenset[v.Identity]:
    return frozenset(
        atom.id
        for value in arguments.all()
        for atom in frame.reach(value)
        if isinstance(atom, Obj) and isinstance(frame.state.heap.get(atom.id), r.Module)
    )


def trains(cls: Class) -> bool:
    """Whether a module's class also drives the protocol, so that its constructor must be followed."""
    return any(
        event is not None and _drives(name) for one in cls.line() for name, event in named_callees(one.code)
    ) or any(
        event is not None and name in ("self.eval", "self.train", "self.requires_grad_")
        for atom in cls.method("__init__") or ()
        if isinstance(atom, Func)
        for name, event in named_callees(atom.code)
    )


def _drives(name: str) -> bool:
    return name.rpartition(".")[2] in ("backward", "zero_grad")


def operation(frame: Frame, arguments: Arguments, exact: bool = True) -> Value:
    """An operation of torch on its arguments."""
    tensors = [t for value in arguments.all() for t in frame.tensors(value)]
    if frame.state.grad is GradMode.OFF:
        data = frozenset().union(*(t.data for t in tensors))
        return v.just(Tensor(data=data, leaf=Truth.YES, grad=Truth.NO, synthetic=all(t.synthetic for t in tensors)))
    result = v.derived(tensors, exact=exact)
    unknown = any(isinstance(atom, (Obj, v.Anything)) for value in arguments.all() for atom in frame.reach(value))
    if unknown or not tensors:
        result = replace(result, synthetic=False, grad=result.grad if result.grad is Truth.YES else Truth.MAYBE)
        if result.grad is Truth.MAYBE:
            result = replace(result, leaf=Truth.MAYBE)
    return v.just(result)


def unknown_call(
    frame: Frame,
    event: Event,
    arguments: Arguments,
    *,
    receiver: Value = v.EMPTY,
    neutral: bool = False,
    made: object = None,
) -> Value:
    """A call whose body cannot be seen. `neutral`: it is known to leave modes and gradients alone.

    `made` stands for the result, where the event itself stands for something else (a constructed object).

    A module among the arguments may be applied; tensors may be part of the result; an optimizer beside
    a tensor may mean that a loss is taken backward and a step is made.
    """
    program = frame.run.program
    values = [*arguments.all(), *([receiver] if receiver else [])]
    reached = [atom for value in values for atom in frame.reach(value)]
    tensors = [atom for atom in reached if isinstance(atom, Tensor)]
    objects = list(dict.fromkeys(atom.id for atom in reached if isinstance(atom, Obj)))
    modules = [i for i in objects if isinstance(frame.state.heap.get(i), r.Module)]
    optimizers = [i for i in objects if isinstance(frame.state.heap.get(i), r.Optimizer)]
    functions = [atom for atom in reached if isinstance(atom, Func)]
    tracking.mark(frame, program.passed, values)
    if neutral:
        return _unknown_result(frame, made or event, tensors)
    if tensors and optimizers:
        tracking.backward(frame, event, frozenset(tensors), Truth.MAYBE)
    data_given = bool(tensors) or any(isinstance(a, Obj) and a.id not in frame.state.heap for a in reached)
    result: Value
    if modules and data_given and len(modules) <= 3:
        result = tracking.forward(frame, event, modules[0], arguments, direct=False, extra=modules)
    else:
        result = _unknown_result(frame, made or event, tensors)
    for identity in (*modules, *optimizers):
        tracking.blur_mode(frame, identity)
    for func in functions:
        _call_back(frame, event, func)
    return result


def _unknown_result(frame: Frame, event: object, tensors: list[Tensor]) -> Value:
    if any(t.data or t.may for t in tensors):
        return v.just(v.derived(tensors, exact=False))
    return frame.unknown(event)


def _call_back(frame: Frame, event: Event, func: Func) -> None:
    """A function handed to something unknown is called by it, on arguments that are not known."""
    code = func.code
    if func.kind or not frame.run.may_enter(frame.context, code) or code.is_generator:
        return
    count = len([p for p in code.parameters if p.kind in ("normal", "positional")]) - (func.owner is not None)
    context = frame.context
    given = tuple(v.just(Obj(Path(context, f"{code.qualname}({i})"))) for i in range(max(count, 0)))
    inline(frame, event, func, Arguments(given))


def truth_of(value: Value | None, default: Truth) -> Truth:
    """The truth of a flag argument."""
    if value is None:
        return default
    atom = v.single(value)
    if isinstance(atom, v.Const):
        return Truth.YES if atom.value else Truth.NO
    return Truth.MAYBE


__all__ = ["ANY", "apply", "bind", "call", "construct", "inline", "operation", "truth_of", "unknown_call"]
