"""Random abstract values, records and states for property tests: few names, so that they meet often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from hypothesis import strategies as st

from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.state import State
from torchmode_lint.flow import events as ev
from torchmode_lint.protocol import Gradients, GradMode, Graph, Mode, Truth, members

if TYPE_CHECKING:
    import enum

    from torchmode_lint.flow.cfg import Code

NODE = cast("Any", None)  # nothing here looks at the syntax tree
CONTEXT = v.Context(None, None, cast("Code", None), 0)
EVENTS = [ev.Constant(index, NODE, 0, None) for index in range(8)]
SITES = [v.Site(event, CONTEXT, age) for event in EVENTS[:4] for age in (0, 1)]
SLOTS = [ev.Variable(0, name) for name in "abc"]


def powerset(kind: type[enum.Flag]) -> st.SearchStrategy[Any]:
    """Any set of states but the empty one."""

    def union(states: list[Any]) -> Any:  # noqa: ANN401 - a flag of `kind`
        result = states[0]
        for state in states[1:]:
            result |= state
        return result

    return st.lists(st.sampled_from(members(~kind(0))), min_size=1, max_size=3).map(union)


sites = st.sampled_from(SITES)
site_sets = st.frozensets(sites, max_size=2)
paths = st.builds(v.Path, sites, st.sampled_from("xy"))
identities = st.one_of(sites, paths)
points = st.frozensets(st.builds(r.Point, st.sampled_from(EVENTS), st.just(CONTEXT)), max_size=3)


@st.composite
def tensors(draw: st.DrawFn) -> v.Tensor:
    """Tensors that must hang only on what they may hang on."""
    may = draw(site_sets)
    return v.Tensor(
        may=may,
        must=frozenset(site for site in may if draw(st.booleans())),
        data=may | draw(site_sets),
        leaf=draw(powerset(Truth)),
        grad=draw(powerset(Truth)),
        retains=draw(powerset(Truth)),
        synthetic=draw(st.booleans()),
        exact=draw(st.booleans()),
        moved=draw(st.booleans()),
        asked=draw(st.booleans()),
        volatile=draw(st.booleans()),
    )


constants = st.sampled_from([None, True, False, 0, 1, "train", "val"]).map(lambda value: v.Const(type(value), value))
simple_atoms = st.one_of(
    constants,
    identities.map(v.Obj),
    st.sampled_from(["torch.relu", "builtins.len"]).map(v.Ext),
    st.builds(v.Param, identities, st.booleans()),
    tensors(),
)


def of_atoms(atoms: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[v.Value]:
    return st.frozensets(atoms, min_size=1, max_size=most).map(v.normal)


atoms = st.recursive(
    simple_atoms,
    lambda inner: st.lists(of_atoms(inner, 2), max_size=2).map(lambda items: v.Tup(tuple(items))),
    max_leaves=4,
)
values = of_atoms(st.one_of(atoms, st.just(v.ANY)), 4)
small_values = of_atoms(atoms, 2)

modules = st.builds(
    r.Module,
    powerset(Mode),
    points,
    powerset(Truth),
    st.none(),
    powerset(Truth),
    st.sampled_from(["", "torch.nn.Linear"]),
    st.booleans(),
    st.frozensets(identities, max_size=2),
)
optimizers = st.builds(
    r.Optimizer,
    st.none() | st.frozensets(identities, max_size=2),
    powerset(Gradients),
    st.booleans(),
    points,
    points,
    points,
    points,
)
graphs = st.builds(
    r.Traced, powerset(Graph), powerset(Mode), points, st.frozensets(st.integers(0, 2), max_size=2), points
)
items = st.lists(small_values, max_size=2).map(tuple)
records: st.SearchStrategy[r.Record] = st.one_of(
    modules,
    optimizers,
    items.map(r.sequence),
    small_values.map(r.Sequence),
    st.builds(
        r.Mapping,
        small_values | st.just(v.EMPTY),
        st.dictionaries(st.sampled_from("pq"), small_values, max_size=2).map(lambda named: tuple(named.items())),
    ),
    st.builds(r.Parameters, st.frozensets(identities, min_size=1, max_size=2)),
    powerset(GradMode).map(r.GradSwitch),
    st.just(r.Loader()),
    st.sampled_from(["scaler", "manager"]).map(r.Library),
)


@st.composite
def states(draw: st.DrawFn) -> State:
    state = State()
    state.env = dict(draw(st.dictionaries(st.sampled_from(SLOTS), small_values, max_size=3)))
    state.heap = dict(draw(st.dictionaries(sites, records, max_size=3)))
    state.attrs = dict(draw(st.dictionaries(st.tuples(sites, st.sampled_from("xy")), small_values, max_size=2)))
    state.grad = draw(powerset(GradMode))
    state.graphs = dict(draw(st.dictionaries(sites, graphs, max_size=2)))
    conditions = identities.map(lambda identity: v.just(v.Obj(identity)))
    state.facts = dict(draw(st.dictionaries(conditions, st.booleans(), max_size=2)))
    return state
