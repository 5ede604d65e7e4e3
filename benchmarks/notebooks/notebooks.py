"""Check public notebooks and hold every diagnostic against the verdicts of whoever read it.

    python benchmarks/notebooks/notebooks.py --mirror CLONES

CLONES holds git clones by OWNER+NAME/repo. `notebooks.jsonl` names each notebook by repository, commit and path, says
of which kind it is (course, paper, kaggle), whether it was picked unseen or for its diagnostics, and has a verdict on
each of those (true, false, arguable) with the reason. Prints notebooks and diagnostics by kind, every diagnostic
without a verdict, and every verdict without a diagnostic. Exit 1 where there are such, or where a notebook could not
be checked.
"""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ACCURACY = Path(__file__).resolve().parent.parent / "accuracy"
sys.path.insert(0, str(ACCURACY))

from repositories import clone_of  # noqa: E402

NOTEBOOKS = Path(__file__).parent / "notebooks.jsonl"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mirror", type=Path, required=True, metavar="CLONES")
    mirror: Path = parser.parse_args().mirror
    entries = [json.loads(line) for line in NOTEBOOKS.read_text().splitlines()]
    with TemporaryDirectory() as folder:
        names = [f"{number:03d}.ipynb" for number, _ in enumerate(entries)]
        for entry, name in zip(entries, names, strict=True):
            (Path(folder) / name).write_bytes(notebook_of(mirror, entry))
        report = checked(Path(folder), names)
    ok = True
    for error in report["errors"]:
        print(f"not checked: {entries[names.index(error['path'])]['path']}: {error['message']}")
        ok = False
    verdicts: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for entry, name in zip(entries, names, strict=True):
        found = {(one["code"], one["cell"], one["line"]): one for one in report["findings"] if one["path"] == name}
        known = {(one["code"], one["cell"], one["line"]): one["verdict"] for one in entry["verdicts"]}
        group = verdicts[entry["picked"], entry["kind"]]
        group["notebooks"] += 1
        group.update(known[at] for at in found if at in known)
        for code, cell, line in sorted(found.keys() ^ known.keys()):
            told = "not read" if (code, cell, line) in found else "not reported any more"
            print(f"{told}: {entry['repository']} {entry['path']}: cell {cell}, line {line}: {code}")
            ok = False
    print(f"{'picked':20s} {'kind':8s} {'notebooks':>9s} {'true':>6s} {'arguable':>9s} {'false':>6s}")
    for (picked, kind), counts in sorted(verdicts.items(), reverse=True):
        told = f"{counts['true']:6d} {counts['arguable']:9d} {counts['false']:6d}"
        print(f"{picked:20s} {kind:8s} {counts['notebooks']:9d} {told}")
    return 0 if ok else 1


def notebook_of(mirror: Path, entry: dict[str, Any]) -> bytes:
    """The bytes of a notebook. Raises `subprocess.CalledProcessError` where no clone has it."""
    git = ["git", f"--git-dir={clone_of(mirror, entry['repository'])}", "show", f"{entry['commit']}:{entry['path']}"]
    return subprocess.run(git, capture_output=True, check=True).stdout


def checked(folder: Path, names: list[str]) -> Any:  # noqa: ANN401
    """The JSON report on notebooks that stand by themselves."""
    command = [sys.executable, "-m", "torchmode_lint", "check", "--isolated", "--no-cache", "--output-format", "json"]
    done = subprocess.run([*command, "--project-root", ".", *names], cwd=folder, capture_output=True, check=False)
    if done.returncode not in (0, 1, 2):
        raise SystemExit(done.stderr.decode())
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
