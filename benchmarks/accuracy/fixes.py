"""What `--fix --unsafe-fixes` makes of real bugs that are caught.

    python benchmarks/accuracy/fixes.py CLONES [--only ID,ID] [--jobs N] [--diffs FOLDER]

For the pairs of `cases.jsonl` whose bug is reported: how many of the reports have a fix; and of those, after the fixes
of the rule were applied to the file as it was before the authors' own, how many files can still be parsed, and are
silent about the rule where the bug was. `--diffs` writes, for each case, what was changed and what the authors changed
(a commit of theirs may do more), to be compared by eye; `fixes.jsonl` holds what was seen:

- *same*: the lines that the authors typed, or the same but for white space;
- *equivalent*: other lines that do what theirs do;
- *worse*: right, but no author would leave it so;
- *wrong*: the bug is still there, or something else is.
"""

from __future__ import annotations

import argparse
import ast
import collections
import concurrent.futures
import difflib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import HERE, KIN, Row, counted, share
from repositories import clone_of, lay_out


def main(arguments: list[str]) -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("clones", type=Path)
    ask.add_argument("--only", default="")
    ask.add_argument("--jobs", type=int, default=2)
    ask.add_argument("--diffs", type=Path)
    args = ask.parse_args(arguments)
    cases = [json.loads(line) for line in (HERE / "cases.jsonl").read_text().splitlines()]
    only = set(filter(None, args.only.split(",")))
    cases = [case for case in cases if case["kind"] == "pair" and (not only or case["id"] in only)]
    if args.diffs is not None:
        args.diffs.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        rows = list(pool.map(lambda case: judged(case, args.clones, args.diffs), cases))
    print_table(cases, rows)
    print_verdicts()
    return 1 if any("error" in row for row in rows) else 0


def judged(case: Row, clones: Path, diffs: Path | None) -> Row:
    """Whether a case is caught, has a fix, and is silent and well-formed once that is applied."""
    git = clone_of(clones, case["repo"])
    row: Row = {"id": case["id"]}
    if not git.exists():
        return row | {"error": f"no clone of {case['repo']}"}
    try:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            lay_out(git, case["before"], root)
            found = counted(case, root, before=True)
            row["caught"] = bool(found)
            if not found:
                return row
            path = root / case["path"]
            fixes = [one["fix"] for one in found if one["fix"] is not None]
            row["fix"] = any(fix["applicability"] != "display" for fix in fixes)
            row["safe"] = any(fix["applicability"] == "safe" for fix in fixes)
            before = path.read_text("utf-8", "replace")
            row["said"] = fix_in_place(case, root)
            after = path.read_text("utf-8", "replace")
            row["changed"] = before != after
            if diffs is not None:
                shown = [*diff(before, after), "", "--- the authors:", *theirs(case, git, before), "", row["said"]]
                (diffs / f"{case['id']}.diff").write_text("\n".join([case["why"], "", *shown]) + "\n")
            row["parses"] = parses(path, after)
            row["silent"] = row["parses"] and not counted(case, root, before=True)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return row | {"error": f"{type(error).__name__}: {error}"[:300]}
    return row


def fix_in_place(case: Row, root: Path) -> str:
    """Applies the fixes of a case's rule to its file; what the command said of it."""
    rules = ",".join(sorted(KIN.get(case["rule"], {case["rule"]})))
    command = [sys.executable, "-m", "torchmode_lint", "check", case["path"], "--project-root", ".", "--isolated"]
    command += ["--no-cache", "--fix-only", "--unsafe-fixes", "--select", rules]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=900, check=False).stderr.strip()


def parses(path: Path, text: str) -> bool:
    try:
        json.loads(text) if path.suffix == ".ipynb" else ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def theirs(case: Row, git: Path, before: str) -> list[str]:
    """What the authors changed in the file."""
    command = ["git", f"--git-dir={git}", "show", f"{case['after']}:{case['path']}"]
    shown = subprocess.run(command, capture_output=True, check=False)
    return diff(before, shown.stdout.decode("utf-8", "replace")) if shown.returncode == 0 else ["(moved)"]


def diff(before: str, after: str) -> list[str]:
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3))[2:]


def print_table(cases: list[Row], rows: list[Row]) -> None:
    tally: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for case, row in zip(cases, rows, strict=True):
        for name in (case["rule"], "ALL"):
            if row.get("caught"):
                tally[name].update(key for key in ("caught", "fix", "safe", "changed") if row.get(key))
                if row.get("changed"):
                    tally[name].update(key for key in ("parses", "silent") if row.get(key))
    print(f"{'rule':24s}{'caught':>8s}{'with a fix':>14s}{'applied':>14s}{'parses':>14s}{'silent':>14s}")
    for name in sorted(tally, key=lambda n: (n == "ALL", n)):
        n = tally[name]
        print(
            f"{name:24s}{n['caught']:>8d}{share(n['fix'], n['caught']):>14s}{share(n['changed'], n['fix']):>14s}"
            f"{share(n['parses'], n['changed']):>14s}{share(n['silent'], n['changed']):>14s}"
        )
    for row in rows:
        if "error" in row:
            print(f"{row['id']}: {row['error']}")
        elif row.get("caught") and not (row["fix"] and row["changed"] and row["silent"]):
            print(f"{row['id']}: {'not silent' if row['changed'] else 'not applied' if row['fix'] else 'no fix'}")


def print_verdicts() -> None:
    """How those that were compared by eye came out."""
    verdicts = [json.loads(line) for line in (HERE / "fixes.jsonl").read_text().splitlines()]
    n = collections.Counter(one["verdict"] for one in verdicts)
    words = ", ".join(f"{n[word]} {word}" for word in ("same", "equivalent", "worse", "wrong"))
    print(f"{len(verdicts)} compared by eye with the authors' own: {words}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
