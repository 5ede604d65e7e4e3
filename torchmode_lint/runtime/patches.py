"""Attributes that are replaced for a while, where torch offers no hook, and put back afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_ABSENT = object()


class Patches:
    """Replaced attributes and registered hooks; `undo` puts everything back, last first."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:  # noqa: ANN401 - any object
        """Put `make(what was there)` in the place of an attribute of a class or module."""
        own = vars(owner).get(name, _ABSENT)
        setattr(owner, name, make(getattr(owner, name)))
        if own is _ABSENT:  # it was inherited
            self._undo.append(lambda: delattr(owner, name))
        else:
            self._undo.append(lambda: setattr(owner, name, own))

    def hook(self, handle: Any) -> None:  # noqa: ANN401 - torch's handles of hooks
        """Remember a hook by the handle that removes it."""
        self._undo.append(handle.remove)

    def undo(self) -> None:
        while self._undo:
            self._undo.pop()()
