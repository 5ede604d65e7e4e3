"""`--since`: only what the changes since a revision have introduced, wherever that shows."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from commands import BAD, FIXTURES, GOOD, SCRIPTS, Ended, inside, run, torchmode
from torchmode_lint.configuration import Configuration
from torchmode_lint.engine import FileReport, check_paths, on_deep_stack
from torchmode_lint.git import Revision
from torchmode_lint.known import places_of, sifted
from torchmode_lint.since import Since

MODEL = """\
import torch
from torch import nn


def build():
    return nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 2)){}
"""
EVALUATION = """\
import torch

from model import build


def evaluate(loader):
    net = build()
    with torch.no_grad():
        return [(net(x).argmax(1) == y).sum() for x, y in loader]
"""
EVAL = ".eval()"


def git(folder: Path, *words: str) -> None:
    run(
        "git",
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@example.org",
        "-c",
        "init.defaultBranch=main",
        *words,
        cwd=folder,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two files at a first commit, of which one has a diagnostic, and a third whose module is in eval mode."""
    (tmp_path / "old.py").write_text(BAD)
    (tmp_path / "model.py").write_text(MODEL.format(EVAL))
    (tmp_path / "evaluation.py").write_text(EVALUATION)
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    return tmp_path


def since(folder: Path, *more: str, revision: str = "HEAD", paths: str = ".", **environment: str) -> Ended:
    words = ("--isolated", "--quiet", "--output-format", "concise", "--since", revision)
    arguments = ("check", *words, *more, paths)
    return torchmode(*arguments, cwd=folder, **environment) if environment else inside(*arguments, cwd=folder)


def places(done: Ended) -> list[str]:
    return [" ".join(line.split()[:2]) for line in done.out.splitlines()]


def test_what_was_there_is_not_reported_even_in_a_file_that_changes(project: Path) -> None:
    assert places(since(project)) == []
    (project / "old.py").write_text("# a line\n" * 10 + BAD + "net.train\n")
    done = since(project)
    assert (places(done), done.code) == (["old.py:15:1: TML501"], 1)


def test_what_a_change_elsewhere_causes_is_reported(project: Path) -> None:
    (project / "model.py").write_text(MODEL.format(""))
    assert places(since(project)) == ["evaluation.py:9:18: TML101"]
    git(project, "commit", "-am", "second")
    assert places(since(project)) == []
    assert places(since(project, revision="HEAD~1", paths="evaluation.py")) == ["evaluation.py:9:18: TML101"]


def test_a_deleted_file_may_let_another_one_take_its_place(project: Path) -> None:
    (project / "model.py").write_text(MODEL.format(""))
    (project / "inner").mkdir()
    (project / "inner" / "model.py").write_text(MODEL.format(EVAL))
    git(project, "mv", "evaluation.py", "inner/evaluation.py")
    git(project, "add", ".")
    git(project, "commit", "-m", "second")
    assert places(since(project)) == []
    (project / "inner" / "model.py").unlink()
    assert places(since(project)) == ["inner/evaluation.py:9:18: TML101"]


def test_a_new_caller_is_a_cause(project: Path) -> None:
    text = "import torch\n\n\ndef evaluate(net, x):\n    with torch.no_grad():\n        return net(x).argmax(1)\n"
    (project / "helper.py").write_text(text)
    git(project, "add", ".")
    git(project, "commit", "-m", "second")
    (project / "caller.py").write_text(
        "from torch import nn\nfrom helper import evaluate\n\n"
        "net = nn.Sequential(nn.Linear(4, 4), nn.Dropout())\nnet.train()\nprint(evaluate(net, 1))\n"
    )
    assert places(torchmode("check", "--isolated", "-q", "--output-format", "concise", ".", cwd=project))[:1] != []
    found = places(since(project))
    assert found and "old.py:4:1: TML501" not in found


def test_code_that_has_moved_was_there(project: Path) -> None:
    (project / "old.py").rename(project / "renamed.py")
    assert places(since(project)) == []
    (project / "new.py").write_text(BAD)  # of two that are alike, one was there
    assert len(places(since(project))) == 1


def test_a_copy_of_what_is_still_there_is_new(project: Path) -> None:
    (project / "old.py").write_text(BAD + "x = 1\n")
    (project / "new.py").write_text(BAD)
    (project / "ignored.py").write_text(BAD)
    (project / ".gitignore").write_text("ignored.py\n")
    for paths in (".", "new.py"):
        assert places(since(project, paths=paths)) == ["new.py:4:1: TML501"]
    assert places(since(project, paths="ignored.py")) == ["ignored.py:4:1: TML501"]


def test_of_files_in_the_past_only_those_that_may_differ_are_read(project: Path) -> None:
    """Nothing of them where no Python file has changed, nor where what has changed has nothing to do with them."""
    traced = {"GIT_TRACE": str(project / "trace")}
    (project / "notes.txt").write_text("changed\n")
    assert places(since(project, **traced)) == []
    (project / "apart.py").write_text("x = 1\n")
    assert places(since(project, **traced)) == []
    assert "checkout-index" not in (project / "trace").read_text()
    (project / "old.py").write_text(BAD + "x = 1\n")
    assert places(since(project, **traced)) == []
    assert "checkout-index" in (project / "trace").read_text()


def test_a_branch_is_compared_with_what_it_forked_from(project: Path) -> None:
    git(project, "checkout", "-b", "topic")
    (project / "mine.py").write_text(BAD)
    git(project, "add", ".")
    git(project, "commit", "-m", "mine")
    git(project, "checkout", "main")
    (project / "old.py").write_text(GOOD)  # fixed there, and not here
    git(project, "commit", "-am", "theirs")
    git(project, "checkout", "topic")
    assert places(since(project, revision="main")) == ["mine.py:4:1: TML501"]


