"""Heap records: what is known of an object with identity, as frozen values that join.

A record is replaced, never changed. Points (an event in a calling context) remember where a state came
from, for the trail; they are carried along and decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from torchmode_lint.analysis import renaming
from torchmode_lint.analysis.values import EMPTY, Context, Identity, Site, Value, join
from torchmode_lint.protocol import GRADIENTS, Gradients, GradMode, Graph, Mode, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.classes import Class
    from torchmode_lint.flow.cfg import Block, Code
    from torchmode_lint.flow.events import Event


class Point(NamedTuple):
    """An event in a calling context: a step of a trail."""

    event: Event
    context: Context


Points: TypeAlias = "frozenset[Point]"
NOWHERE: Points = frozenset()
MAX_POINTS = 4


def join_points(a: Points, b: Points) -> Points:
    """Both, bounded: a trail needs one."""
    if a == b or not b:
        return a
    both = a | b
    return both if len(both) <= MAX_POINTS else frozenset(sorted(both, key=lambda p: p.event.index)[:MAX_POINTS])


@dataclass(frozen=True, slots=True)
class Module:
    """An `nn.Module`. `why` are the places that put it into its mode.

    `dependent`: whether it holds layers that compute differently by mode; `rateless`: that those of its class drop
    nothing, by the arguments it was made with. `frozen`: whether all its parameters are known not to require grad.
    `trained`: it has had a backward since it was made.
    """

    mode: Mode
    why: Points = NOWHERE
    dependent: Truth = Truth.MAYBE
    cls: Class | None = None
    frozen: Truth = Truth.NO
    name: str = ""
    chosen: bool = False
    parts: frozenset[Identity] = frozenset()
    rateless: bool = False


@dataclass(frozen=True, slots=True)
class Optimizer:
    """`owns`: the modules and parameters it was given, None where that is not known.

    `doubted`: something unseen may have filled the gradients since they were cleared, whatever `grads` says.
    """

    owns: frozenset[Identity] | None
    grads: Gradients
    made: bool = False
    filled: Points = NOWHERE  # the backward that filled last
    mixed: Points = NOWHERE  # the backward that added to stale gradients
    stepped: Points = NOWHERE
    zeroed: Points = NOWHERE
    applied: Points = NOWHERE  # the last forward of what it owns since it stepped, with gradients recorded
    doubted: bool = False
    cls: Class | None = None

    @property
    def admitted(self) -> Gradients:
        """All that the gradients may be: `grads`, and in doubt what an unseen backward would have made of it."""
        return self.grads | GRADIENTS.step(self.grads, "backward") if self.doubted else self.grads


@dataclass(frozen=True, slots=True)
class Traced:
    """The graph of one forward: freed or not, where; the module's mode then, and in which turn of the loops.

    `items` are the elements of unrolled loops that it was made for, each with its loop.
    """

    status: Graph
    mode: Mode
    why: Points = NOWHERE
    turns: frozenset[int] = frozenset()
    freed: Points = NOWHERE
    items: frozenset[frozenset[tuple[Block, int]]] = frozenset()

    def join(self, other: Traced) -> Traced:
        if self == other:
            return self
        return Traced(
            self.status | other.status,
            self.mode | other.mode,
            join_points(self.why, other.why),
            self.turns | other.turns,
            join_points(self.freed, other.freed),
            self.items | other.items,
        )


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of a class of the project that is no module."""

    cls: Class


@dataclass(frozen=True, slots=True)
class Namespace:
    """An object without methods, made to carry attributes."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list, set or iterator over values: `items` where each one is known, else only `element`."""

    element: Value
    items: tuple[Value, ...] | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """A dict: `items` by constant key, `element` for all the others."""

    element: Value
    items: tuple[tuple[object, Value], ...] = ()

    def get(self, key: object) -> Value | None:
        return next((value for k, value in self.items if k == key and type(k) is type(key)), None)


