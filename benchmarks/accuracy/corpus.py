"""Precision on well-kept code: every default diagnostic has been read and has a verdict.

    python benchmarks/accuracy/corpus.py CLONES [--only ID,ID] [--jobs N]

CLONES holds git directories named OWNER+NAME/repo; `corpus.jsonl` names code bases, commits and folders.
`labels.jsonl` has the verdicts: *true* (a bug, or waste), *false*, or *intended* (it happens and is meant).
Prints, for each code base and in all, the lines of files that use torch, the diagnostics by verdict, the
precision (those that are true among those read) and the false alarms (false or intended) per 10,000 lines;
then what has no verdict yet, and verdicts on what is no longer reported. Exit 1 where one has no verdict.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from report import report_on
from repositories import clone_of, lay_out

HERE = Path(__file__).parent
Row = dict[str, Any]
Key = tuple[str, str, Any, int, str]


def main(arguments: list[str]) -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("clones", type=Path)
    ask.add_argument("--only", default="")
    ask.add_argument("--jobs", type=int, default=2)
    args = ask.parse_args(arguments)
    only = set(filter(None, args.only.split(",")))
    bases = [json.loads(line) for line in (HERE / "corpus.jsonl").read_text().splitlines()]
    bases = [base for base in bases if not only or base["id"] in only]
    labels = {key_of(label["base"], label): label for label in _lines(HERE / "labels.jsonl")}
    total: collections.Counter[str] = collections.Counter()
    print(f"{'code base':34s}{'lines':>9s}{'true':>6s}{'intended':>10s}{'false':>7s}{'unread':>8s}{'errors':>8s}")
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for base, report in zip(bases, pool.map(lambda one: checked(one, args.clones), bases), strict=True):
            print_base(base, report, labels, total)
    read = total["true"] + total["intended"] + total["false"]
    if read and total["lines"]:
        print(
            f"precision {100 * total['true'] / read:.0f}% of {read} read; "
            f"{10_000 * (read - total['true']) / total['lines']:.2f} false alarms per 10,000 lines"
        )
    return 1 if total["unread"] else 0


def print_base(base: Row, report: Row | None, labels: dict[Key, Row], total: collections.Counter[str]) -> None:
    if report is None:
        print(f"{base['id']:34s}{'no clone':>9s}")
        return
    found = {key_of(base["id"], one): one for one in report["findings"]}
    verdicts = collections.Counter(labels[key]["verdict"] if key in labels else "unread" for key in found)
    total.update(verdicts)
    total["lines"] += report["lines"]
    print(
        f"{base['id']:34s}{report['lines']:9d}{verdicts['true']:6d}{verdicts['intended']:10d}"
        f"{verdicts['false']:7d}{verdicts['unread']:8d}{len(report['errors']):8d}",
        flush=True,
    )
    for key, one in found.items():
        if key not in labels:
            print(f"  unread: {one['path']}:{one['line']}: {one['code']} {one['message']}")
    for key, label in labels.items():
        if key[0] == base["id"] and key not in found:
            print(f"  gone ({label['verdict']}): {label['path']}:{label['line']}: {label['code']}")


def checked(base: Row, clones: Path) -> Row | None:
    """The JSON report on a code base, with the lines of its files that use torch; None without a clone."""
    git = clone_of(clones, base["repo"])
    if not git.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lay_out(git, base["commit"], root)
        for part in base["exclude"]:
            shutil.rmtree(root / part, ignore_errors=True)
        report = report_on(base["folders"], root)
        report["lines"] = sum(lines_with_torch(root / part) for part in base["folders"])
        return report


def lines_with_torch(folder: Path) -> int:
    texts = (path.read_text("utf-8", "replace") for path in folder.rglob("*.py"))
    return sum(text.count("\n") for text in texts if "torch" in text)


def key_of(base: str, one: Row) -> Key:
    return (base, one["path"], one.get("cell"), one["line"], one["code"])


def _lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
