"""pre-commit itself, with the hooks of this project, on a fresh repository."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from commands import BAD, GOOD, ROOT, Ended, run

PARTS = ("torchmode_lint", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml")
CONFIGURATION = """\
repos:
  - repo: {}
    rev: {}
    hooks:
      - id: torchmode-lint-fix
      - id: torchmode-lint
        args: [--output-format, concise]
"""
MODEL = """\
from torch import nn


def build():
    return nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 2))
"""
EVALUATION = """\
import torch

from model import build


def evaluate(loader):
    net = build()
    with torch.no_grad():
        return [(net(x).argmax(1) == y).sum() for x, y in loader]
"""


class Repository:
    """A repository in a folder; its hooks run in environments of their own, not in that of the tests."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.home = home
        self.skipped = ""  # hooks that are left out, by pre-commit's own variable
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> Ended:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        environment = {
            "PRE_COMMIT_HOME": str(self.home),
            "PYTHONPATH": "",
            "GIT_CONFIG_GLOBAL": "",
            "SKIP": self.skipped,
        }
        return run("git", *identity, *words, cwd=self.folder, **environment)

    def commit(self, **files: str) -> Ended:
        """Write and stage files, named without their endings, and try to commit them."""
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(text)
            self.git("add", f"{name}.py")
        return self.git("commit", "-m", "a commit")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A project that uses the hooks of a copy of this one."""
    copy, folder, home = (tmp_path_factory.mktemp(name) for name in ("hooks", "project", "home"))
    for part in PARTS:
        to = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        to(ROOT / part, copy / part)
    ours = Repository(copy, home)
    ours.git("add", ".")
    assert ours.git("commit", "-m", "the hooks").code == 0
    revision = ours.git("rev-parse", "HEAD").out.strip()
    theirs = Repository(folder, home)
    (folder / ".pre-commit-config.yaml").write_text(CONFIGURATION.format(copy, revision))
    (folder / "torchmode-lint.toml").write_text('exclude = ["generated.py"]\n')
    theirs.git("add", ".")
    assert theirs.git("commit", "-m", "the configuration").code == 0
    installed = run(
        sys.executable, "-m", "pre_commit", "install", "--install-hooks", cwd=folder, PRE_COMMIT_HOME=str(home)
    )
    assert installed.code == 0, installed.out + installed.err
    return theirs


def test_a_commit_is_refused_then_fixed_then_accepted(project: Repository) -> None:
    refused = project.commit(train=BAD)
    assert refused.code == 1
    assert "files were modified by this hook" in refused.err and "1 fixed in 1 file" in refused.err
    assert (project.folder / "train.py").read_text() == GOOD
    accepted = project.commit(train=GOOD)
    assert accepted.code == 0, accepted.err
    assert project.git("show", "HEAD:train.py").out == GOOD


def test_staged_files_are_checked_with_the_project_around_them(project: Repository) -> None:
    assert project.commit(model=MODEL).code == 0
    project.skipped = "torchmode-lint-fix"
    refused = project.commit(evaluation=EVALUATION)
    project.skipped = ""
    assert refused.code == 1 and "evaluation.py:9:18: TML101" in refused.err


def test_commits_without_python_files_and_with_excluded_ones_pass(project: Repository) -> None:
    project.git("reset", "--hard", "--quiet")
    (project.folder / "notes.txt").write_text("some notes\n")
    project.git("add", ".")
    skipped = project.commit()
    assert skipped.code == 0 and skipped.err.count("(no files to check)Skipped") == 2
    assert project.commit(generated=BAD).code == 0


def test_a_notebook_is_checked(project: Repository) -> None:
    (project.folder / "a.ipynb").write_text(
        '{"cells": [{"cell_type": "code", "source": "import torch\\ntorch.no_grad()"}]}'
    )
    project.git("add", "a.ipynb")
    refused = project.commit()
    assert refused.code == 1 and "a.ipynb:cell 0:2:1: TML501" in refused.err
