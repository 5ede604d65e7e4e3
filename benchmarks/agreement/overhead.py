"""What the monitor costs: the experiments, each program plain and watched, alternating, five times.

    python benchmarks/agreement/overhead.py [--rounds 5]

Needs the extra `[runtime]`. Prints the medians in milliseconds and their ratio for each good program, and over all.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from torchmode_lint.experiments import experiments
from torchmode_lint.runtime.laboratory import observed_run


def main(arguments: list[str]) -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rounds", type=int, default=5)
    rounds = ask.parse_args(arguments).rounds
    torch.set_num_threads(1)
    all_plain = all_watched = 0.0
    print(f"{'experiment':26s}{'plain ms':>10s}{'watched ms':>12s}{'ratio':>8s}")
    for experiment in experiments():
        times: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(rounds):
            for watched in (False, True):
                times[watched].append(_seconds(experiment.good, watched))
        plain, seen = (1000 * statistics.median(times[watched]) for watched in (False, True))
        all_plain, all_watched = all_plain + plain, all_watched + seen
        print(f"{experiment.name:26s}{plain:10.0f}{seen:12.0f}{seen / plain:8.2f}", flush=True)
    print(f"{'all':26s}{all_plain:10.0f}{all_watched:12.0f}{all_watched / all_plain:8.2f}")
    return 0


def _seconds(run: Callable[[], Any], watched: bool) -> float:
    torch.manual_seed(0)
    start = time.perf_counter()
    if watched:
        observed_run(run)
    else:
        run()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
