"""What an experiment is: a broken and a good program, and the figures that must differ, stated beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Figures = Mapping[str, float | list[float]]  # numbers by name; a list is a curve, for the plots


@dataclass(frozen=True, slots=True)
class Claim:
    """One figure, and between which bounds it must lie (both inclusive) in the broken and in the good program."""

    figure: str
    unit: str
    broken: tuple[float, float]
    good: tuple[float, float]

    def holds(self, broken: Figures, good: Figures) -> bool:
        return _within(broken[self.figure], self.broken) and _within(good[self.figure], self.good)


@dataclass(frozen=True, slots=True)
class Experiment:
    """Two programs that differ in one mistake. Each returns its figures, and draws from a fixed seed.

    `code` is the rule, `story` says in one line what is trained on what and what the mistake does to it.
    """

    code: str
    name: str
    story: str
    broken: Callable[[], Figures]
    good: Callable[[], Figures]
    claims: tuple[Claim, ...]


def _within(value: float | list[float], bounds: tuple[float, float]) -> bool:
    return isinstance(value, int | float) and bounds[0] <= value <= bounds[1]
