"""The GitHub Action, its steps run as a runner's shell runs them, on what a runner checks out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from composite import Job

from commands import BAD, GOOD, ROOT, run

UPLOAD, SET_UP = "github/codeql-action/upload-sarif@v3", "actions/setup-python@v5"


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    done = run("git", *identity, *words, cwd=folder)
    assert done.code == 0, done.err
    return done.out.strip()


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with an old diagnostic, and a pull request that adds one and is merged for the runner to look at."""
    folder = tmp_path_factory.mktemp("origin")
    git(folder, "init", "--quiet")
    (folder / "old.py").write_text(BAD)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "old")
    git(folder, "branch", "stale")
    git(folder, "checkout", "--quiet", "-b", "topic")
    (folder / "new_file.py").write_text(BAD)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "new")
    git(folder, "checkout", "--quiet", "main")
    (folder / "theirs.py").write_text(BAD)  # main has moved on meanwhile
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "theirs")
    git(folder, "checkout", "--quiet", "-b", "merge")
    git(folder, "merge", "--quiet", "--no-ff", "-m", "merge", "topic")
    git(folder, "checkout", "--quiet", "main")
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the step that installs has set, which is run once."""
    folder = tmp_path_factory.mktemp("runner")
    job = Job(folder, folder, {"github": {}}, {"PYTHONPATH": ""})
    job.run(ROOT, {"paths": "nothing-here", "since": "none"})
    assert run(job.environment["TORCHMODE_LINT"], "--version", PYTHONPATH="").code == 0, job.log
    assert SET_UP in job.used and job.failed
    return job.environment


def job_on(origin: Path, branch: str, folder: Path, installed: dict[str, str], event: dict[str, object]) -> Job:
    """A job on a shallow clone, as actions/checkout makes it."""
    workspace, temporary = folder / "workspace", folder / "temporary"
    temporary.mkdir()
    git(folder, "clone", "--quiet", "--depth=1", "--branch", branch, origin.as_uri(), str(workspace))
    job = Job(workspace, temporary, {"github": {"event": event}}, dict(installed))
    job.environment["GITHUB_SHA"] = git(workspace, "rev-parse", "HEAD")
    return job


def without_installation(folder: Path) -> Path:
    """The action without the step that installs, which has been run."""
    text = (ROOT / "action.yml").read_text()
    changed = re.sub(r'run: \|\n +"\$\{PYTHON.*?\n\n', "run: 'true'\n\n", text, flags=re.DOTALL)
    assert changed != text
    (folder / "action.yml").write_text(changed)
    return folder


def test_a_pull_request_fails_for_its_own_diagnostics(origin: Path, tmp_path: Path, installed: dict[str, str]) -> None:
    event: dict[str, object] = {"pull_request": {"base": {"sha": git(origin, "rev-parse", "stale")}}}
    job = job_on(origin, "merge", tmp_path, installed, event)
    outputs = job.run(without_installation(tmp_path), {})
    assert job.failed and outputs["exit-code"] == "1", job.log
    annotations = [line for line in job.log.splitlines() if line.startswith("::")]
    assert len(annotations) == 1 and "file=new_file.py,line=4" in annotations[0], job.log
    assert job.summary.startswith("### torchmode-lint: 1 diagnostic in 1 file\n")
    assert "| `new_file.py:4:1` | TML501 no-effect-statement | `eval` is named" in job.summary
    assert job.used[UPLOAD]["sarif_file"] == outputs["sarif"]
    (found,) = json.loads(Path(outputs["sarif"]).read_text())["runs"][0]["results"]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "new_file.py"


def test_a_head_is_compared_with_the_base_of_the_event(origin: Path, tmp_path: Path, installed: dict[str, str]) -> None:
    event: dict[str, object] = {"pull_request": {"base": {"sha": git(origin, "rev-parse", "stale")}}}
    job = job_on(origin, "topic", tmp_path, installed, event)
    job.environment["GITHUB_SHA"] = git(origin, "rev-parse", "merge")
    job.run(without_installation(tmp_path), {"annotate": "false", "summary": "false", "upload-sarif": "false"})
    assert "new_file.py:4:1" in job.log and "old.py" not in job.log, job.log
    assert (job.summary, UPLOAD in job.used) == ("", False)


def test_a_push_is_checked_as_a_whole(origin: Path, tmp_path: Path, installed: dict[str, str]) -> None:
    job = job_on(origin, "main", tmp_path, installed, {})
    job.run(without_installation(tmp_path), {"args": "--fail-on never --statistics"})
    assert not job.failed, job.log
    assert job.summary.startswith("### torchmode-lint: 2 diagnostics in 2 files\n")
    assert "     2  TML501  no-effect-statement" in job.log


def test_nothing_to_report_and_a_wrong_call(origin: Path, tmp_path: Path, installed: dict[str, str]) -> None:
    job = job_on(origin, "main", tmp_path, installed, {})
    (job.workspace / "my code.py").write_text(GOOD)
    outputs = job.run(without_installation(tmp_path), {"since": "HEAD"})
    assert (job.failed, outputs["exit-code"]) == (False, "0"), job.log
    assert job.summary == "### torchmode-lint: nothing to report\n\n3 files checked.\n"
    outputs = job.run(without_installation(tmp_path), {"since": "no-such; touch written"})
    assert (job.failed, outputs["exit-code"]) == (True, "2") and "no revision" in job.log
    assert not (job.workspace / "written").exists()
