"""Lattice laws of values, records, states and tables, as far as they are promised.

A value of more than `MAX_ATOMS` atoms goes to top, and trails are cut to `MAX_POINTS`: neither the order of
joining such values nor which points are left is promised. Trails decide nothing and are left out here.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lattices import (
    CONTEXT,
    EVENTS,
    SITES,
    SLOTS,
    graphs,
    identities,
    points,
    powerset,
    records,
    sites,
    states,
    tensors,
    values,
)

from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import renaming
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.state import State
from torchmode_lint.protocol import GRAD_MODE, GRADIENTS, GRAPH, MODE, GradMode, Mode, Table, Truth

quick = settings(deadline=None, max_examples=40, derandomize=True)
TRAILS = ("why", "filled", "mixed", "stepped", "zeroed", "freed")


def without_trail(record: Any) -> Any:  # noqa: ANN401 - any record
    names = {field.name for field in fields(record)} & set(TRAILS) if record is not None else ()
    return replace(record, **dict.fromkeys(names, r.NOWHERE)) if names else record


def is_top(value: v.Value) -> bool:
    """Whether something in a value overflowed: of that no order is promised."""
    return any(atom == v.ANY or (isinstance(atom, v.Tup) and any(map(is_top, atom.items))) for atom in value)


def below(a: v.Value, b: v.Value) -> bool:
    """Whether `b` covers `a`: joining again changes nothing."""
    return v.join(b, a) == b


# --- values --------------------------------------------------------------------------------------------


@quick
@given(values, values)
def test_joins_of_values_commute(a: v.Value, b: v.Value) -> None:
    assert v.join(a, b) == v.join(b, a)


@quick
@given(values, values, values)
def test_joins_of_values_associate_unless_they_overflow(a: v.Value, b: v.Value, c: v.Value) -> None:
    left, right = v.join(v.join(a, b), c), v.join(a, v.join(b, c))
    assert left == right or (is_top(left) and is_top(right))


@quick
@given(values)
def test_a_value_joins_itself_and_nothing_to_itself(a: v.Value) -> None:
    assert v.join(a, a) == v.join(a, v.EMPTY) == v.join(v.EMPTY, a) == v.normal(a) == a


@quick
@given(values, values)
def test_a_join_of_values_covers_both_unless_it_overflows(a: v.Value, b: v.Value) -> None:
    both = v.join(a, b)
    assert is_top(both) or (below(a, both) and below(b, both))


@quick
@given(st.lists(values, max_size=6))
def test_a_value_is_bounded_and_has_one_tensor_and_one_tuple_of_a_length(several: list[v.Value]) -> None:
    value = v.join_all(several)
    lengths = [len(atom.items) for atom in value if isinstance(atom, v.Tup)]
    assert len(value) <= v.MAX_ATOMS
    assert sum(isinstance(atom, v.Tensor) for atom in value) <= 1
    assert len(lengths) == len(set(lengths))


@quick
@given(st.lists(st.integers(), min_size=v.MAX_ATOMS + 1, unique=True))
def test_too_many_atoms_are_anything(numbers: list[int]) -> None:
    assert v.normal(frozenset().union(*map(v.const, numbers))) == v.TOP


def test_too_many_atoms_keep_what_their_tensor_may_hang_on() -> None:
    tensor = v.Tensor(may=frozenset(SITES[:1]), must=frozenset(SITES[:1]), grad=Truth.YES)
    many = v.normal(v.join_all(map(v.const, range(v.MAX_ATOMS))) | v.just(tensor))
    assert many == frozenset({v.ANY, replace(tensor, must=frozenset(), exact=False)})


@pytest.mark.xfail(strict=True, reason="anything absorbs nothing: a join that overflowed changes again")
def test_anything_absorbs_what_is_joined_to_it() -> None:
    assert v.join(v.TOP, v.const(1)) == v.TOP


@pytest.mark.xfail(strict=True, reason="`pair = (x, pair)` in a loop makes a deeper tuple in each turn")
def test_the_depth_of_a_value_is_bounded() -> None:
    value = v.just(v.Tup((v.NONE, v.NONE)))
    for _ in range(4 * v.MAX_DEPTH):
        value = v.join(value, v.just(v.Tup((v.NONE, value))))
    assert depth(value) <= 2 * v.MAX_DEPTH


def depth(value: v.Value) -> int:
    return max((1 + max(map(depth, atom.items), default=0) for atom in value if isinstance(atom, v.Tup)), default=0)


# --- tensors -------------------------------------------------------------------------------------------


@quick
@given(st.lists(tensors(), min_size=1, max_size=4))
def test_a_join_of_tensors_covers_each(several: list[v.Tensor]) -> None:
    both = v.join_tensors(several)
    assert both is not None
    for one in several:
        assert v.join_tensors([both, one]) == both
        assert one.may <= both.may and one.data <= both.data and both.must <= one.must
        assert one.leaf in both.leaf and one.grad in both.grad and one.retains in both.retains
        assert one.exact or not both.exact
        assert one.synthetic or not both.synthetic


@quick
@given(st.lists(tensors(), max_size=4), st.booleans())
def test_what_is_derived_hangs_on_all_its_sources(sources: list[v.Tensor], exact: bool) -> None:
    result = v.derived(sources, exact=exact)
    assert result.must <= result.may
    for source in sources:
        assert source.may <= result.may and source.data <= result.data
        assert source.must <= result.must or not exact
    if exact and any(source.grad is Truth.YES for source in sources):
        assert result.grad is Truth.YES and result.leaf is Truth.NO
    if exact and all(source.grad is Truth.NO for source in sources):
        assert result.grad is Truth.NO and result.leaf is Truth.YES
    if not exact:
        assert (result.must, result.grad, result.leaf, result.exact) == (frozenset(), Truth.MAYBE, Truth.MAYBE, False)


@quick
@given(st.lists(tensors(), min_size=1, max_size=3), tensors())
def test_deriving_is_monotone(sources: list[v.Tensor], more: v.Tensor) -> None:
    wider = [*sources[:-1], v.join_tensors([sources[-1], more]) or more]
    small, large = v.derived(sources), v.derived(wider)
    assert small.may <= large.may and large.must <= small.must
    assert small.leaf in large.leaf and small.grad in large.grad


@quick
@given(tensors())
def test_what_is_detached_is_a_leaf_with_the_same_numbers(tensor: v.Tensor) -> None:
    result = v.detached(tensor)
    assert (result.may, result.must, result.leaf, result.grad) == (frozenset(), frozenset(), Truth.YES, Truth.NO)
    assert (result.data, result.synthetic) == (tensor.data, tensor.synthetic)
    assert v.detached(result) == result


# --- names ---------------------------------------------------------------------------------------------


@quick
@given(values, sites)
def test_a_renamed_value_does_not_say_the_old_name(value: v.Value, site: v.Site) -> None:
    new = v.Site(site.event, CONTEXT, 7)
    result = renaming.renamed(value, site, new)
    assert site not in renaming.sites_of(result)
    assert renaming.sites_of(result) == {new if one == site else one for one in renaming.sites_of(value)}
    assert renaming.renamed(result, new, site) == v.normal(value)


@quick
@given(identities, sites)
def test_a_renamed_identity_does_not_say_the_old_name(identity: Any, site: v.Site) -> None:  # noqa: ANN401
    assert not renaming.id_mentions(renaming.renamed_id(identity, site, v.Site(site.event, CONTEXT, 7)), site)


@quick
@given(states(), st.sampled_from(SITES[::2]))
def test_after_aging_nothing_is_said_of_the_newest(state: State, site: v.Site) -> None:
    known = state.knows(site)
    state.age(site)
    assert not state.knows(site)
    assert not known or all(site not in r.sites_of(record) for record in state.heap.values())


@pytest.mark.xfail(strict=True, reason="what only a container holds is not known, and stays the newest")
def test_after_aging_no_container_holds_the_newest() -> None:
    state = State()
    state.heap[SITES[2]] = r.sequence([v.just(v.Obj(SITES[0]))])
    state.age(SITES[0])
    assert SITES[0] not in r.sites_of(state.heap[SITES[2]])


# --- records and states --------------------------------------------------------------------------------


@quick
@given(records, records)
def test_joins_of_records_commute(a: r.Record, b: r.Record) -> None:
    left, right = without_trail(r.join_records(a, b)), without_trail(r.join_records(b, a))
    if isinstance(left, r.Mapping) and isinstance(right, r.Mapping):
        left, right = replace(left, items=dict(left.items)), replace(right, items=dict(right.items))
    assert left == right


@quick
@given(records, records)
def test_a_join_of_records_covers_both(a: r.Record, b: r.Record) -> None:
    both = r.join_records(a, b)
    if both is None:
        assert type(a) is not type(b) or isinstance(a, r.Library)
    elif not any(is_top(value) for value in _values(both)):
        assert without_trail(r.join_records(both, a)) == without_trail(r.join_records(both, b)) == without_trail(both)


@quick
@given(records, records, records)
def test_joins_of_records_associate_unless_they_overflow(a: r.Record, b: r.Record, c: r.Record) -> None:
    if not type(a) is type(b) is type(c) or isinstance(a, r.Library):
        return
    left = r.join_records(r.join_records(a, b), c)
    right = r.join_records(a, r.join_records(b, c))
    assert left is not None and right is not None
    if not any(is_top(value) for value in (*_values(left), *_values(right))):
        assert without_trail(left) == without_trail(right)


def _values(record: r.Record) -> list[v.Value]:
    match record:
        case r.Sequence(element, items):
            return [element, *(items or ())]
        case r.Mapping(element, items):
            return [element, *(value for _, value in items)]
        case _:
            return []


@quick
@given(points, points)
def test_trails_are_bounded(a: r.Points, b: r.Points) -> None:
    both = r.join_points(a, b)
    assert both <= a | b and len(both) <= r.MAX_POINTS
    assert bool(both) == bool(a or b)


@quick
@given(graphs, graphs)
def test_joins_of_graphs_commute_and_cover(a: r.Traced, b: r.Traced) -> None:
    both = a.join(b)
    assert without_trail(both) == without_trail(b.join(a)) == without_trail(both.join(a)) == without_trail(both.join(b))
    assert a.status in both.status and b.mode in both.mode


@quick
@given(states())
def test_a_state_joins_itself_and_its_copy_without_a_change(state: State) -> None:
    copy = state.copy()
    assert copy.same(state)
    assert not state.join(copy)
    assert state.same(copy)


@quick
@given(states(), states())
def test_a_join_of_states_changes_nothing_the_second_time(a: State, b: State) -> None:
    a.join(b)
    if not _overflowed(a):
        once = a.copy()
        changed = a.join(b)
        assert _settled(a, once)
        assert not changed or a.heap.keys() != once.heap.keys()


@quick
@given(states(), states())
def test_a_join_of_states_covers_grad_mode_graphs_and_names(a: State, b: State) -> None:
    both = a.copy()
    both.join(b)
    assert a.grad | b.grad == both.grad
    assert a.env.keys() | b.env.keys() == both.env.keys()
    for state in (a, b):
        assert all(fact in state.facts and state.facts[fact] is truth for fact, truth in both.facts.items())
    for slot in SLOTS:
        for kind in (v.Const, v.Ext):
            given_atoms = {x for s in (a, b) for x in s.env.get(slot, v.EMPTY) if isinstance(x, kind)}
            assert given_atoms <= both.env.get(slot, v.EMPTY) or v.ANY in both.env[slot]


@quick
@given(states(), states())
def test_a_join_leaves_the_other_state_alone(a: State, b: State) -> None:
    copy = b.copy()
    a.join(b)
    assert b.same(copy)


def _overflowed(state: State) -> bool:
    held = [*state.env.values(), *state.attrs.values(), *(x for one in state.heap.values() for x in _values(one))]
    return any(map(is_top, held))


def _settled(a: State, b: State) -> bool:
    """The same but for trails, and for objects of which nothing is known because their records differed in kind."""
    common = a.heap.keys() & b.heap.keys()
    return (
        (a.env, a.attrs, a.grad, a.facts) == (b.env, b.attrs, b.grad, b.facts)
        and all(without_trail(a.heap[key]) == without_trail(b.heap[key]) for key in common)
        and {key: without_trail(graph) for key, graph in a.graphs.items()}
        == {key: without_trail(graph) for key, graph in b.graphs.items()}
    )


@pytest.mark.xfail(strict=True, reason="a record dropped by a join of two kinds comes back with the next one")
def test_what_is_no_longer_known_of_an_object_stays_unknown() -> None:
    state, other = State(), State()
    state.heap[SITES[0]], other.heap[SITES[0]] = r.Module(Mode.TRAIN), r.Loader()
    state.join(other)
    assert SITES[0] not in state.heap
    state.join(other)
    assert SITES[0] not in state.heap


def test_two_branches_that_make_one_object_each_make_one() -> None:
    state, other = State(), State()
    here, there = v.Site(EVENTS[0], CONTEXT), v.Site(EVENTS[1], CONTEXT)
    state.heap[here], other.heap[there] = r.Module(Mode.TRAIN), r.Module(Mode.EVAL)
    state.env[SLOTS[0]], other.env[SLOTS[0]] = v.just(v.Obj(here)), v.just(v.Obj(there))
    assert state.join(other)
    assert state.env[SLOTS[0]] == v.just(v.Obj(here))
    assert state.heap[here].mode == Mode.TRAIN | Mode.EVAL
    assert state.grad is GradMode.ON


# --- tables --------------------------------------------------------------------------------------------

TABLES = (MODE, GRAD_MODE, GRADIENTS, GRAPH)


@st.composite
def moves(draw: st.DrawFn) -> tuple[Table[Any], Any, Any, str]:
    """A table, two sets of its states and an event of it, or one that it does not know."""
    table = draw(st.sampled_from(TABLES))
    kind = type(next(iter(table.moves))[0])
    event = draw(st.sampled_from(sorted({event for _, event in (*table.moves, *table.broken)} | {"something else"})))
    return table, draw(powerset(kind)), draw(powerset(kind)), event


@quick
@given(moves())
def test_a_step_distributes_over_joins(move: tuple[Table[Any], Any, Any, str]) -> None:
    table, a, b, event = move
    assert table.step(a | b, event) == table.step(a, event) | table.step(b, event)


@quick
@given(moves())
def test_a_step_is_monotone(move: tuple[Table[Any], Any, Any, str]) -> None:
    table, a, b, event = move
    assert table.step(a, event) in table.step(a | b, event)
    if table.may_break(a, event) is not None:
        assert table.may_break(a | b, event) is not None
    if table.must_break(a | b, event):
        assert table.must_break(a, event)


@pytest.mark.parametrize("table", TABLES)
def test_no_states_make_no_step(table: Table[Any]) -> None:
    none = type(next(iter(table.moves))[0])(0)
    assert table.step(none, "backward") == none
    assert table.may_break(none, "backward") is None
