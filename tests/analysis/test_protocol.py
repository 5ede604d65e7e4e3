"""The typestates, told as stories: what happens to one object, where that leaves it, and what it breaks."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any

import pytest

from torchmode_lint.protocol import (
    GRAD_MODE,
    GRADIENTS,
    GRAPH,
    MODE,
    Gradients,
    GradMode,
    Graph,
    Mode,
    Table,
    Truth,
    members,
)
from torchmode_lint.rules import ALL_RULES

# Before | what happens, in words, and the rule that it breaks | after
STORIES = """
gradients CLEAN |                                                                     | CLEAN
gradients CLEAN | backward                                                            | FILLED
gradients CLEAN | backward backward                                                   | FILLED
gradients CLEAN | backward step                                                       | STALE
gradients CLEAN | backward step zero                                                  | CLEAN
gradients CLEAN | backward step zero backward step                                    | STALE
gradients CLEAN | zero backward step zero backward step                               | STALE
gradients CLEAN | zero zero                                                           | CLEAN
gradients CLEAN | backward backward backward step zero                                | CLEAN
gradients CLEAN | backward step step                                                  | STALE
gradients CLEAN | step!TML303                                                         | CLEAN
gradients CLEAN | step!TML303 backward step                                           | STALE
gradients CLEAN | backward step backward                                              | MIXED
gradients CLEAN | backward step backward step!TML301                                  | STALE
gradients CLEAN | backward step backward backward step!TML301                         | STALE
gradients CLEAN | backward step backward step!TML301 backward step!TML301             | STALE
gradients CLEAN | backward step backward zero                                         | DISCARDED
gradients CLEAN | backward step backward zero backward step                           | STALE
gradients CLEAN | backward zero                                                       | DISCARDED
gradients CLEAN | backward zero zero                                                  | DISCARDED
gradients CLEAN | backward zero step!TML302                                           | CLEAN
gradients CLEAN | backward zero step!TML302 step!TML303                               | CLEAN
gradients CLEAN | backward step zero step!TML303                                      | CLEAN
gradients CLEAN | backward backward zero step!TML302                                  | CLEAN
gradients CLEAN | backward step backward zero step!TML302                             | CLEAN
gradients CLEAN | backward zero backward step                                         | STALE
gradients CLEAN | backward zero step!TML302 backward step                             | STALE
gradients ENTRY | backward                                                            | FILLED
gradients ENTRY | backward step                                                       | STALE
gradients ENTRY | step                                                                | STALE
gradients ENTRY | step backward step!TML301                                           | STALE
gradients ENTRY | zero                                                                | CLEAN
gradients ENTRY | zero step!TML303                                                    | CLEAN
gradients ENTRY | forward                                                             | ENTRY
graph     LIVE  | backward                                                            | FREED
graph     LIVE  | retaining_backward                                                  | LIVE
graph     LIVE  | retaining_backward backward                                         | FREED
graph     LIVE  | retaining_backward retaining_backward                               | LIVE
graph     LIVE  | backward backward!TML401                                            | FREED
graph     LIVE  | backward retaining_backward!TML401                                  | FREED
graph     LIVE  | retaining_backward backward backward!TML401                         | FREED
mode      TRAIN | trained_forward                                                     | TRAIN
mode      TRAIN | evaluated_forward!TML101                                            | TRAIN
mode      TRAIN | eval evaluated_forward                                              | EVAL
mode      TRAIN | eval train evaluated_forward!TML101                                 | TRAIN
mode      TRAIN | eval trained_forward!TML102                                         | EVAL
mode      TRAIN | eval eval train train trained_forward                               | TRAIN
mode      EVAL  | train eval evaluated_forward                                        | EVAL
mode      ENTRY | evaluated_forward                                                   | ENTRY
mode      ENTRY | trained_forward                                                     | ENTRY
mode      ENTRY | eval trained_forward!TML102                                         | EVAL
mode      ENTRY | train evaluated_forward!TML101                                      | TRAIN
grad_mode ON    | evaluated_forward!TML201                                            | ON
grad_mode ON    | disable evaluated_forward                                           | OFF
grad_mode ON    | disable enable evaluated_forward!TML201                             | ON
grad_mode OFF   | evaluated_forward                                                   | OFF
grad_mode OFF   | disable                                                             | OFF
grad_mode ENTRY | evaluated_forward                                                   | ENTRY
grad_mode ENTRY | enable evaluated_forward!TML201                                     | ON
grad_mode ENTRY | disable evaluated_forward                                           | OFF
"""

KINDS: dict[str, tuple[Table[Any], type[enum.Flag]]] = {
    "mode": (MODE, Mode),
    "grad_mode": (GRAD_MODE, GradMode),
    "gradients": (GRADIENTS, Gradients),
    "graph": (GRAPH, Graph),
}
ROWS = [tuple(cell.strip() for cell in line.split("|")) for line in STORIES.strip().split("\n")]


def told(events: str) -> Iterator[tuple[str, str | None]]:
    """Each event with the rule that it breaks."""
    for word in events.split():
        event, _, broken = word.partition("!")
        yield event.replace("_", " "), broken or None


@pytest.mark.parametrize(("before", "events", "after"), ROWS, ids=["-".join(row[:2]) for row in ROWS])
def test_a_story_ends_as_told_and_breaks_what_it_says(before: str, events: str, after: str) -> None:
    kind, name = before.split()
    table, states = KINDS[kind]
    state = states[name]
    for event, broken in told(events):
        assert table.may_break(state, event) == broken, event
        assert table.must_break(state, event) is (broken is not None), event
        state = table.step(state, event)
    assert state is states[after]


@pytest.mark.parametrize("kind", KINDS)
def test_stories_are_told_of_every_move_and_of_every_broken_one(kind: str) -> None:
    table, states = KINDS[kind]
    moves: set[tuple[enum.Flag, str]] = set()
    for before, events, _ in ROWS:
        if before.split()[0] == kind:
            state = states[before.split()[1]]
            for event, _ in told(events):
                moves.add((state, event))
                state = table.step(state, event)
    assert table.moves.keys() | table.broken.keys() <= moves


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_caller_had_breaks_nothing(kind: str) -> None:
    table, states = KINDS[kind]
    entry = states.__members__.get("ENTRY")
    assert all(state is not entry for state, _ in table.broken)


@pytest.mark.parametrize("kind", KINDS)
def test_tables_move_single_states_and_name_rules_that_there_are(kind: str) -> None:
    table, states = KINDS[kind]
    single = set(members(~states(0)))
    assert {state for state, _ in table.moves} | set(table.moves.values()) | {
        state for state, _ in table.broken
    } <= single
    assert set(table.broken.values()) <= {rule.code for rule in ALL_RULES}


def test_what_may_break_need_not() -> None:
    either = Gradients.MIXED | Gradients.FILLED
    assert GRADIENTS.may_break(either, "step") == "TML301"
    assert not GRADIENTS.must_break(either, "step")
    assert GRADIENTS.may_break(Gradients.FILLED, "step") is None
    assert GRADIENTS.step(either, "step") is Gradients.STALE
    assert GRAPH.step(Graph.LIVE | Graph.FREED, "backward") is Graph.FREED


def test_the_members_of_a_set_come_in_order_of_definition() -> None:
    assert members(Gradients.STALE | Gradients.CLEAN) == (Gradients.CLEAN, Gradients.STALE)
    assert members(Mode(0)) == ()
    assert members(Truth.MAYBE) == (Truth.NO, Truth.YES)