@dataclass(frozen=True, slots=True)
class Loader:
    """Yields batches of data: tensors without a graph."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """`module.parameters()` and its kin. `named` pairs each with its name."""

    owners: frozenset[Identity]
    named: bool = False
    modules: bool = False


@dataclass(frozen=True, slots=True)
class Groups:
    """`optimizer.param_groups`, one of them, or its list of parameters."""

    optimizer: Identity


@dataclass(frozen=True, slots=True)
class GradSwitch:
    """A context manager or decorator that sets the grad mode."""

    mode: GradMode


@dataclass(frozen=True, slots=True)
class Resumable:
    """A call of a generator function: run to its yield on entering, from there on leaving."""

    code: Code
    context: Context
    arguments: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Library:
    """An object of a library that takes over part of the protocol (a Trainer, a GradScaler, ...).

    `FOREIGN`: an array, or something else, of a framework that is not torch.
    """

    kind: str


FOREIGN = "foreign"


_Simple: TypeAlias = "Namespace | Loader | Parameters | Groups | GradSwitch | Resumable | Library"
Record: TypeAlias = "Module | Optimizer | Instance | Sequence | Mapping | _Simple"


def join_records(a: Record | None, b: Record | None) -> Record | None:
    """Least upper bound; None (nothing known) where the kinds differ."""
    if a == b:
        return a
    match a, b:
        case Module(), Module():
            return replace(
                a,
                mode=a.mode | b.mode,
                why=join_points(a.why, b.why),
                dependent=a.dependent | b.dependent,
                frozen=a.frozen | b.frozen,
                cls=a.cls if a.cls is b.cls else None,
                name=a.name if a.name == b.name else "",
                chosen=a.chosen or b.chosen,
                parts=a.parts | b.parts,
                rateless=a.rateless and b.rateless,
            )
        case Optimizer(), Optimizer():
            return replace(
                a,
                owns=None if a.owns is None or b.owns is None else a.owns | b.owns,
                grads=a.grads | b.grads,
                made=a.made and b.made,
                filled=join_points(a.filled, b.filled),
                mixed=join_points(a.mixed, b.mixed),
                stepped=join_points(a.stepped, b.stepped),
                zeroed=join_points(a.zeroed, b.zeroed),
                applied=join_points(a.applied, b.applied),
                doubted=a.doubted or b.doubted,
            )
        case Sequence(), Sequence():
            same = a.items is not None and b.items is not None and len(a.items) == len(b.items)
            if same and a.items is not None and b.items is not None:
                items = tuple(join(x, y) for x, y in zip(a.items, b.items, strict=True))
                return Sequence(join(a.element, b.element), items)
            return Sequence(join(a.element, b.element))
        case Mapping(), Mapping():
            return _join_mappings(a, b)
        case Parameters(), Parameters():
            return replace(a, owners=a.owners | b.owners)
        case GradSwitch(), GradSwitch():
            return GradSwitch(a.mode | b.mode)
        case _:
            return None


def _join_mappings(a: Mapping, b: Mapping) -> Mapping:
    items = []
    for key, value in a.items:
        other = b.get(key)
        items.append((key, value if other is None else join(value, other)))
    items += [(key, value) for key, value in b.items if a.get(key) is None]
    return Mapping(join(a.element, b.element), tuple(items))


def sites_of(record: Record) -> frozenset[Site]:
    """The sites that a record refers to."""
    match record:
        case Sequence(element, items):
            return renaming.sites_of(element).union(*(renaming.sites_of(item) for item in items or ()))
        case Mapping(element, items):
            return renaming.sites_of(element).union(*(renaming.sites_of(value) for _, value in items))
        case Optimizer(owns=owns) if owns:
            return frozenset().union(*(renaming.sites_of_id(one) for one in owns))
        case Parameters(owners=owners):
            return frozenset().union(*(renaming.sites_of_id(one) for one in owners))
        case Resumable(arguments=arguments):
            return frozenset().union(*(renaming.sites_of(value) for value in arguments))
        case Module(parts=parts):
            return frozenset().union(*(renaming.sites_of_id(one) for one in parts))
        case _:
            return frozenset()


def sequence(values: Iterable[Value]) -> Sequence:
    """A list whose elements are all known, as long as it is short."""
    items = tuple(values)
    element = EMPTY
    for item in items:
        element = join(element, item)
    return Sequence(element, items if len(items) <= MAX_ITEMS else None)


MAX_ITEMS = 24
