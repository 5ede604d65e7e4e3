"""The abstract state before an event: variables, heap, grad mode, graphs, and what is known to hold.

A state is mutable while one block is interpreted and is copied at every fork; nothing else changes it.
Joining two states is done by `join`; whether two states may be joined at all, or are kept apart
(partitions), is decided by their `signature`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import renaming
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.records import Module, Optimizer, Record, Traced, join_records
from torchmode_lint.analysis.relations import shared_facts
from torchmode_lint.analysis.values import Atom, Const, Identity, Obj, Site, Tensor, Value
from torchmode_lint.protocol import Gradients, GradMode, Graph, Mode, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.records import Points
    from torchmode_lint.flow.cfg import Block
    from torchmode_lint.flow.events import Register, Variable

K = TypeVar("K")

_UNTOLD = (Mode.TRAIN, Mode.ENTRY)  # of a module that nobody has switched: as it was made, or as it came

Slot: TypeAlias = "Variable | tuple[int, Register]"


class Signature(NamedTuple):
    """What keeps states apart: grad mode, turns of loops, (object, its modes or gradients), leaves, freed graphs."""

    grad: GradMode
    turns: tuple[tuple[Block, int], ...]
    heap: frozenset[tuple[object, ...]]
    leaves: frozenset[tuple[object, Truth]]
    freed: frozenset[Site]


class State:
    """What may hold at one point of the program, for one partition of the paths that lead there."""

    __slots__ = ("asked", "attrs", "env", "facts", "grad", "grad_why", "graphs", "heap", "loops", "outer", "saved")

    def __init__(self) -> None:
        self.env: dict[Slot, Value] = {}
        self.heap: dict[Identity, Record] = {}
        self.attrs: dict[tuple[Identity, str], Value] = {}
        self.grad = GradMode.ON
        self.grad_why: Points = frozenset()
        self.graphs: dict[Site, Traced] = {}
        self.facts: dict[Value, bool] = {}
        self.loops: dict[Block, int] = {}
        self.saved: dict[object, tuple[GradMode, Points]] = {}
        self.outer = 0
        self.asked = False  # whether somebody made a tensor require grad on the way here

    def copy(self) -> State:
        new = State.__new__(State)
        new.env = self.env.copy()
        new.heap = self.heap.copy()
        new.attrs = self.attrs.copy()
        new.grad = self.grad
        new.grad_why = self.grad_why
        new.graphs = self.graphs.copy()
        new.facts = self.facts.copy()
        new.loops = self.loops.copy()
        new.saved = self.saved.copy()
        new.outer = self.outer
        new.asked = self.asked
        return new

    def same(self, other: State) -> bool:
        """Whether both say exactly the same."""
        return (
            self.grad == other.grad
            and self.loops == other.loops
            and self.outer == other.outer
            and self.env == other.env
            and self.heap == other.heap
            and self.attrs == other.attrs
            and self.graphs == other.graphs
            and self.facts == other.facts
            and self.saved == other.saved
        )

    def size(self) -> int:
        """How much is known, in names, objects and attributes: joining and copying cost that much."""
        return len(self.env) + len(self.heap) + len(self.attrs)

    def turn(self) -> int:
        """0 where every loop around this point, callers' loops included, is in its first turn."""
        return max(self.outer, *self.loops.values()) if self.loops else self.outer

    def signature(self) -> Signature:
        """What keeps two states apart: everything the protocol is about.

        Modes of modules, the grad mode, the gradients of optimizers, which turn of the loops this is,
        and whether a tensor that was made to require grad is still a leaf.
        """
        heap: list[tuple[object, ...]] = []
        for key, record in self.heap.items():
            # what was only just made says nothing yet
            if isinstance(record, Module):
                if record.chosen or record.mode not in _UNTOLD or record.frozen is not Truth.NO:
                    heap.append((key, record.mode, record.frozen))
            elif isinstance(record, Optimizer) and record.grads is not Gradients.CLEAN:
                heap.append((key, record.grads))
        leaves: list[tuple[object, Truth]] = []
        if self.asked:
            leaves = [(slot, leaf) for slot, value in self.env.items() if (leaf := _known_leaf(value)) is not None]
        freed = frozenset(site for site, graph in self.graphs.items() if graph.status is Graph.FREED)
        return Signature(self.grad, self._turns(), frozenset(heap), frozenset(leaves), freed)

    def _turns(self) -> tuple[tuple[Block, int], ...]:
        """The turns of the two innermost loops, and of every loop that is unrolled."""
        turns = tuple(self.loops.items())
        return turns if len(turns) <= 2 else (*(one for one in turns[:-2] if one[1] > 1), *turns[-2:])

    def join(self, other: State) -> bool:
        """Make this cover `other` too; whether anything changed."""
        env, attrs = _unlike(self.env, other.env), _unlike(self.attrs, other.attrs)
        names = self._same_names(other, env, attrs)
        if names:
            other = _renamed(other, names)
            env, attrs = _unlike(self.env, other.env), _unlike(self.attrs, other.attrs)
        # an attribute known on one side only is unknown on the other: still the better guess
        changed = _join_values(self.env, env) | self._join_heap(other) | _join_values(self.attrs, attrs)
        self.asked = self.asked or other.asked
        grad = self.grad | other.grad
        if grad != self.grad:
            self.grad, changed = grad, True
        for site, graph in other.graphs.items():
            known = self.graphs.get(site)
            if known is graph:
                continue
            both = graph if known is None else known.join(graph)
            if both != known:
                self.graphs[site] = both
                changed = True
        if self.facts != other.facts:
            facts = shared_facts(self.facts, other.facts)
            if facts != self.facts:
                self.facts, changed = facts, True
        for block, turn in other.loops.items():
            if self.loops.get(block, -1) < turn:
                self.loops[block], changed = turn, True
        for key, mode in other.saved.items():
            mine_mode = self.saved.get(key)
            if mine_mode is None or mine_mode[0] | mode[0] != mine_mode[0]:
                self.saved[key] = mode if mine_mode is None else (mine_mode[0] | mode[0], mine_mode[1])
                changed = True
        return changed

    def _join_heap(self, other: State) -> bool:
        changed = False
        for key, record in other.heap.items():
            mine = self.heap.get(key)
            if mine is None:
                self.heap[key], changed = record, True
            elif mine is not record and mine != record:
                joined = join_records(mine, record)
                if joined is None:
                    del self.heap[key]
                    changed = True
                elif joined != mine:
                    self.heap[key], changed = joined, True
        return changed

    def age(self, site: Site) -> None:
        """The newest object of `site` becomes one of the older ones, before another is made there."""
        if self.knows(site):
            self.rename(site, renaming.older(site))

    def rename(self, site: Site, new: Site) -> None:
        """What `site` names is called `new`, and joins what went by that name."""
        for slot, value in self.env.items():
            if site in renaming.sites_of(value):
                self.env[slot] = renaming.renamed(value, site, new)
        sites_of_id = renaming.sites_of_id
        if any(site in sites_of_id(key) for key in self.heap):
            heap: dict[Identity, Record] = {}
            for key, record in self.heap.items():
                new_key = renaming.renamed_id(key, site, new) if site in sites_of_id(key) else key
                joined = join_records(heap[new_key], record) if new_key in heap else record
                if joined is not None:
                    heap[new_key] = joined
            self.heap = heap
        for key, record in self.heap.items():
            if type(record) in _REFERRING:
                self.heap[key] = renamed_record(record, site, new)
        if any(site in sites_of_id(key) for key, _ in self.attrs):
            attrs: dict[tuple[Identity, str], Value] = {}
            for (key, name), value in self.attrs.items():
                pair = (renaming.renamed_id(key, site, new) if site in sites_of_id(key) else key, name)
                attrs[pair] = v.join(attrs[pair], value) if pair in attrs else value
            self.attrs = attrs
        for pair, value in self.attrs.items():
            if site in renaming.sites_of(value):
                self.attrs[pair] = renaming.renamed(value, site, new)
        if site in self.graphs:
            graph = self.graphs.pop(site)
            self.graphs[new] = self.graphs[new].join(graph) if new in self.graphs else graph
        self.facts = {
            fact: truth
            for fact, truth in self.facts.items()
            if not any(isinstance(a, Obj) and renaming.id_mentions(a.id, site) for a in fact)
        }

    def unify(self, other: State) -> State:
        """`other`, with the objects that it made where this made others called by the same names.

        `if flag: model = A()` `else: model = B()`: after it there is one object, whichever it is.
        """
        names = self._same_names(other, _unlike(self.env, other.env), _unlike(self.attrs, other.attrs))
        return _renamed(other, names) if names else other

    def _same_names(
        self, other: State, env: list[tuple[Slot, Value]], attrs: list[tuple[tuple[Identity, str], Value]]
    ) -> dict[Site, Site]:
        """What to call the objects that the other state made, of which it says `env` and `attrs`, otherwise."""
        names: dict[Site, Site] = {}
        for slot, value in env:
            if len(value) == 1:
                self._same_name(self.env.get(slot), value, other, names)
        for pair, value in attrs:
            if len(value) == 1:
                self._same_name(self.attrs.get(pair), value, other, names)
        return names

    def _same_name(self, ours: Value | None, theirs: Value, other: State, names: dict[Site, Site]) -> None:
        """Whether two values are one new object each, neither of them there in the other state; `theirs` is one."""
        if ours is None or len(ours) != 1:
            return
        (a,), (b,) = ours, theirs
        if a == b or not (
            isinstance(a, Obj) and isinstance(b, Obj) and isinstance(a.id, Site) and isinstance(b.id, Site)
        ):
            return
        if b.id in names or a.id in other.heap or b.id in self.heap:
            return
        mine, their = self.heap.get(a.id), other.heap.get(b.id)
        if isinstance(mine, (Module, Optimizer)) and type(mine) is type(their):
            names[b.id] = a.id
        elif mine is None and their is None and not (self.knows(b.id) or other.knows(a.id)):
            names[b.id] = a.id

    def forget(self, identity: Identity) -> None:
        """A symbol stands for another value from here on: conditions on it no longer hold."""
        gone = [
            fact for fact in self.facts if any(isinstance(a, Obj) and renaming.id_within(a.id, identity) for a in fact)
        ]
        for fact in gone:
            del self.facts[fact]

    def knows(self, site: Site) -> bool:
        """Whether anything is said of the newest object of `site`."""
        if site in self.heap or site in self.graphs:
            return True
        if any(site in renaming.sites_of(value) for value in self.env.values()):
            return True
        if any(renaming.id_mentions(key, site) for key, _ in self.attrs):
            return True
        return any(isinstance(a, Obj) and renaming.id_mentions(a.id, site) for fact in self.facts for a in fact)

    def holds(self, value: Value) -> bool:
        """Whether a name or an attribute holds exactly this."""
        return value in self.env.values() or value in self.attrs.values()

    def refine(self, value: Value, keep: Value) -> None:
        """Everything that held `value` is now known to hold only `keep` of it."""
        for slot, held in self.env.items():
            if held == value:
                self.env[slot] = keep
        for pair, held in self.attrs.items():
            if held == value:
                self.attrs[pair] = keep

    def replace_tensor(self, old: Tensor, new: Tensor) -> None:
        """A tensor changed in place: so did every alias of it."""
        for slot, held in self.env.items():
            if old in held:
                self.env[slot] = (held - {old}) | {new}
        for pair, held in self.attrs.items():
            if old in held:
                self.attrs[pair] = (held - {old}) | {new}
        for key, record in self.heap.items():
            if isinstance(record, (r.Sequence, r.Mapping)):
                self.heap[key] = _with_changed(record, old, new)


