"""One block being interpreted: the state, the registers, and the paths that split off on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import renaming
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.records import Point
from torchmode_lint.analysis.values import TOP, Atom, Bound, Context, Identity, Obj, Site, Tensor, Value

if TYPE_CHECKING:
    from torchmode_lint.analysis.interpreter import Interpreter
    from torchmode_lint.analysis.state import State
    from torchmode_lint.flow.events import Event, Register

MAX_REACH = 5

# Of these the newest and the older ones need not be told apart.
_UNTOLD = (r.GradSwitch, r.Parameters, r.Groups, r.Loader, r.Library)

_Seen: TypeAlias = "dict[Identity, None] | None"


@dataclass(slots=True)
class Arguments:
    """The evaluated arguments of a call. `rest` joins what `*` and `**` arguments hold."""

    positional: tuple[Value, ...] = ()
    keywords: dict[str, Value] = field(default_factory=dict)
    rest: Value = v.EMPTY

    def get(self, position: int, keyword: str) -> Value | None:
        """The argument at a position or by keyword, None if it is not given (or starred)."""
        if keyword in self.keywords:
            return self.keywords[keyword]
        return self.positional[position] if 0 <= position < len(self.positional) else None

    def all(self) -> Iterator[Value]:
        yield from self.positional
        yield from self.keywords.values()
        if self.rest:
            yield self.rest

    @property
    def first(self) -> Value:
        return next(self.all(), v.EMPTY)


class Frame:
    """Interprets one block, from one entry state, in one context."""

    __slots__ = ("context", "dead", "forks", "guarded", "regs", "run", "state")

    def __init__(self, run: Interpreter, context: Context, state: State) -> None:
        self.run = run
        self.context = context
        self.state = state
        self.regs: dict[Register, Value] = {}
        self.forks: list[Frame] = []
        self.dead = False
        self.guarded = False  # whether an exception raised here is caught: a statement may be there for it

    def raw(self, register: Register) -> Value:
        """What a register holds, methods of tensors included."""
        value = self.regs.get(register)
        if value is None:
            value = self.state.env.get((self.context.code.scope, register), TOP)
        return value

    def get(self, register: Register) -> Value:
        """What a register holds; an attribute of a tensor that is not called is a part of it."""
        value = self.raw(register)
        for atom in value:
            if isinstance(atom, Bound) and isinstance(atom.owner, Tensor):
                return v.normal(
                    frozenset(
                        attribute_of(a.owner, a.name) if isinstance(a, Bound) and isinstance(a.owner, Tensor) else a
                        for a in value
                    )
                )
        return value

    def set(self, register: Register, value: Value) -> None:
        self.regs[register] = value

    def fork(self, state: State, register: Register | None = None, value: Value = TOP) -> Frame:
        """Another path that goes on from here, in `state`."""
        other = Frame(self.run, self.context, state)
        other.regs = dict(self.regs)
        other.guarded = self.guarded
        if register is not None:
            other.regs[register] = value
        self.forks.append(other)
        return other

    def point(self, event: Event) -> Point:
        return Point(event, self.context)

    def fresh(self, event: object) -> Site:
        """The identity of what is made at `event` now; what was made there before becomes older."""
        site = Site(event, self.context)
        if self.run.active:
            self.run.active[-1].made.add(site)
        if site in self.run.born:
            self.state.age(site)
            if any(site in renaming.sites_of(value) for value in self.regs.values()):
                self.regs = {
                    register: renaming.renamed(value, site, renaming.older(site))
                    for register, value in self.regs.items()
                }
        else:
            self.run.born.add(site)
        return site

    def unknown(self, event: object) -> Value:
        """A new unknown value made at `event`.

        Where nothing was learnt of the one made there before, both go by one name; only conditions on it end.
        """
        site = Site(event, self.context)
        if site in self.run.born:
            if site in self.state.heap or site in self.state.graphs:
                return v.just(Obj(self.fresh(event)))
            self.state.forget(site)
        else:
            self.run.born.add(site)
        return v.just(Obj(site))

    def make(self, event: object, record: r.Record) -> Value:
        """A new object made at `event`."""
        if isinstance(record, _UNTOLD):
            site = Site(event, self.context)
            self.run.born.add(site)
        else:
            site = self.fresh(event)
        self.state.heap[site] = record
        return v.just(Obj(site))

    def reach(self, value: Value, depth: int = 0, seen: _Seen = None) -> Iterator[Atom]:
        """The atoms of a value and of the tuples and containers in it."""
        seen = {} if seen is None else seen
        for atom in value:
            yield atom
            if depth >= MAX_REACH:
                continue
            if isinstance(atom, v.Tup):
                for item in atom.items:
                    yield from self.reach(item, depth + 1, seen)
            elif isinstance(atom, Obj) and atom.id not in seen:
                seen[atom.id] = None
                for inner in self.inside(atom.id):
                    yield from self.reach(inner, depth + 1, seen)

    def inside(self, identity: Identity) -> Iterator[Value]:
        """What an object holds: elements, values, attributes."""
        match self.state.heap.get(identity):
            case r.Sequence(element, items):
                if items is None:
                    yield element
                else:
                    yield from items
            case r.Mapping(element, items):
                yield element
                for _, value in items:
                    yield value
            case r.Instance(_) | r.Namespace():
                for (owner, _), value in self.state.attrs.items():
                    if owner == identity:
                        yield value

    def tensors(self, value: Value) -> list[Tensor]:
        """The tensors that a value holds, however deep."""
        return [atom for atom in self.reach(value) if isinstance(atom, Tensor)]


def attribute_of(t: Tensor, name: str) -> Tensor:
    """An attribute of a tensor that is not called: it is a structure that was taken for a tensor."""
    return replace(v.derived([t], exact=False), made=v.part_name(t, name))
