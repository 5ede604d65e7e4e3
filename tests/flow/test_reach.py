"""Each `live(n)` of a program is reached from its entry, and no `dead(n)` is."""

from __future__ import annotations

import re

import libcst
import pytest
from graphs import all_codes, lowered, reached
from programs import PROGRAMS

from torchmode_lint.flow.events import Call

MARK = re.compile(r"\b(?:live|dead)\((\d+)\)")
LIVE = re.compile(r"\blive\((\d+)\)")


@pytest.mark.parametrize("program", PROGRAMS, ids=[" ".join(program.split())[:60] for program in PROGRAMS])
def test_live_and_dead(program: str) -> None:
    found = {
        event.node.args[0].value.value
        for code in all_codes(lowered(program))
        for block in reached(code)
        for event in block.events
        if isinstance(event, Call)
        and isinstance(event.node, libcst.Call)
        and isinstance(event.node.func, libcst.Name)
        and event.node.func.value in ("live", "dead")
        and isinstance(event.node.args[0].value, libcst.Integer)
    }
    assert found == set(LIVE.findall(program))


def test_marks_are_told_apart() -> None:
    for program in PROGRAMS:
        marks = MARK.findall(program)
        assert marks and len(marks) == len(set(marks)), program
