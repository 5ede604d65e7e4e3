"""What the analysis of a file may cost, in steps: events on paths. Past it there is silence, and it is counted.

A file has so many; a root has a third of what is left, so that there is always something left. A function that comes to
nothing has less, since in real programs the first forward, backward or step is near; and so has a call that names
nothing of the protocol.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchmode_lint.flow.cfg import Code

MAX_FILE_STEPS = 240_000
MIN_STEPS = 2_000  # of one root, however little is left for the file
MAX_IDLE = 8_000  # of a root that has come to no forward, backward or step yet
MAX_ASIDE = 2_000  # of a call that, with all it calls, names nothing of the protocol, until it applies a module
MAX_ASIDE_IN_ALL = 8_000  # of all calls of one such function in one root, and of one that applies a module


class OverBudget(Exception):
    """The analysis of one root costs too much: it is given up, and counted."""


class TooLong(Exception):
    """A call that names nothing of the protocol costs too much: it is taken for one that cannot be seen."""


class Budget:
    """What a file, the root under way and the call that stands aside in it have taken, and what they may take."""

    def __init__(self) -> None:
        self.spent = 0  # by the file
        self.steps = 0  # by the root
        self.calls_until = MAX_FILE_STEPS  # of the file: it then calls nothing more
        self.too_long: set[Code] = set()  # functions whose calls took too many, standing aside
        self._allowed = self._until = MAX_FILE_STEPS  # for the root, and before somebody asks again
        self._idle = False
        self._aside_from = 0
        self._aside_until: int | None = None
        self._aside: Counter[Code] = Counter()
        self._endless: set[Code] = set()  # what roots were given up in: who else calls it is given up at once
        self._fruitless: set[Code] = set()  # the same for roots that had come to nothing

    def allow(self, *, idle: bool = True) -> None:
        """The next root begins; it has less while it comes to nothing, unless that is what it is for (not `idle`)."""
        self.steps = 0
        self._allowed = self._until = max((MAX_FILE_STEPS - self.spent) // 3, MIN_STEPS)
        self._idle = idle
        if idle:
            self._until = min(self._allowed, MAX_IDLE)

    def begin(self) -> None:
        """What was taken by calls is no matter any more: another root begins, or the same once more."""
        self.steps = 0
        self.too_long.clear()
        self._aside.clear()

    def come_to_something(self) -> None:
        """The root under way has come to a move of the protocol, and so has the call that stands aside in it."""
        self._idle = False
        if self._aside_until is not None:
            self._aside_until = self._aside_from + MAX_ASIDE_IN_ALL

    def take(self, steps: int) -> None:
        """Count what is about to be interpreted. Raises OverBudget or TooLong."""
        self.steps += steps
        self.spent += steps
        if self.steps > self._until or self.spent > MAX_FILE_STEPS:
            self._ask_for_more()

    def _ask_for_more(self) -> None:
        if self.steps > self._allowed or self.spent > MAX_FILE_STEPS:
            raise OverBudget
        if self._aside_until is not None and self.steps > self._aside_until:
            raise TooLong
        if self._idle and self.steps > MAX_IDLE:
            raise OverBudget
        self._until = self._allowed if self._aside_until is None else self._aside_until

    @property
    def is_aside(self) -> bool:
        """Whether a call that stands aside is under way."""
        return self._aside_until is not None

    @contextmanager
    def aside(self, code: Code) -> Iterator[None]:
        """Around a call that stands aside, within no other. Raises TooLong."""
        self._aside_from, until = self.steps, self._until
        self._aside_until = self.steps + min(MAX_ASIDE, MAX_ASIDE_IN_ALL - self._aside[code])
        self._until = min(until, self._aside_until)
        try:
            yield
        except TooLong:
            self.too_long.add(code)
            raise
        finally:
            self._until, self._aside_until = until, None
            self._aside[code] += self.steps - self._aside_from

    def give_up(self, calls: list[tuple[int, Code]]) -> None:
        """The root is given up within some calls, the innermost last, each with the steps before it."""
        limit = MAX_IDLE if self._idle else self._allowed
        costly = [code for began, code in calls if self.steps - began > limit // 2]
        (self._fruitless if self._idle else self._endless).update(costly[-1:])  # the innermost that took most of it

    def refuses(self, code: Code, through: Iterable[Code]) -> bool:
        """Whether the root under way would be given up in a call of this, as another was; `through` led there.

        Where it has come to nothing, who else comes that way is given up where the way begins.
        """
        if self._idle and code in self._fruitless:
            self._fruitless.update(through)
            return True
        return code in self._endless
