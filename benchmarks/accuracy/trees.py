"""Check real trees and hold every diagnostic against the verdicts of whoever read it.

    python benchmarks/accuracy/trees.py timm=FOLDER torch=FOLDER transformers=FOLDER

A FOLDER is a package's folder as its wheel holds it (unpack the wheel, or use site-packages); nothing of
it is imported. Prints files, errors, time and diagnostics by rule for each tree, and those that
`benchmarks/accuracy/trees.jsonl` has no verdict on. A tree is checked in two processes, half of its files each.
Exit 1 where a file could not be checked or a tree's run crashed.
"""

from __future__ import annotations

import collections
import concurrent.futures
import json
import sys
from pathlib import Path
from typing import Any

from report import report_on

Report = dict[str, Any]
LABELS = Path(__file__).parent / "trees.jsonl"


def main(arguments: list[str]) -> int:
    known = {
        (label["tree"], label["path"], label["line"], label["code"]): label["verdict"]
        for label in map(json.loads, LABELS.read_text().splitlines())
    }
    failed = False
    print(f"{'tree':14s} {'files':>6s} {'analysed':>9s} {'errors':>7s} {'seconds':>8s}  diagnostics")
    for argument in arguments:
        name, _, folder = argument.partition("=")
        report = checked(Path(folder))
        stats = report["stats"]
        rules = collections.Counter(f["code"] for f in report["findings"])
        shown = " ".join(f"{code}:{count}" for code, count in sorted(rules.items())) or "none"
        print(
            f"{name:14s} {stats['files']:6d} {stats['analysed']:9d} {len(report['errors']):7d} "
            f"{stats['seconds']:8.0f}  {shown}"
        )
        failed = failed or bool(report["errors"])
        verdicts: collections.Counter[str] = collections.Counter()
        for finding in report["findings"]:
            verdict = known.get((name, finding["path"], finding["line"], finding["code"]))
            verdicts[verdict or "not read"] += 1
            if verdict is None:
                print(f"  not read: {finding['path']}:{finding['line']}: {finding['code']} {finding['message']}")
        print("  " + ", ".join(f"{verdict}: {count}" for verdict, count in sorted(verdicts.items())))
    return 1 if failed else 0


def checked(folder: Path) -> Report:
    """The JSON reports on the two halves of a tree as one; paths in it are relative to the folder's parent."""
    files = sorted(path.relative_to(folder.parent).as_posix() for path in folder.rglob("*.py"))
    halves = [files[: len(files) // 2], files[len(files) // 2 :]]
    with concurrent.futures.ThreadPoolExecutor(len(halves)) as pool:
        reports = list(pool.map(lambda half: report_on(half, folder.parent), halves))
    stats = {name: sum(report["stats"][name] for report in reports) for name in ("files", "analysed")}
    stats["seconds"] = max(report["stats"]["seconds"] for report in reports)
    whole: Report = {name: [one for report in reports for one in report[name]] for name in ("findings", "errors")}
    return whole | {"stats": stats}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
