"""Runs the experiments: both programs of each under the monitor, their figures held against what was claimed.

A rule is confirmed when every figure lies where it was claimed beforehand, the monitor saw the rule's broken move in
the broken program and not in the good one, and the checker reports it in the one and not in the other.
"""

from __future__ import annotations

import inspect
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from torchmode_lint.config import Options
from torchmode_lint.deep import on_deep_stack
from torchmode_lint.diagnostic import Diagnostic
from torchmode_lint.engine import check_file
from torchmode_lint.examine import Loaders
from torchmode_lint.experiments import experiments
from torchmode_lint.experiments.experiment import Experiment, Figures
from torchmode_lint.experiments.facts import FACTS, Fact
from torchmode_lint.runtime.monitor import Monitor
from torchmode_lint.runtime.observed import Observed

# what the monitor cannot see, because nothing happens: a statement without an effect
_UNSEEN = {"TML501"}
_FOLDER = Path(inspect.getfile(experiments)).parent
_PACKAGE = experiments.__module__


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two programs: its figures, whether the monitor saw and the checker reports the rule, its source."""

    figures: Figures
    seen: bool
    reported: bool
    source: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """An experiment that has been run."""

    experiment: Experiment
    broken: Side
    good: Side

    @property
    def differing(self) -> list[tuple[str, float, float, bool]]:
        """What was claimed: the figure in words, its values in the broken and the good program, whether it holds."""
        broken, good = self.broken.figures, self.good.figures
        return [
            (claim.unit, float(broken[claim.figure]), float(good[claim.figure]), claim.holds(broken, good))  # type: ignore[arg-type]
            for claim in self.experiment.claims
        ]

    @property
    def confirmed(self) -> bool:
        seen = self.experiment.code in _UNSEEN or (self.broken.seen and not self.good.seen)
        reported = self.broken.reported and not self.good.reported
        return seen and reported and all(holds for *_, holds in self.differing)


@dataclass(frozen=True, slots=True)
class Measured:
    """A fact that has been measured."""

    fact: Fact
    value: float

    @property
    def holds(self) -> bool:
        return self.fact.bounds[0] <= self.value <= self.fact.bounds[1]


def outcomes(codes: set[str] | None = None) -> Iterator[Outcome]:
    """Run the experiments, or those of these rules, one after the other."""
    with tempfile.TemporaryDirectory(prefix="torchmode-lint-") as root:
        said = _Said(Path(root).resolve())
        for experiment in experiments():
            if codes is None or experiment.code in codes:
                sides = [side(experiment, run, said) for run in (experiment.broken, experiment.good)]
                yield Outcome(experiment, *sides)


def measured() -> Iterator[Measured]:
    for fact in FACTS:
        torch.manual_seed(0)
        yield Measured(fact, fact.measure())


def side(experiment: Experiment, run: Callable[[], Figures], said: _Said) -> Side:
    """One program, run from the seed 0 and checked."""
    torch.manual_seed(0)
    start = time.perf_counter()
    figures, observed = observed_run(run)
    seconds = time.perf_counter() - start
    seen = any(one.code == experiment.code for one in observed.broken)
    return Side(figures, seen, experiment.code in said.of(run), inspect.getsource(run), seconds)


def observed_run(run: Callable[[], Figures]) -> tuple[Figures, Observed]:
    """A program under the monitor."""
    monitor = Monitor(lambda path: path.startswith(str(_FOLDER)))
    with monitor:
        figures = run()
    return figures, monitor.observed()


class _Said:
    """What the checker says of the experiments' files, each checked once.

    They are checked in a copy, as a project of their own: where they are installed, torch itself is in the same folder.
    """

    def __init__(self, root: Path) -> None:
        self._copy = root / _FOLDER.parent.name / _FOLDER.name
        shutil.copytree(_FOLDER, self._copy, ignore=shutil.ignore_patterns("__pycache__"))
        self._loaders = Loaders()
        self._options = Options(project_root=root)
        self._known: dict[Path, tuple[Diagnostic, ...]] = {}

    def of(self, run: Callable[[], Figures]) -> set[str]:
        """The rules that are reported in a program, and in the functions and classes that it names."""
        named = [run, *(run.__globals__.get(name) for name in run.__code__.co_names)]
        codes = set()
        for one in named:
            if (inspect.isfunction(one) or inspect.isclass(one)) and one.__module__.startswith(_PACKAGE):
                lines, first = inspect.getsourcelines(one)
                own = range(first, first + len(lines))
                codes |= {each.code for each in self._file(Path(inspect.getfile(one))) if each.span.line in own}
        return codes

    def _file(self, path: Path) -> tuple[Diagnostic, ...]:
        if path not in self._known:
            copy = self._copy / path.name
            report = on_deep_stack(lambda: check_file(copy, self._options, self._loaders))
            self._known[path] = report.diagnostics
        return self._known[path]
