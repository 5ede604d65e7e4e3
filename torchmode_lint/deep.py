"""Room for deep recursion: work done on a thread with a large stack."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_HERE = threading.local()
_STACK_BYTES = 512 * 1024 * 1024  # reserved, not used: deep nesting takes what it needs of it
_RECURSION_LIMIT = 20_000
_COLLECTIONS = (2_000_000, 20, 100)


def on_deep_stack(work: Callable[[], T]) -> T:
    """Do `work` where deeply nested code may be recursed into: on a thread with a large stack.

    The thread is a daemon, so that an interrupted run ends at once.
    """
    from concurrent.futures import Future

    outcome: Future[T] = Future()

    def run() -> None:
        _HERE.is_deep = True
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - carried to the caller, not silenced
            outcome.set_exception(error)

    limit, size = sys.getrecursionlimit(), threading.stack_size(_STACK_BYTES)
    collections = gc.get_threshold()
    sys.setrecursionlimit(max(limit, _RECURSION_LIMIT))
    collect_seldom()
    try:
        threading.Thread(target=run, name="torchmode-lint", daemon=True).start()
        return outcome.result()
    finally:
        gc.set_threshold(*collections)
        threading.stack_size(size)
        sys.setrecursionlimit(limit)


def collect_seldom() -> None:
    """Look for garbage in cycles seldom: next to nothing of an analysis is."""
    gc.set_threshold(*_COLLECTIONS)


def is_deep() -> bool:
    """Whether the thread that asks has a large stack."""
    return getattr(_HERE, "is_deep", False)
