"""Commands run and measured: wall and CPU seconds, and the peak memory of the process itself."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Used:
    """What a command took: seconds of the clock, seconds of the processor with those of its children, megabytes.

    `ended`: not before its time was up.
    """

    wall: float
    cpu: float
    memory: float
    ended: bool


def run(command: list[str], environment: Mapping[str, str] | None = None, limit: float | None = None) -> Used:
    """Run a command to its end, whatever it says, or for `limit` seconds."""
    start = time.perf_counter()
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(
            command,
            stdout=nowhere,
            stderr=nowhere,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # to be stopped with its own processes
        )
        stop = threading.Timer(limit or threading.TIMEOUT_MAX, lambda: os.killpg(process.pid, signal.SIGKILL))
        stop.daemon = True
        stop.start()
        _, status, usage = os.wait4(process.pid, 0)
        stop.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Used(
        time.perf_counter() - start, usage.ru_utime + usage.ru_stime, kilobytes / 1024, status != signal.SIGKILL
    )


def printed(command: list[str]) -> float:
    """The number that a command prints."""
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def in_turns(runs: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of each, run in turns."""
    took: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, once in runs.items():
            took[name].append(once())
    return {name: statistics.median(times) for name, times in took.items()}
