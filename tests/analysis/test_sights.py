"""What is shown beside lines, held against what the analysis reveals on them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commands import FIXTURES
from torchmode_lint.analysis import analyse
from torchmode_lint.analysis.program import Program
from torchmode_lint.analysis.sights import sights
from torchmode_lint.engine import on_deep_stack
from torchmode_lint.protocol import Gradients, GradMode, Mode, members
from torchmode_lint.sight import Sights
from torchmode_lint.source import parse_source, read_source

STATES = sorted(path for path in (FIXTURES / "states").glob("*.py") if path.name != "shared.py")
REVEALED = re.compile(r"reveal_state\(([\w.]*)\)  # revealed(?:-wrong)?: ([\w|]+)")
WORDS = {state.name for kind in (Mode, GradMode, Gradients) for state in kind}


def watched(path: Path, text: str | None = None) -> Program:
    source = read_source(path) if text is None else parse_source(text.encode(), path.as_posix())
    return on_deep_stack(lambda: analyse(source, path.parent, watched=True))


def known(found: Sights, path: Path, line: int, name: str) -> set[str] | None:
    """All states of a name (the grad mode has none) on a line; None where a call leaves it open."""
    states: set[str] = set()
    for at, by_call in found.items():
        if (at.path, at.line) == (path.as_posix(), line):
            for one in by_call:
                named = {"": one.grad, **dict(one.modes), **dict(one.gradients)}
                if name not in named:
                    return None
                states |= {str(state.name) for state in members(named[name])}
    return states or None


@pytest.mark.parametrize("path", STATES, ids=lambda path: path.stem)
def test_it_is_what_is_revealed_there(path: Path) -> None:
    found = sights(watched(path))
    compared = 0
    for number, line in enumerate(path.read_text().split("\n"), 1):
        revealed = REVEALED.search(line)
        if revealed is None or not (marked := set(revealed[2].split("|"))) <= WORDS:
            continue
        shown = known(found, path, number, revealed[1])
        if shown is not None:
            assert shown == marked, f"line {number}"
            compared += 1
    assert compared or path.stem == "tensors"


@pytest.mark.parametrize("path", [FIXTURES / "missing_eval/bad.py", FIXTURES / "graph_leak/bad.py"], ids=str)
def test_watching_changes_nothing_else(path: Path) -> None:
    one, other = watched(path), on_deep_stack(lambda: analyse(read_source(path), path.parent))
    assert one.seen
    assert not other.seen
    for name in ("forwards", "backwards", "steps", "kepts", "grad_reads", "degraded"):
        assert len(getattr(one, name)) == len(getattr(other, name))


TWO_CALLS = """\
import torch
from torch import nn


def measure(net, x):
    with torch.no_grad():
        return net(x)


def main(x):
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    measure(net, x)
    net.eval()
    measure(net, x)
"""


def test_each_call_brings_its_own_states(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    found = sights(watched(path, TWO_CALLS))
    on_line = {at.line: by_call for at, by_call in found.items()}
    inside = [([call.line for call in one.calls], one.grad, one.modes) for one in on_line[7]]
    assert inside == [
        ([12], GradMode.OFF, (("net", Mode.TRAIN),)),
        ([14], GradMode.OFF, (("net", Mode.EVAL),)),
    ]
    assert [one.modes for one in on_line[13]] == [(("net", Mode.TRAIN),)], "a line shows what is known before it"
    assert on_line.keys().isdisjoint({4, 5, 10}), "what defines and what is empty has no states"


def test_a_root_that_is_given_up_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchmode_lint.analysis.budget.MIN_STEPS", 0)
    monkeypatch.setattr("torchmode_lint.analysis.budget.MAX_FILE_STEPS", 60)
    program = watched(tmp_path / "a.py", TWO_CALLS)
    assert "main" in program.degraded
    assert all(at.line not in range(11, 15) for at in sights(program))
