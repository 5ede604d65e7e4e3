"""Recall on real bugs, and silence on their fixes and on right code that resembles them.

    python benchmarks/accuracy/cases.py CLONES [--only ID,ID] [--rule NAME] [--jobs N] [--rows OUT.jsonl]

CLONES holds git directories named OWNER+NAME/repo. `cases.jsonl` states facts about public repositories:

- a *pair* is a file before and after the commit that fixed a bug in it. It is *caught* when its rule speaks
  in the function of the bug before the fix, *quiet* when it says nothing there after; *both* is what counts;
- a *look-alike* is right code that resembles a bug: quiet when the rule says nothing within two lines;
- an *open* bug stands to this day: found when the rule speaks within fifteen lines.

Cases whose model has no layer that depends on the mode change nothing today; they are tallied apart. The
checker is run on the one file with its repository around it, as an editor would run it.
"""

from __future__ import annotations

import argparse
import ast
import collections
import concurrent.futures
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from report import report_on
from repositories import clone_of, lay_out

HERE = Path(__file__).parent
KIN = {"missing-zero-grad": {"missing-zero-grad", "gradients-discarded"}}
Row = dict[str, Any]


def main(arguments: list[str]) -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("clones", type=Path)
    ask.add_argument("--only", default="")
    ask.add_argument("--rule")
    ask.add_argument("--jobs", type=int, default=2)
    ask.add_argument("--rows", type=Path, help="write what each case gave")
    args = ask.parse_args(arguments)
    cases = [json.loads(line) for line in (HERE / "cases.jsonl").read_text().splitlines()]
    only = set(filter(None, args.only.split(",")))
    cases = [c for c in cases if (not only or c["id"] in only) and args.rule in (None, c["rule"])]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        rows = list(pool.map(lambda case: judged(case, args.clones), cases))
    if args.rows:
        args.rows.write_text("".join(json.dumps(row) + "\n" for row in rows))
    print_table(cases, rows)
    return 1 if any("error" in row for row in rows) else 0


def judged(case: Row, clones: Path) -> Row:
    """What the checker says where the case is: lines before and after, or at the one commit."""
    git = clone_of(clones, case["repo"])
    row: Row = {"id": case["id"]}
    if not git.exists():
        return row | {"absent": case["repo"]}
    try:
        if case["kind"] == "pair":
            return row | {side: lines(case, git, case[side], side == "before") for side in ("before", "after")}
        return row | {"found": lines(case, git, case["commit"], False)}
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return row | {"error": f"{type(error).__name__}: {error}"[:300]}


def lines(case: Row, git: Path, commit: str, before: bool) -> list[int]:
    """The lines where the case's rule speaks, of those that count for it."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lay_out(git, commit, root)
        return sorted(one["line"] for one in counted(case, root, before))


def counted(case: Row, root: Path, before: bool) -> list[Row]:
    """The findings in a case's file below `root` that count for it."""
    accepted = KIN.get(case["rule"], {case["rule"]})
    report = report_on([case["path"]], root, timeout=600)
    if report["errors"]:
        raise ValueError(report["errors"][0]["message"])
    found = [one for one in report["findings"] if one["rule"] in accepted]
    if case["path"].endswith(".ipynb"):
        cells = {case.get("cell"), *(alt["cell"] for alt in case.get("alt_cells", []) if before)}
        found = [one for one in found if one["cell"] in cells]
    if case["kind"] == "pair" and case["path"].endswith(".ipynb"):
        return found
    if case["kind"] == "pair":
        source = (root / case["path"]).read_text("utf-8", "replace")
        first, last = span_of(source, case.get("function", ""), case["line"])
    else:
        reach = 2 if case["kind"] == "look-alike" else 15
        first, last = case["line"] - reach, case["line"] + reach
    near = case.get("alt_lines", []) if before else []
    return [one for one in found if first <= one["line"] <= last or any(abs(one["line"] - line) <= 3 for line in near)]


def span_of(source: str, function: str, line: int) -> tuple[int, int]:
    """The lines of the function of that name nearest to `line`, else of the innermost around it, else +-25."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return line - 40, line + 40
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    spans = [(n.lineno, n.end_lineno or n.lineno, n.name) for n in ast.walk(tree) if isinstance(n, kinds)]
    name = function.rpartition(".")[2].strip("<>()")
    named = [span for span in spans if span[2] == name]
    if named:
        return min(named, key=lambda s: 0 if s[0] <= line <= s[1] else min(abs(s[0] - line), abs(s[1] - line)))[:2]
    around = [span for span in spans if span[0] <= line <= span[1]]
    return max(around)[:2] if around and name != "module" else (line - 25, line + 25)


def print_table(cases: list[Row], rows: list[Row]) -> None:
    tally: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for case, row in zip(cases, rows, strict=True):
        apart = case.get("no_effect", False)
        for name in [f"{case['rule']} (no effect)"] if apart else [case["rule"], "ALL"]:
            count(tally[name], case, row)
    print(f"{'rule':32s}{'caught':>14s}{'quiet on fix':>14s}{'both':>14s}{'look-alikes quiet':>19s}{'open found':>13s}")
    for name in sorted(tally, key=lambda n: (n == "ALL", n)):
        n = tally[name]
        print(
            f"{name:32s}{share(n['caught'], n['pairs']):>14s}{share(n['quiet'], n['silent']):>14s}"
            f"{share(n['both'], n['silent']):>14s}{share(n['alike quiet'], n['alike']):>19s}"
            f"{share(n['found'], n['open']):>13s}"
        )
    for row in rows:
        if "error" in row or "absent" in row:
            print(f"{row['id']}: {row.get('error') or 'no clone of ' + row['absent']}")


def count(n: collections.Counter[str], case: Row, row: Row) -> None:
    if "error" in row or "absent" in row:
        n["not run"] += 1
    elif case["kind"] == "look-alike":
        n["alike"] += 1
        n["alike quiet"] += not row["found"]
    elif case["kind"] == "open":
        n["open"] += 1
        n["found"] += bool(row["found"])
    else:
        n["pairs"] += 1
        n["caught"] += bool(row["before"])
        if case.get("silent_after", True):
            n["silent"] += 1
            n["quiet"] += not row["after"]
            n["both"] += bool(row["before"]) and not row["after"]


def share(part: int, whole: int) -> str:
    return f"{part}/{whole} {100 * part / whole:3.0f}%" if whole else "-"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
