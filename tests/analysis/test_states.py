"""Programs that show their abstract state: what `# revealed:` says on each line is what the analysis knows there.

Where torch is installed, the programs also run, and what they show lies inside what is marked.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from commands import FIXTURES
from markers import Kind, Marker, parse_markers
from torchmode_lint.analysis import analyse
from torchmode_lint.engine import on_deep_stack
from torchmode_lint.source import read_source

FOLDER = FIXTURES / "states"
WRONG = FOLDER / "known_wrong.py"
FILES = sorted(path for path in FOLDER.glob("*.py") if path.name != "shared.py")
NOWHERE = frozenset({"UNREACHED"})


def reveal_lines(text: str) -> set[int]:
    """The lines with a call of `reveal_state`."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return {node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "reveal_state"}


@cache
def revealed(path: Path) -> dict[int, frozenset[str]]:
    """By line, every state that is observed there."""
    program = on_deep_stack(lambda: analyse(read_source(path), path.parent, watched=True))
    assert program.degraded == []
    states = dict.fromkeys(reveal_lines(path.read_text()), NOWHERE)
    for reveal in program.reveals:
        if program.here(reveal.context):
            line = program.span(reveal.event, reveal.context).line
            states[line] = (states[line] - NOWHERE) | reveal.states
    return states


def markers_of(path: Path) -> dict[int, Marker]:
    return {marker.line: marker for marker in parse_markers(path.read_text())}


def right(path: Path, marker: Marker) -> frozenset[str]:
    """The states that would be right; of a marker of what is wrong, the comment above it says them."""
    if marker.kind is Kind.REVEALED:
        return marker.states
    above = path.read_text().split("\n")[marker.line - 2].strip()
    assert above.startswith("# "), f"line {marker.line - 1}"
    return frozenset(above[2:].split(":")[0].split("|"))


def words(states: frozenset[str]) -> str:
    return "|".join(sorted(states))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_state_on_a_line_is_what_its_marker_says(path: Path) -> None:
    markers, states = markers_of(path), revealed(path)
    assert markers.keys() == states.keys(), "each line that reveals a state has a marker, and no other line has"
    differences = [
        f"{path.name}:{line}: {words(states[line])}, and not {words(marker.states)} any more"
        for line, marker in markers.items()
        if states[line] != marker.states
    ]
    assert not differences, "\n".join(differences)


def test_what_is_known_to_be_wrong_is_in_its_own_file_with_what_would_be_right() -> None:
    for path in FILES:
        kind = Kind.REVEALED_WRONG if path == WRONG else Kind.REVEALED
        assert {marker.kind for marker in markers_of(path).values()} == {kind}
    for line, marker in markers_of(WRONG).items():
        assert right(WRONG, marker) != marker.states, f"line {line}"


def test_there_are_many() -> None:
    """Should the way of finding them break, nothing would be compared."""
    assert sum(len(markers_of(path)) for path in FILES) >= 300


@pytest.mark.parametrize(
    "line",
    [
        "reveal_state(net)  # revealed TRAIN",
        "reveal_state(net)  # revealed: ",
        "reveal_state(net)  # revealed: TRAIN EVAL",
        "reveal_state(net)  # revealed: TRAIN|",
        "reveal_state(net)  # revealed-wrong:TRAIN",
        "reveal_state(net)  # revealed: TRAIN  # error: TML101",
    ],
)
def test_a_reveal_marker_that_is_not_one_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        parse_markers(line)


def test_the_words_of_a_reveal_marker_have_no_order() -> None:
    one, two = parse_markers("a  # revealed: B|'c'\nd  # revealed-wrong: 'c'|B")
    assert one == Marker(1, Kind.REVEALED, states=frozenset({"B", "'c'"}))
    assert (two.kind, two.states) == (Kind.REVEALED_WRONG, one.states)


# --- the same programs on real torch -------------------------------------------------------------------


def shown(torch: Any, arguments: tuple[object, ...]) -> frozenset[str]:  # noqa: ANN401 - torch is not typed here
    """What is true of a live object, in the words of the markers; no words where they would need a history."""
    if not arguments:
        return frozenset({"ON" if torch.is_grad_enabled() else "OFF"})
    (value,) = arguments
    match value:
        case torch.nn.Module():
            return frozenset({"TRAIN" if value.training else "EVAL"})
        case torch.Tensor():
            grad = "GRAD" if value.requires_grad else "NOGRAD"
            return frozenset({"LEAF" if value.is_leaf else "NONLEAF", grad})
        case bool() | int() | float() | str() | None:
            return frozenset({repr(value)})
        case _:
            return frozenset()


OPPOSITE = {"LEAF": "NONLEAF", "NONLEAF": "LEAF", "GRAD": "NOGRAD", "NOGRAD": "GRAD"}


def admits(marked: frozenset[str], seen: frozenset[str]) -> bool:
    """Whether what a program showed is one of the possible states of a marker."""
    if marked & {"ENTRY", "UNKNOWN", "TENSOR"}:
        return True
    if seen & OPPOSITE.keys():
        return not any(OPPOSITE[word] in marked and word not in marked for word in seen)
    return seen <= marked


def runs(module: dict[str, Any], name: str, given: dict[str, tuple[object, ...]]) -> Iterator[Callable[[], object]]:
    """The programs of a file, with every choice of arguments; those that take others are run by a program."""
    for function in list(module.values()):
        if inspect.isfunction(function) and function.__module__ == name and not inspect.iscoroutinefunction(function):
            parameters = inspect.signature(function).parameters
            if parameters.keys() <= given.keys():
                for values in itertools.product(*(given[parameter] for parameter in parameters)):
                    yield functools.partial(function, *values)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_torch_shows_lies_inside_what_would_be_right(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    states = {line: right(path, marker) for line, marker in markers_of(path).items()}
    outside = set()

    def reveal_state(*arguments: object) -> None:
        line = sys._getframe(1).f_lineno
        seen = shown(torch, arguments)
        if not admits(states[line], seen):
            outside.add(f"{path.name}:{line}: torch shows {words(seen)}, marked {words(states[line])}")

    monkeypatch.syspath_prepend(FOLDER)
    module: dict[str, Any] = {"__name__": f"states_{path.stem}", "reveal_state": reveal_state}
    exec(compile(path.read_text(), str(path), "exec"), module)
    given: dict[str, tuple[object, ...]] = {
        **dict.fromkeys(("flag", "train", "a", "b", "small", "several", "wanted"), (True, False)),
        **dict.fromkeys(("stage", "name"), ("train", "val", "small", "sgd")),
        "loader": ([torch.randn(1, 2) for _ in range(3)],),
        "path": ("no such file", ""),
        "index": (0, 1),
    }
    count = 0
    for program in runs(module, module["__name__"], given):
        torch.set_grad_enabled(True)
        with contextlib.suppress(OSError, AssertionError, RuntimeError, ValueError):  # no GPU, no file of weights
            program()
        count += 1
    torch.set_grad_enabled(True)
    assert not outside, "\n".join(sorted(outside))
    assert count >= 10
