"""The examples are what their page says: the right ones silent, the wrong ones reported, and all of them run."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from commands import EXAMPLES, check, run

SCRIPTS = sorted(EXAMPLES.glob("*.py"))
ROW = re.compile(r"^\| `(\w+\.py)` \| .+ \| (.+) \|$", re.MULTILINE)
WRONG = {name: set(re.findall(r"TML\d+", said)) for name, said in ROW.findall((EXAMPLES / "README.md").read_text())}


def test_the_page_lists_every_script() -> None:
    assert sorted(WRONG) == [path.name for path in SCRIPTS]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_what_is_reported_is_what_the_page_says(path: Path) -> None:
    ended = check(path)
    assert ended.document["errors"] == []
    assert {code for *_, code in ended.places} == WRONG[path.name], ended.out
    assert bool(WRONG[path.name]) == path.stem.endswith("_wrong")


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("torch", "sklearn")), reason="needs torch and scikit-learn"
)
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_runs(path: Path) -> None:
    ended = run(sys.executable, "-W", "error", path)
    assert ended.code == 0, ended.err
    assert ended.out.strip()
