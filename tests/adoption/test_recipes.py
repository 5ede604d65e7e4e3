"""The recipes of docs/ci.md: they name what there is, and what they run runs."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import yaml

from commands import BAD, ROOT, SCRIPTS, run

DOCS = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")


def recipe(file: str) -> Any:  # noqa: ANN401
    """The YAML of the block that begins with the name of a file."""
    (block,) = re.findall(rf"^    # {re.escape(file)}\n((?:    .*\n|\n(?=    ))+)", DOCS, re.MULTILINE)
    return yaml.safe_load(re.sub("^    ", "", block, flags=re.MULTILINE))


def read(file: str) -> Any:  # noqa: ANN401
    return yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))


def test_the_hooks_are_those_that_there_are() -> None:
    named = [hook["id"] for repository in recipe(".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]
    assert sorted(named) == sorted(hook["id"] for hook in read(".pre-commit-hooks.yaml"))


def test_every_input_of_the_action_is_explained_with_its_default() -> None:
    (table,) = re.findall(r"\| input \| default \| \|\n\|---\|---\|---\|\n((?:\|.*\n)+)", DOCS)
    rows = [[cell.strip(" `") for cell in row.split("|")[1:3]] for row in table.splitlines()]
    assert rows == [[name, one["default"]] for name, one in read("action.yml")["inputs"].items()]
    (step,) = (one for one in recipe(".github/workflows/torchmode-lint.yml")["jobs"]["torchmode-lint"]["steps"][1:])
    assert set(step["with"]) <= set(read("action.yml")["inputs"])


def test_the_job_for_gitlab_reports_on_a_merge_request(tmp_path: Path) -> None:
    job = recipe(".gitlab-ci.yml")["torchmode-lint"]
    install, check = job["script"]
    assert install.startswith("pip install")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "old.py").write_text(BAD)
    for words in (("init",), ("add", "."), ("-c", "user.name=A", "-c", "user.email=a@b.org", "commit", "-m", "old")):
        assert run("git", *words, cwd=tmp_path).code == 0
    base = run("git", "rev-parse", "HEAD", cwd=tmp_path).out.strip()
    (tmp_path / "src" / "new.py").write_text(BAD)
    for environment, paths in (
        ({"CI_MERGE_REQUEST_DIFF_BASE_SHA": base}, ["src/new.py"]),
        ({}, ["src/new.py", "src/old.py"]),
    ):
        path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
        done = run("bash", "-eo", "pipefail", "-c", check, cwd=tmp_path, PATH=path, **environment)
        assert done.code == 1, done.err
        reports = job["artifacts"]["reports"]
        quality = json.loads((tmp_path / reports["codequality"]).read_text())
        assert [one["location"]["path"] for one in quality] == paths
        cases = ET.parse(tmp_path / reports["junit"]).getroot().iter("testcase")
        assert len([case for case in cases if case.find("failure") is not None]) == len(paths)
