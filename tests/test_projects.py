"""Projects of several files: what is reported in each, and that it is the same whoever asks.

A file checked alone inside its project, by the command or by the plugin, gives what a run over the whole
project gives for it, in whatever order the files come.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import FIXTURES
from markers import parse_markers
from test_fixtures import differences
from torchmode_lint.analysis import loader
from torchmode_lint.config import Options
from torchmode_lint.discovery import Found
from torchmode_lint.engine import FileReport, check_bytes, check_file, check_paths, on_deep_stack

PROJECTS = sorted(path for path in (FIXTURES / "projects").iterdir() if path.is_dir())


def files_of(project: Path) -> list[Path]:
    return sorted(project.rglob("*.py"))


def options(project: Path) -> Options:
    return Options(project_root=project)


def run(project: Path, files: list[Path]) -> dict[str, FileReport]:
    reports = on_deep_stack(lambda: list(check_paths([Found(path) for path in files], options(project))))
    return {report.path: report for report in reports}


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_what_is_marked_is_reported_and_nothing_else(project: Path) -> None:
    files = files_of(project)
    wrong = []
    for path, report in zip(files, run(project, files).values(), strict=True):
        assert not report.errors
        found = differences(parse_markers(path.read_text()), list(report.diagnostics))
        wrong += [f"{path.relative_to(project)}:{text}" for text in found]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_the_answer_is_the_same_alone_together_and_in_any_order(project: Path) -> None:
    files = files_of(project)
    together = run(project, files)
    assert run(project, files[::-1]) == together
    for path in files:
        alone = on_deep_stack(lambda path=path: check_file(path, options(project)))
        assert alone == together[alone.path]
        plugin = on_deep_stack(lambda path=path: check_bytes(path.read_bytes(), path, options(project), suppress=False))
        assert plugin == alone


def test_there_are_at_least_five_projects_and_bugs_in_most_of_them() -> None:
    assert len(PROJECTS) >= 5
    marked = [project for project in PROJECTS if any(parse_markers(path.read_text()) for path in files_of(project))]
    assert len(marked) >= 5


def test_a_run_that_forgets_between_files_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    project = FIXTURES / "projects" / "called_from_elsewhere"
    together = run(project, files_of(project))
    monkeypatch.setattr(loader, "MAX_KEPT", 0)
    assert run(project, files_of(project)) == together


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_what_was_examined_may_be_given_up_at_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = run(project, files_of(project))
    monkeypatch.setattr(loader, "MAX_LEFT", 0)
    assert run(project, files_of(project)) == together
    assert run(project, files_of(project)[::-1]) == together


def test_the_files_of_a_cycle_are_given_up_and_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.py").write_text(
        "import torch\nfrom torch import nn\n\nfrom b import Base\n\nSIZE = 3\n\n\nclass Net(Base):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.body = nn.Sequential(nn.Linear(SIZE, SIZE), nn.Dropout())\n\n"
        "    def forward(self, x):\n        return self.body(x)\n\n\n"
        "def train(x):\n    net = Net()\n    net.train()\n    net(x).sum().backward()\n"
    )
    (tmp_path / "b.py").write_text(
        "import torch\nfrom torch import nn\n\nimport a\n\n\nclass Base(nn.Module):\n    width = a.SIZE + 1\n\n\n"
        "def make():\n    net = a.Net()\n    net.train()\n    return net\n"
    )
    for name in "cde":
        (tmp_path / f"{name}.py").write_text(
            "import torch\n\nfrom b import make\n\n\ndef evaluate(loader):\n    net = make()\n    right = 0\n"
            "    with torch.no_grad():\n        for x, y in loader:\n"
            "            right += (net(x).argmax(1) == y).sum().item()\n    return right\n"
        )
    monkeypatch.setattr(loader, "MAX_LEFT", 0)
    for files in (files_of(tmp_path), files_of(tmp_path)[::-1]):
        found = {one.code for report in run(tmp_path, files).values() for one in report.diagnostics}
        assert found == {"TML101"}
        assert sum(bool(report.diagnostics) for report in run(tmp_path, files).values()) == 3
