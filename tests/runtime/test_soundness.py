"""Every mode, grad mode, gradient and graph state that the monitor observes lies inside the abstract state there.

In the fixtures, the examples and the experiments.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import runpy
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pytest

from commands import EXAMPLES, FIXTURES, ROOT
from test_fixtures_run import call, shapes
from torchmode_lint.analysis import analyse
from torchmode_lint.engine import on_deep_stack
from torchmode_lint.experiments import experiments
from torchmode_lint.protocol import Gradients, GradMode, Graph, Mode
from torchmode_lint.runtime.monitor import Monitor
from torchmode_lint.runtime.observed import Observed
from torchmode_lint.source import parse_source

FILES = sorted([*FIXTURES.glob("*/bad.py"), *FIXTURES.glob("*/good.py"), *EXAMPLES.glob("*.py")])
FILES += [Path(str(inspect.getsourcefile(each.good))) for each in experiments()]


class Abstract:
    """The states that the analysis admits, by line."""

    def __init__(self, path: Path) -> None:
        self.modes: dict[int, Mode] = defaultdict(lambda: Mode(0))
        self.grads: dict[int, GradMode] = defaultdict(lambda: GradMode(0))
        self.gradients: dict[int, Gradients] = defaultdict(lambda: Gradients(0))
        self.graphs: dict[tuple[int, int], Graph] = defaultdict(lambda: Graph(0))
        program = analyse(parse_source(path.read_bytes(), str(path)), ROOT)
        for forward in program.forwards:
            span = program.span(forward.event, forward.context)
            if span.path == str(path):
                for line in range(span.line, span.end_line + 1):
                    self.modes[line] |= forward.module.mode
                    self.grads[line] |= forward.grad
        for step in program.steps:
            span = program.span(step.event, step.context)
            for line in range(span.line, span.end_line + 1):
                self.gradients[line] |= step.optimizer.admitted
        for backward in program.backwards:
            at = program.span(backward.event, backward.context)
            for key, traced in backward.graphs:
                span = program.span(key.event, key.context)
                if at.path == span.path == str(path):
                    for line in range(span.line, span.end_line + 1):
                        self.graphs[at.line, line] |= traced.status


@cache
def observed(path: Path) -> list[tuple[str, Observed]]:
    seen = []
    for name, run in programs(path):
        monitor = Monitor(lambda file: file == str(path))
        with monitor, contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
            run()
        seen.append((name, monitor.observed()))
    return seen


def programs(path: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """What of a file can be run: the shapes of a fixture, an example as a whole, both programs of an experiment."""
    if path.parent == EXAMPLES:
        yield path.stem, partial(runpy.run_path, str(path), run_name="__main__")
        return
    for each in experiments():
        if inspect.getsourcefile(each.good) == str(path):
            yield from ((f"{path.stem} bad", each.broken), (f"{path.stem} good", each.good))
            return
    for name, function in shapes(path):
        yield name, partial(call, function)


@cache
def outside(path: Path) -> tuple[list[str], int]:
    """What was observed outside the abstract states, in words, and how many events were compared."""
    abstract = on_deep_stack(lambda: Abstract(path))
    wrong, compared = [], 0
    for name, seen in observed(path):
        for one in seen.forwards:
            line = one.chain[0].line
            modes, grads = abstract.modes[line], abstract.grads[line]
            if not modes:
                continue  # unreached, or of a module that the analysis does not know
            compared += 1
            if not (Mode.ENTRY | one.mode | one.parts) & modes:
                wrong.append(f"{name}:{line}: {one.module} is in {one.mode}, not {modes}")
            if not (GradMode.ENTRY | one.grad) & grads:
                wrong.append(f"{name}:{line}: grad mode {one.grad}, not {grads}")
        for event in seen.gradients:
            states = abstract.gradients[event.chain[0].line]
            if event.event == "step" and states and event.states is not Gradients.ENTRY:
                compared += 1
                if not (Gradients.ENTRY | event.states) & states:
                    wrong.append(f"{name}:{event.chain[0].line}: gradients {event.states}, not {states}")
        for walk in seen.walks:
            at, line = walk.chain[0].line, walk.forward[0].line
            graphs = abstract.graphs[at, line]
            if graphs:
                compared += 1
                if not walk.graph & graphs:
                    wrong.append(f"{name}:{at}: the graph from line {line} is {walk.graph}, not {graphs}")
    return wrong, compared


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_happens_is_inside_the_abstract_state(path: Path) -> None:
    assert outside(path)[0] == []


def test_most_events_are_compared() -> None:
    """Should the comparison find no places any more, nothing would be held against anything."""
    assert sum(outside(path)[1] for path in FILES) >= 400
