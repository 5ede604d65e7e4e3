"""Calls: which code a value means, with which arguments, and what an operation of torch makes of them.

Bodies are interpreted in `inlining`, objects made in `construction`; calls into the unknown are in `unknown_calls`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint import torch_api as api
from torchmode_lint import torch_methods as named
from torchmode_lint.analysis import (
    construction,
    doubts,
    forwards,
    inlining,
    library,
    methods,
    modes,
    reveal,
    tracking,
    unknown_calls,
)
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Atom, Bound, Cls, Ext, Func, Obj, Path, Tensor, Value
from torchmode_lint.flow.cfg import Next
from torchmode_lint.protocol import GradMode, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Call, Event


def call(frame: Frame, event: Call) -> None:
    """Interpret a call event: the result goes to its register, on this path or on forks of it."""
    arguments = evaluated(frame, event)
    callees = list(frame.raw(event.func))
    if len(callees) > 1:
        callees.sort(key=_order)
    _note_droppable(frame, event, callees, arguments)
    if not callees:
        frame.set(event.dst, v.TOP)
        return
    owners = [_owner(callee) for callee in callees]
    held = frozenset(owner for owner in owners if owner is not None)
    if len(callees) > 1 and _is_one_method(callees):
        if all(isinstance(callee, Bound) for callee in callees) or not (None in owners or frame.state.holds(held)):
            # one of several objects, in a loop over them as a rule, or parts of several: all of them get the call,
            # since no name tells afterwards which of them did
            frame.set(event.dst, v.join_all([apply(frame, event, callee, arguments) for callee in callees]))
            return
    for callee, owner in zip(callees[1:], owners[1:], strict=True):
        other = frame.fork(frame.state.copy())
        if owner is not None:  # whichever of the objects it is that gets the call, it will be the same in the next one
            other.state.refine(held, v.just(owner))
        other.set(event.dst, apply(other, event, callee, arguments, event.dst))
        frame.forks += other.forks
        other.forks = []
    if owners[0] is not None and len(callees) > 1:
        frame.state.refine(held, v.just(owners[0]))
    frame.set(event.dst, apply(frame, event, callees[0], arguments, event.dst))


def _owner(callee: Atom) -> Obj | None:
    """The object whose method this is."""
    match callee:
        case Bound(Obj() as owner, _):
            return owner
        case Func(owner=frozenset() as owners):
            single = v.single(owners)
            return single if isinstance(single, Obj) else None
        case Obj(Path(base, _)):
            return Obj(base)
        case _:
            return None


def _is_one_method(callees: list[Atom]) -> bool:
    """Whether all of these are methods by one name."""
    return len({_method(callee) for callee in callees}) == 1


def _method(callee: Atom) -> str | None:
    match callee:
        case Bound(_, name) | Obj(Path(_, name)):
            return name
        case Func(code=code):
            return code.name
        case _:
            return None


_NEW_TENSOR = frozenset({"detach", "to", "cuda", "cpu", "clone", "requires_grad"})


def _note_droppable(frame: Frame, event: Call, callees: list[Atom], arguments: Arguments) -> None:
    """Remember calls that only return something: a statement that drops the result does nothing."""
    key = (frame.context, event.dst)
    frame.run.dropped.pop(key, None)
    match callees:
        case [Bound(Tensor(exact=True, synthetic=synthetic), name)] if name in _NEW_TENSOR:
            frame.run.dropped[key] = (name, synthetic)


def _order(atom: Atom) -> tuple[int, str, str]:
    return (0 if isinstance(atom, (Func, Cls, Obj)) else 1, type(atom).__name__, v.told_apart(atom))


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
            return inlining.inline(frame, event, callee, arguments, dst)
        case Cls(cls):
            return construction.construct(frame, event, cls, arguments)
        case Ext(name):
            return library.call(frame, event, name, arguments, dst)
        case Bound(owner, name):
            return methods.call(frame, event, owner, name, arguments, dst)
        case Obj(identity):
            return _call_object(frame, event, identity, arguments, dst)
        case Tensor():
            return unknown_calls.call(frame, event, arguments, receiver=v.just(callee))
        case _:
            return unknown_calls.call(frame, event, arguments)


def _call_object(frame: Frame, event: Event, identity: v.Identity, arguments: Arguments, dst: int | None) -> Value:
    record = frame.state.heap.get(identity)
    match record:
        case r.Module(cls=cls):
            called = cls.method("__call__") if cls is not None else None
            if called is not None:
                return call_method(frame, event, called, identity, arguments, dst)
            if record.name in ("stateless",):
                tracking.combine(frame, event, (t for value in arguments.all() for t in frame.tensors(value)))
                result = operation(frame, arguments)
                return frozenset(replace(a, made=event) if isinstance(a, Tensor) else a for a in result)
            return forwards.forward(frame, event, identity, arguments)
        case r.Instance(cls):
            called = cls.method("__call__")
            if called is not None:
                return call_method(frame, event, called, identity, arguments, dst)
            return unknown_calls.call(frame, event, arguments)
        case r.GradSwitch() | r.Library("manager"):
            return _decorated(record, arguments.first)
        case r.Library(kind) if api.is_inferer(kind):
            return library.applied(frame, event, api.INFERER, arguments)
        case None:
            pass
        case _:
            return unknown_calls.call(frame, event, arguments)
    if frame.run.knows(identity, "module"):
        return forwards.forward(frame, event, identity, arguments)
    if isinstance(identity, Path):
        if modes.module_of(frame, identity.base) is None or identity.step in methods.SHARED_NAMES:
            return methods.call(frame, event, Obj(identity.base), identity.step, arguments, dst)
        return _call_part(frame, event, identity, arguments, dst)
    doubts.through(frame, identity, arguments)
    return unknown_calls.call(frame, event, arguments)


def _call_part(frame: Frame, event: Event, identity: Path, arguments: Arguments, dst: int | None) -> Value:
    """Something of a module is called: a part of it, or a method whose body cannot be seen."""
    whole = frame.state.heap.get(identity.base)
    cls = whole.cls if isinstance(whole, r.Module) else None
    number = identity.step in named.TENSOR_NUMBER
    if cls is None and identity.step.startswith("["):
        return forwards.forward(frame, event, identity, arguments)
    if cls is not None and not cls.is_open and not number and isinstance(identity.base, v.Path | v.Site):
        return forwards.forward(frame, event, identity, arguments)
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


def operation(frame: Frame, arguments: Arguments, exact: bool = True) -> Value:
    """An operation of torch on its arguments."""
    tensors = [t for value in arguments.all() for t in frame.tensors(value)]
    if frame.state.grad is GradMode.OFF:
        data = frozenset().union(*(t.data for t in tensors))
        return v.just(Tensor(data=data, leaf=Truth.YES, grad=Truth.NO, synthetic=all(t.synthetic for t in tensors)))
    result = v.derived(tensors, exact=exact)
    unknown = [atom for value in arguments.all() for atom in frame.reach(value) if may_hide_tensor(frame, atom)]
    if unknown or not tensors:
        result = in_doubt(result, unknown)
    return v.just(result)


def in_doubt(result: Tensor, unknown: Iterable[Atom]) -> Tensor:
    """The result of an operation on more than the tensors that are seen."""
    if result.grad is Truth.YES:
        return replace(result, synthetic=False)
    unless: frozenset[v.Identity] = frozenset()
    if result.grad is Truth.NO or result.unless:
        elements = [element_of(atom) for atom in unknown]
        if elements and None not in elements:
            unless = result.unless.union(one for one in elements if one is not None)
    return replace(result, synthetic=False, grad=Truth.MAYBE, leaf=Truth.MAYBE, unless=unless)


def element_of(atom: Atom) -> v.Identity | None:
    """The unknown element of a loop that this is, or is a part of."""
    if not isinstance(atom, Obj):
        return None
    at = atom.id
    while isinstance(at, Path):
        at = at.base
    made = at.event[0] if isinstance(at, v.Site) and isinstance(at.event, tuple) else getattr(at, "event", None)
    drawn = isinstance(made, Next) or (isinstance(at, v.Site) and isinstance(at.event, tuple))
    return at if drawn else None


def may_hide_tensor(frame: Frame, atom: Atom) -> bool:
    """Whether an argument that is not seen to be a tensor may be one all the same."""
    match atom:
        case Obj(identity):
            return not isinstance(frame.state.heap.get(identity), (r.Sequence, r.Mapping))
        case v.Anything() | v.Param():
            return True
        case Bound(owner, _):
            return not isinstance(owner, Tensor)
        case _:
            return False


def truth_of(value: Value | None, default: Truth) -> Truth:
    """The truth of a flag argument."""
    if value is None:
        return default
    atom = v.single(value)
    if isinstance(atom, v.Const):
        return Truth.YES if atom.value else Truth.NO
    return Truth.MAYBE
