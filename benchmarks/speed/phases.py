"""Where the time of a cold check goes: CPU seconds of each phase without those inside it.

    python benchmarks/speed/phases.py FOLDER

The folder is checked in one process without a cache. What is left over is what holds the phases together.
"""

from __future__ import annotations

import functools
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from torchmode_lint import engine, examine, source
from torchmode_lint.analysis import loader, project, roots
from torchmode_lint.api import check_paths

P = ParamSpec("P")
T = TypeVar("T")

PHASES = {
    "screen: words, and Python's parser": [(engine, "screened"), (examine, "screened")],
    "what has no root, by sketches": [(examine, "is_worth_a_look")],
    "libcst's parser": [(source, "_parse")],
    "lowering": [(source, "lower_file")],
    "finding modules, and who imports what": [(project.Project, "knows_torch"), (project.Project, "behind")],
    "bodies of imported files": [(loader.Loader, "_interpreted")],
    "bodies and functions of the files themselves": [(roots, "_round")],
    "rules and fixes": [(examine, "findings")],
}


class Clock:
    """Counts the time of nested phases, each without what is inside it."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._inside: list[str] = []
        self._since = time.process_time()

    def turn(self) -> None:
        now = time.process_time()
        self.spent[self._inside[-1] if self._inside else "all the rest"] += now - self._since
        self._since = now

    def around(self, phase: str, function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def timed(*arguments: P.args, **named: P.kwargs) -> T:
            self.turn()
            self._inside.append(phase)
            try:
                return function(*arguments, **named)
            finally:
                self.turn()
                self._inside.pop()

        return timed


def main(folder: str) -> int:
    clock = Clock()
    for phase, places in PHASES.items():
        for owner, name in places:
            setattr(owner, name, clock.around(phase, getattr(owner, name)))
    for _ in check_paths([Path(folder)], cached=False, isolated=True, project_root=Path(folder)):
        pass
    clock.turn()
    whole = sum(clock.spent.values())
    for phase, seconds in sorted(clock.spent.items(), key=lambda one: -one[1]):
        print(f"{phase:48s}{seconds:8.1f} s{100 * seconds / whole:6.0f} %")
    print(f"{'in all':48s}{whole:8.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