def test_a_shallow_clone_of_the_merge(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a hosted runner checks out: one commit, and the base fetched alone beside it."""
    (project / "mine.py").write_text(BAD)
    git(project, "add", ".")
    git(project, "commit", "-m", "mine")
    clone = tmp_path_factory.mktemp("clone")
    git(clone, "clone", "--depth=1", project.as_uri(), ".")
    base = run("git", "rev-parse", "HEAD~1", cwd=project).out.strip()
    assert "no revision" in since(clone, revision=base).err
    git(clone, "fetch", "--depth=1", "origin", base)
    assert places(since(clone, revision=base)) == ["mine.py:4:1: TML501"]


def test_errors_of_files_that_have_not_changed_were_there_too(project: Path) -> None:
    (project / "broken.py").write_text("(")
    assert since(project).code == 2
    git(project, "add", ".")
    git(project, "commit", "-m", "broken")
    assert since(project).code == 0
    (project / "broken.py").write_text("((")
    assert since(project).code == 2


def test_in_a_folder_of_the_repository_and_with_a_cell_of_a_notebook(project: Path) -> None:
    inner = project / "inner"
    inner.mkdir()
    (inner / "a.ipynb").write_text(
        '{"cells": [{"cell_type": "code", "source": ["import torch\\n", "torch.no_grad()"]}]}'
    )
    git(project, "add", ".")
    git(project, "commit", "-m", "a notebook")
    text = (inner / "a.ipynb").read_text()
    (inner / "a.ipynb").write_text(text.replace('no_grad()"', 'no_grad()\\n", "torch.enable_grad()"'))
    assert "torch.enable_grad" in (inner / "a.ipynb").read_text()
    assert places(since(inner, paths="a.ipynb")) == ["a.ipynb:cell 0:3:1:"]


def test_inside_a_hook_of_git(project: Path) -> None:
    (project / "old.py").write_text(BAD + "net.train\n")
    assert places(since(project, GIT_DIR=".git", GIT_INDEX_FILE=".git/index")) == ["old.py:5:1: TML501"]


@pytest.mark.parametrize("seed", range(8))
def test_it_says_what_two_whole_analyses_say(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On projects of several files with statements taken out of them, files removed and copied."""
    chance = random.Random(seed)
    now, then = tmp_path / "now", tmp_path / "then"
    for name in chance.sample(sorted(path.name for path in (FIXTURES / "projects").iterdir()), 3):
        shutil.copytree(FIXTURES / "projects" / name, now / name)
    git(now, "init")
    git(now, "add", ".")
    git(now, "commit", "-m", "then")
    shutil.copytree(now, then)
    for path in chance.sample(sorted(now.rglob("*.py")), 3):
        path.write_text(without_some_calls(path.read_text(), chance))
        if chance.random() < 0.3:
            path.rename(path.with_name("other.py")) if chance.random() < 0.5 else shutil.copy(
                path, path.parent / "copy.py"
            )
    options = Configuration(isolated=True)

    def reports(folder: Path) -> list[FileReport]:
        monkeypatch.chdir(folder)
        return on_deep_stack(lambda: list(check_paths(options.files([Path()]), options)))

    before, after = reports(then), reports(now)
    revision = Revision("HEAD", Path())
    renamed = {old: new for new, old in revision.changed.items() if old}
    known = places_of(before, lambda path: renamed.get(path, path))
    with Since(revision, options) as asked:
        found = on_deep_stack(lambda: asked.sift(after))
    assert found.reports == sifted(after, known, revision.name).reports


def without_some_calls(text: str, chance: random.Random) -> str:
    """A program with some of the statements that the protocol is about made `pass`."""
    lines = text.split("\n")
    told = [
        number for number, line in enumerate(lines) if re.match(r"\s+[\w.]+\.(eval|train|zero_grad|detach)\(", line)
    ]
    for number in chance.sample(told, min(2, len(told))):
        lines[number] = re.sub(r"\S.*", "pass", lines[number])
    return "\n".join(["# a line above", *lines])


def test_only_new_ones_are_fixed(project: Path) -> None:
    (project / "old.py").write_text(BAD + "net.train\n")
    assert since(project, "--fix").code == 0
    assert (project / "old.py").read_text() == BAD + "net.train()\n"


@pytest.mark.parametrize("revision", ["no-such", "--all", "HEAD:old.py", ""])
def test_an_unknown_revision_is_one_line_and_exit_code_2(project: Path, revision: str) -> None:
    done = since(project, revision=revision)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"git knows no revision {revision!r} here" in done.err


def test_no_repository_and_no_git(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(BAD)
    done = since(tmp_path)
    assert (done.code, done.err.count("\n")) == (2, 1) and "needs a git repository" in done.err
    done = since(tmp_path, PATH=os.fspath(SCRIPTS))
    assert (done.code, done.err) == (2, "Error: --since needs git, which is not installed\n")


def test_the_repository_stays_as_it_is(project: Path) -> None:
    (project / "old.py").write_text(BAD + "x = 1\n")
    before = subprocess.check_output(["git", "status", "--porcelain"], cwd=project)
    listed = sorted(path.name for path in (project / ".git").iterdir())
    assert since(project).code == 0
    assert subprocess.check_output(["git", "status", "--porcelain"], cwd=project) == before
    assert sorted(path.name for path in (project / ".git").iterdir()) == listed
