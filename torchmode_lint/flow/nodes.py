"""The nodes of trees that were given up: the whole tree comes back when one of them is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import libcst


class Holder(Protocol):
    """A code object or an event: what was lowered from a node."""

    @property
    def syntax(self) -> libcst.CSTNode | Gone: ...


class Gone:
    """Stands for every node of one file; `restore` puts the nodes back."""

    __slots__ = ("_restore",)

    def __init__(self, restore: Callable[[], None]) -> None:
        self._restore: Callable[[], None] | None = restore

    def forget(self) -> None:
        """Nothing comes back any more."""
        self._restore = None

    def back(self, holder: Holder) -> libcst.CSTNode:
        """The node that `holder` was lowered from."""
        assert self._restore is not None
        self._restore()
        found = holder.syntax
        assert not isinstance(found, Gone)
        return found
