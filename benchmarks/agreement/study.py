"""Checker and monitor on thousands of generated training programs: how often they agree, rule by rule.

    python benchmarks/agreement/study.py [--programs 10000] [--jobs 2] [--seed 0]

Needs torch (the extra `[runtime]`) and hypothesis (`[test]`). Each program is drawn with all its choices independent,
checked, and run under the monitor. Prints, for each rule, the programs in which it was both reported and seen, only
reported, only seen; then the share of programs on which both agree about every
rule, and the choices that the disagreements of a kind have in common. Exit 1 where a *certain* report was not seen.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import dataclasses
import random
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "runtime"))

Row = tuple[dict[str, Any], dict[str, str], list[str]]


def main(arguments: list[str]) -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--programs", type=int, default=10_000)
    ask.add_argument("--jobs", type=int, default=2)
    ask.add_argument("--seed", type=int, default=0)
    args = ask.parse_args(arguments)
    seeds = range(args.seed * args.programs, (args.seed + 1) * args.programs)
    with concurrent.futures.ProcessPoolExecutor(args.jobs) as pool:
        rows = list(pool.map(_one, seeds, chunksize=50))
    return _print(rows)


def _one(seed: int) -> Row:
    """The choices of a program, what was reported with which confidence, and what was seen."""
    import torch
    from agreement import compare
    from training_programs import Choices, program

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    of = Choices.drawn(random.Random(seed))
    found = compare(program(of))
    return dataclasses.asdict(of), {code: str(sure) for code, sure in found.reported.items()}, sorted(found.seen)


def _print(rows: list[Row]) -> int:
    codes = sorted({code for _, reported, seen in rows for code in (*reported, *seen)})
    agreeing = certain = 0
    kinds: dict[tuple[str, str], list[dict[str, Any]]] = collections.defaultdict(list)
    for choices, reported, seen in rows:
        agreeing += set(reported) == set(seen)
        for code in set(reported) ^ set(seen):
            kinds[code, "only reported" if code in reported else "only seen"].append(choices)
            certain += reported.get(code) == "certain"
    print(f"{'rule':8s}{'both':>8s}{'only reported':>16s}{'only seen':>12s}{'agreeing':>10s}")
    for code in codes:
        both = sum(code in reported and code in seen for _, reported, seen in rows)
        apart = [len(kinds[code, kind]) for kind in ("only reported", "only seen")]
        print(f"{code:8s}{both:8d}{apart[0]:16d}{apart[1]:12d}{100 * (1 - sum(apart) / len(rows)):9.2f}%")
    print(f"{agreeing} of {len(rows)} programs agree in every rule: {100 * agreeing / len(rows):.2f}%")
    print(f"{certain} reports that were certain were not seen")
    for (code, kind), choices in sorted(kinds.items()):
        if choices:
            common = {name: value for name, value in choices[0].items() if all(c[name] == value for c in choices)}
            print(f"{code} {kind}, {len(choices)} times; in all of them: {common}")
    return 1 if certain else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
