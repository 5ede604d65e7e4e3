"""Files examined by the workers of a `concurrent.futures.Executor`, results streamed in the order of the files.

Processes on this machine by default; any other executor by the name of what makes it (`module:factory`), or a
scheduler of Dask by its address (`dask:ADDRESS`). Files go out in small batches, neighbours together, a bounded
number of them at a time. The files of a worker that is lost are done again.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from torchmode_lint.config import ConfigurationError
from torchmode_lint.deep import on_deep_stack
from torchmode_lint.knowledge import Knowledge
from torchmode_lint.outcome import Examination, failed

if TYPE_CHECKING:
    from torchmode_lint.examine import Loaders

_SAFE_PATH = "PYTHONSAFEPATH"

BATCH = 6
BATCHES_IN_FLIGHT = 4  # for each worker
ATTEMPTS = 3
FILES_FOR_PROCESSES = 12  # from which on other processes are worth starting

# a file and the root of its project, both absolute, and what its configuration says of names
Task: TypeAlias = "tuple[str, str, Knowledge]"
Batch: TypeAlias = "tuple[Task, ...]"


class Workers:
    """A source of executors: another one is asked for where one broke. `least` files are worth one."""

    def __init__(self, make: Callable[[], Executor], count: int, least: int = 1) -> None:
        self._make = make
        self.count = count
        self.least = least
        self._executor: Executor | None = None

    def submit(self, batch: Batch) -> Future[list[Examination]]:
        if self._executor is None:
            self._executor = self._make()
        try:
            return self._executor.submit(examined, batch)
        except BrokenExecutor:
            self.renew()
            return self._executor.submit(examined, batch)

    def renew(self) -> None:
        """Give up the executor for a new one."""
        if self._executor is not None:
            _shut(self._executor, wait=False)
        self._executor = self._make()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._executor is not None:
            _shut(self._executor, wait=exception[0] is None)


def _shut(executor: Executor, wait: bool) -> None:
    try:
        executor.shutdown(wait=wait, cancel_futures=True)
    except TypeError:  # Dask's has no such argument
        executor.shutdown(wait=wait)


def workers(name: str | None, jobs: int) -> Workers:
    """The workers that `--executor` and `--jobs` ask for. Raises ConfigurationError."""
    if name is None:
        return Workers(lambda: _processes(jobs), jobs, FILES_FOR_PROCESSES)
    kind, _, rest = name.partition(":")
    if kind == "dask" and rest:
        return Workers(lambda: _dask(rest), jobs)
    try:
        factory = getattr(importlib.import_module(kind), rest)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"no executor {name!r}: {error}") from error
    return Workers(factory, jobs)


def _processes(jobs: int) -> Executor:
    import multiprocessing
    import multiprocessing.forkserver
    from concurrent.futures import ProcessPoolExecutor

    if "forkserver" not in multiprocessing.get_all_start_methods():
        return ProcessPoolExecutor(jobs)
    context = multiprocessing.get_context("forkserver")  # this process has threads, which a fork would not have
    with _safe_path() as is_safe:
        context.set_forkserver_preload(["torchmode_lint.examine"] if is_safe else [])
        multiprocessing.forkserver.ensure_running()
    return ProcessPoolExecutor(jobs, context)


@contextmanager
def _safe_path() -> Iterator[bool]:
    """No process that is started here imports from the working directory, where what is checked lies.

    Not before Python 3.11, whose processes do until they are told where this one imports from.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield sys.version_info >= (3, 11)
    finally:
        del os.environ[_SAFE_PATH]
        if before is not None:
            os.environ[_SAFE_PATH] = before


def _dask(address: str) -> Executor:
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigurationError("dask is not installed: pip install 'torchmode-lint[dask]'") from error
    executor: Executor = Client(address, set_as_default=False).get_executor(retries=ATTEMPTS)
    return executor


def results(tasks: Iterable[Task], pool: Workers) -> Iterator[Examination]:
    """An examination for each task, in order."""
    batches = _batched(tasks)
    flying: deque[tuple[Batch, Future[list[Examination]]]] = deque()
    room = max(1, pool.count) * BATCHES_IN_FLIGHT
    while True:
        for batch in itertools.islice(batches, room - len(flying)):
            flying.append((batch, pool.submit(batch)))
        if not flying:
            return
        batch, future = flying.popleft()
        try:
            yield from future.result()
        except (BrokenExecutor, CancelledError):
            yield from _again(batch, pool)
            flying = deque((other, pool.submit(other)) for other, _ in flying)


def _again(batch: Batch, pool: Workers) -> Iterator[Examination]:
    """The files of a lost worker, one by one: what kills every worker it is given is that file's error."""
    pool.renew()
    for task in batch:
        for attempt in range(ATTEMPTS):
            try:
                yield from pool.submit((task,)).result()
                break
            except (BrokenExecutor, CancelledError):
                pool.renew()
                if attempt == ATTEMPTS - 1:
                    yield failed(Path(task[0]), "TML911", "the process that examined this file was killed")


def _batched(tasks: Iterable[Task]) -> Iterator[Batch]:
    rest = iter(tasks)
    while batch := tuple(itertools.islice(rest, BATCH)):
        yield batch


def examined(batch: Batch) -> list[Examination]:
    """What a worker does."""
    from torchmode_lint.examine import read

    loaders = _loaders()
    return on_deep_stack(lambda: [read(Path(path), Path(root), loaders, known) for path, root, known in batch])


@functools.cache
def _loaders() -> Loaders:
    """Those of this worker process, for all of its batches."""
    from torchmode_lint.examine import Loaders

    return Loaders()


def usable_cores() -> int:
    """How many processes can run at once here."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
