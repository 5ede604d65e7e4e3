"""Where in the user's code an event happens: the calls that led to it, innermost first.

Only files that the caller names as the user's own count; torch, other packages and ourselves do not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

_DEPTH = 16  # calls that are kept of a chain


class Place(NamedTuple):
    """A line of the user's code in a function of the given qualified name; lines count from 1."""

    path: str
    line: int
    function: str


Chain = tuple[Place, ...]


class Places:
    """The user's files, told apart from all others by `own`, which is asked once for each file name."""

    def __init__(self, own: Callable[[str], bool]) -> None:
        self._own = own
        self._known: dict[str, bool] = {}
        self.at = 0  # the instruction of the innermost call, when `here` was last asked

    def is_own(self, path: str) -> bool:
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._own(path)
        return known

    def here(self) -> Chain:
        """The calls of the user's code that are under way, innermost first."""
        chain: list[Place] = []
        frame = sys._getframe(1)
        while frame is not None and len(chain) < _DEPTH:
            code = frame.f_code
            if self.is_own(code.co_filename):
                if not chain:
                    self.at = frame.f_lasti
                name = getattr(code, "co_qualname", code.co_name)  # from Python 3.11 on with its class
                chain.append(Place(code.co_filename, frame.f_lineno, name))
            frame = frame.f_back  # type: ignore[assignment]
        return tuple(chain)