def _unlike(ours: dict[K, Value], theirs: dict[K, Value]) -> list[tuple[K, Value]]:
    """Of their values those that are not the very same as ours."""
    get = ours.get
    return [(key, value) for key, value in theirs.items() if get(key) is not value]


def _join_values(ours: dict[K, Value], theirs: list[tuple[K, Value]]) -> bool:
    changed = False
    for key, value in theirs:
        mine = ours.get(key)
        if mine is None:
            ours[key], changed = value, True
        elif mine != value:
            joined = v.join(mine, value)
            if joined != mine:
                ours[key], changed = joined, True
    return changed


def _renamed(state: State, names: dict[Site, Site]) -> State:
    new = state.copy()
    for theirs, ours in names.items():
        new.rename(theirs, ours)
    return new


_REFERRING = frozenset({r.Sequence, r.Mapping, r.Optimizer, r.Parameters, r.Module, r.Groups})


def renamed_record(record: Record, site: Site, new: Site) -> Record:
    """The record with what it refers to renamed too."""
    match record:
        case r.Sequence(element, items):
            return r.Sequence(
                renaming.renamed(element, site, new),
                None if items is None else tuple(renaming.renamed(item, site, new) for item in items),
            )
        case r.Mapping(element, items):
            return r.Mapping(
                renaming.renamed(element, site, new),
                tuple((key, renaming.renamed(value, site, new)) for key, value in items),
            )
        case r.Optimizer(owns=owns) if owns and any(renaming.id_mentions(o, site) for o in owns):
            return replace(record, owns=frozenset(renaming.renamed_id(o, site, new) for o in owns))
        case r.Parameters(owners=owners) if any(renaming.id_mentions(o, site) for o in owners):
            return replace(record, owners=frozenset(renaming.renamed_id(o, site, new) for o in owners))
        case r.Module(parts=parts) if any(renaming.id_mentions(o, site) for o in parts):
            return replace(record, parts=frozenset(renaming.renamed_id(o, site, new) for o in parts))
        case r.Groups(optimizer) if renaming.id_mentions(optimizer, site):
            return r.Groups(renaming.renamed_id(optimizer, site, new))
        case _:
            return record


