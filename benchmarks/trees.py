"""Check real trees and hold every diagnostic against the verdicts of whoever read it.

    python benchmarks/trees.py timm=FOLDER torch=FOLDER transformers=FOLDER

A FOLDER is a package's folder as its wheel holds it (unpack the wheel, or use site-packages); nothing of
it is imported. Prints files, errors, time and diagnostics by rule for each tree, and those that
`benchmarks/trees.jsonl` has no verdict on. Exit 1 where a file could not be checked or a tree's run crashed.
"""

from __future__ import annotations

import collections
import json
import subprocess
import sys
from pathlib import Path

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


def checked(folder: Path) -> dict:  # type: ignore[type-arg]
    """The JSON report on a tree; paths in it are relative to the folder's parent."""
    command = [sys.executable, "-m", "torchmode_lint", "check", folder.name, "--isolated", "--project-root", "."]
    ended = subprocess.run(
        [*command, "--output-format", "json"], cwd=folder.parent, capture_output=True, text=True, check=False
    )
    if ended.returncode not in (0, 1, 2) or not ended.stdout:
        raise SystemExit(f"the check of {folder} ended with {ended.returncode}: {ended.stderr[-500:]}")
    return json.loads(ended.stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
