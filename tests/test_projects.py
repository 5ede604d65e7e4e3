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
from torchmode_lint.analysis.project import Project
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


@pytest.mark.parametrize("imported", [False, True])
def test_only_what_nobody_has_imported_is_taken_apart(
    imported: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was imported in a cycle is not kept as such, but others may hold what it defines."""
    path = tmp_path / "a.py"
    path.write_text("def f():\n    return 1\n")
    monkeypatch.setattr(loader, "MAX_LEFT", 0)
    used = loader.Loader(Project(tmp_path))
    source = used.project.read(path)
    assert source is not None and [code.name for code in source.code.codes] == ["f"]
    if imported:
        used.load(path)
        del used.files[path]  # as in a cycle
    used.leave(path)
    assert path not in used.project.sources
    assert bool(source.code.codes) is imported
