"""Diagnostics that are known already, and what of a run's they are: those of a baseline, or of an earlier revision.

A known diagnostic stands for one of the run's with the same line in the same functions of the same file; then for one
that is so in another file, which was renamed or got the code; then for one in the same file with the same line, or in
the same function, where the function was renamed or the line rewritten. As many are left out as are known.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from torchmode_lint.engine import FileReport
from torchmode_lint.fingerprint import Traits, traits

Place: TypeAlias = "tuple[str, Traits]"  # the name of a file, and what a diagnostic in it is known by

_ROUNDS: tuple[Callable[[Place], Hashable], ...] = (
    lambda one: one,
    lambda one: one[1],
    lambda one: (one[0], one[1].code, one[1].line),
    lambda one: (one[0], one[1].code, one[1].around) if one[1].around else one,
)


@dataclass(frozen=True, slots=True)
class Sifted:
    """The reports without what is known; the places at which it is now, and what of the known is found no longer."""

    reports: tuple[FileReport, ...]
    still: Counter[Place] = field(default_factory=Counter)
    gone: Counter[Place] = field(default_factory=Counter)


def sifted(reports: Sequence[FileReport], known: Counter[Place], name: Callable[[str], str]) -> Sifted:
    """Leaves out what is known; `name` is what the files of the known places are called, of a path that is shown."""
    places = {
        (number, index): (name(report.path), one)
        for number, report in enumerate(reports)
        for index, one in enumerate(traits(report.diagnostics, report.lines))
    }
    gone = Counter(known)
    still: Counter[Place] = Counter()
    for key in _ROUNDS:
        left: dict[Hashable, list[Place]] = defaultdict(list)
        for place in sorted(gone.elements(), reverse=True):
            left[key(place)].append(place)
        for at, place in list(places.items()):
            if left.get(key(place)):
                gone[left[key(place)].pop()] -= 1
                still[place] += 1
                del places[at]
    new = tuple(
        replace(report, diagnostics=tuple(one for i, one in enumerate(report.diagnostics) if (number, i) in places))
        for number, report in enumerate(reports)
    )
    return Sifted(new, still, +gone)


def places_of(reports: Iterable[FileReport], name: Callable[[str], str]) -> Counter[Place]:
    """The places of all diagnostics of a run."""
    return Counter((name(report.path), one) for report in reports for one in traits(report.diagnostics, report.lines))
