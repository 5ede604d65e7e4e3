"""Functions of Python: those that only compute, and those that make iterables of others.

What iterating yields says `iteration`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeGuard

from torchmode_lint.analysis import branches, calls
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.iteration import SLICE, elements, item
from torchmode_lint.analysis.values import Const, Expression, Obj, Tensor, Tup, Value
from torchmode_lint.flow import events as ev
from torchmode_lint.protocol import Truth
from torchmode_lint.torch_effects import Effect

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


# types of which nothing is of two, but for those that are derived from both
_EXCLUSIVE = {
    *(f"builtins.{name}" for name in "bool int float complex str bytes list tuple dict set frozenset NoneType".split()),
    *("torch.Tensor", "torch.nn.Module", "torch.nn.Parameter", "torch.optim.Optimizer", "numpy.ndarray"),
}
_NUMBERS = {"builtins.int", "builtins.float", "builtins.bool", "builtins.complex", "builtins.str"}


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
        tensors = [a for a in arguments.positional[0] if isinstance(a, Tensor) and (a.exact or a.may)]
        if tensors and _are_numbers(frame, arguments.positional[1]):
            return v.FALSE  # of what is a number in a first turn, the tensor that it becomes is of interest
        if is_made(atom) and "torch.Tensor" in {a.name for a in frame.reach(arguments.positional[1]) if _is_ext(a)}:
            return v.TRUE
        decided = _is_instance(frame, atom, arguments.positional[1])
        return None if decided is None else v.const(decided)
    return None


def _is_instance(frame: Frame, atom: v.Atom | None, types: Value) -> bool | None:
    """Whether something that was made in sight is of one of these types."""
    named = _type_names(frame, types)
    sure, perhaps = _types_of(frame, atom)
    if named & sure or (perhaps and perhaps <= named):
        return True
    return False if sure | perhaps and named <= _EXCLUSIVE - sure - perhaps else None


def _type_names(frame: Frame, types: Value) -> frozenset[str]:
    """The names of a type, or of those in a tuple or a union; `?` is whatever has none."""
    names: set[str] = set()
    for atom in frame.reach(types):
        match atom:
            case v.Ext(name):
                names.add(name)
            case Obj(Expression("|", operands)):
                names = names.union(*(_type_names(frame, operand) for operand in operands))
            case Const(_, None):
                names.add("builtins.NoneType")
            case Tup():
                continue
            case Obj(identity) if isinstance(frame.state.heap.get(identity), r.Sequence):
                continue
            case _:
                names.add("?")
    return frozenset(names)


def _types_of(frame: Frame, atom: v.Atom | None) -> tuple[frozenset[str], frozenset[str]]:
    """The types that something surely is of, and those of which it is of one."""
    nothing: frozenset[str] = frozenset()
    match atom:
        case Const(kind=kind):
            return frozenset(f"builtins.{one.__name__}" for one in kind.__mro__), nothing
        case Tup():
            return nothing, frozenset({"builtins.tuple", "builtins.list"})  # forwards return either
        case Obj(v.Site(event=event) as site):
            match frame.state.heap.get(site):
                case r.Module():
                    return frozenset({"torch.nn.Module"}), nothing
                case r.Mapping():
                    return frozenset({"builtins.dict"}), nothing
                case r.Sequence() if isinstance(event, ev.Build):
                    return frozenset({f"builtins.{event.kind}"}), nothing
    return nothing, nothing


def _are_numbers(frame: Frame, types: Value) -> bool:
    """Whether a type, or a tuple of them, is none that a tensor or a structure of tensors may be of."""
    names = [a.name for a in frame.reach(types) if _is_ext(a)]
    others = [a for a in frame.reach(types) if not _is_ext(a) and not isinstance(a, Tup)]
    return bool(names) and not others and all(name.startswith("numbers.") or name in _NUMBERS for name in names)


def is_made(atom: v.Atom | None) -> bool:
    """Whether this is surely one tensor: an operation made it, not a forward, which may return anything."""
    return isinstance(atom, Tensor) and atom.exact and isinstance(atom.made, ev.Event)


def _is_ext(atom: v.Atom) -> TypeGuard[v.Ext]:
    return isinstance(atom, v.Ext)


def _enumerate(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    site = frame.fresh(event)
    element = elements(frame, arguments.first, _inner(event, "element"))
    frame.state.heap[site] = r.Sequence(v.just(Tup((v.just(Obj(v.Path(site, "index"))), element))))
    return v.just(Obj(site))


def _zip(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    site = frame.fresh(event)
    columns = tuple(elements(frame, value, _inner(event, str(i))) for i, value in enumerate(arguments.positional))
    frame.state.heap[site] = r.Sequence(v.just(Tup(columns)) if columns else v.TOP)
    return v.just(Obj(site))


def _inner(event: Event, part: str) -> object:
    """A stand-in for an event."""
    return (event, part)


def _elements(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    if name in ("builtins.next",):
        return elements(frame, arguments.first, event)
    if name == "builtins.filter":
        return _filtered(frame, event, arguments)
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


def _filtered(frame: Frame, event: Event, arguments: Arguments) -> Value:
    given = arguments.positional[1] if len(arguments.positional) > 1 else frame.unknown(event)
    atom = v.single(given)
    record = frame.state.heap.get(atom.id) if isinstance(atom, Obj) else None
    if isinstance(record, r.Parameters) and record.modules:
        return item(frame, given, SLICE, event)
    return given


def _map(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """`map(function, *iterables)`: what the function makes of an element of each."""
    function, *iterables = arguments.positional or (v.EMPTY,)
    columns = tuple(elements(frame, value, _inner(event, str(i))) for i, value in enumerate(iterables))
    results = [calls.apply(frame, event, callee, Arguments(columns)) for callee in function] if columns else []
    return frame.make(event, r.Sequence(v.one_of(v.join_all(results)) or v.TOP))


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


EFFECTS: dict[Effect, Callable[[Frame, Event, str, Arguments], Value]] = {
    Effect.PURE: _pure,
    Effect.ENUMERATE: _enumerate,
    Effect.ZIP: _zip,
    Effect.ELEMENTS: _elements,
    Effect.MAP: _map,
    Effect.SEQUENCE: _sequence,
}