def _with_changed(record: r.Sequence | r.Mapping, old: Tensor, new: Tensor) -> Record:
    """A container in which a tensor changed: surely where it is an item, perhaps where it is one of many."""

    def changed(held: Value) -> Value:
        return (held - {old}) | {new} if old in held else held

    element = v.join(record.element, changed(record.element))
    if isinstance(record, r.Mapping):
        return replace(record, element=element, items=tuple((key, changed(value)) for key, value in record.items))
    items = None if record.items is None else tuple(map(changed, record.items))
    if items is not None and items == record.items and old in record.element:  # one of the items, whichever
        items = tuple(v.join(item, v.just(new)) for item in items)
    return replace(record, element=element, items=items)


def _known_leaf(value: Value) -> Truth | None:
    """Whether a tensor that was made to require grad is a leaf, where that is known."""
    for atom in value:
        if isinstance(atom, Tensor) and atom.grad is Truth.YES and not atom.may and atom.leaf is not Truth.MAYBE:
            return atom.leaf
    return None


def truths(value: Value) -> tuple[frozenset[Atom], frozenset[Atom]]:
    """The atoms of a value that may be true, and those that may be false."""
    true = frozenset(a for a in value if not (isinstance(a, Const) and not a.value))
    false = frozenset(a for a in value if not _surely_true(a))
    return true, false


def _surely_true(atom: Atom) -> bool:
    match atom:
        case Const(_, value):
            return bool(value)
        case v.Tup(items):
            return bool(items)
        case v.Func() | v.Cls() | v.Ext() | v.Bound():
            return True
        case _:
            return False
