"""Results that are kept: they are those of a run without a cache, whatever has changed since."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import BAD, GOOD, check, torchmode
from torchmode_lint import cache, examine
from torchmode_lint.config import Options
from torchmode_lint.contents import digest
from torchmode_lint.discovery import find_files
from torchmode_lint.engine import FileReport, check_paths, on_deep_stack
from torchmode_lint.knowledge import Knowledge

MODEL = """import torch
def restart(net):
    net.train()
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.{layer})
    def forward(self, x):
        return self.layer(x)
"""
SCRIPT = """import torch
from {module} import Net
def main(data):
    net = Net()
    with torch.no_grad():
        for x in data:
            print(net(x).argmax(1))
"""

DEFAULTS = Options()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script, the model that it imports, and a file that has to do with neither."""
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "kept"))
    root = tmp_path / "project"
    root.mkdir()
    put(root / "pyproject.toml", "")
    put(root / "model.py", MODEL.format(layer="Dropout()"))
    put(root / "script.py", SCRIPT.format(module="model"))
    put(root / "apart.py", BAD)
    monkeypatch.chdir(root)
    return root


def put(path: Path, text: str, *, age: float = 60) -> None:
    """Write a file that has been there for a while: what changes during a run is not kept."""
    path.write_text(text)
    written = path.stat().st_mtime
    os.utime(path, (written - age, written - age))


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the files that are examined."""
    names: list[str] = []
    real = examine.examine

    def counted(data: bytes, path: Path, root: Path, loaders: examine.Loaders, knowledge: Knowledge) -> object:
        names.append(path.name)
        return real(data, path, root, loaders, knowledge)

    monkeypatch.setattr(examine, "examine", counted)
    yield names


def checked(*, cached: bool = True, options: Options = DEFAULTS) -> list[FileReport]:
    return on_deep_stack(lambda: list(check_paths(find_files([Path()]), options, cached=cached)))


def test_a_second_run_examines_nothing_and_says_the_same(project: Path, examined: list[str]) -> None:
    first = checked()
    assert sorted(examined) == ["apart.py", "model.py", "script.py"]
    assert {one.path: len(one.diagnostics) for one in first} == {"apart.py": 1, "model.py": 0, "script.py": 1}
    examined.clear()
    assert checked() == first == checked(cached=False)[: len(first)]
    assert examined == ["apart.py", "model.py", "script.py"]  # by the run without a cache


def test_only_what_depends_on_an_edit_is_examined_again(project: Path, examined: list[str]) -> None:
    checked()
    examined.clear()
    put(project / "apart.py", GOOD)
    assert not checked()[0].diagnostics
    assert examined == ["apart.py"]
    examined.clear()
    put(project / "model.py", MODEL.format(layer="ReLU()"))
    assert all(not one.diagnostics for one in checked())
    assert examined == ["model.py", "script.py"]


def test_files_that_trade_what_they_hold_have_changed(project: Path, examined: list[str]) -> None:
    put(project / "script.py", SCRIPT.format(module="model") + "\nimport other\nprint(other.Net)\n")
    put(project / "other.py", MODEL.format(layer="ReLU()"))
    dropping = checked()
    one, other = (project / "model.py").read_text(), (project / "other.py").read_text()
    put(project / "model.py", other)
    put(project / "other.py", one)
    assert checked() == checked(cached=False) != dropping


def test_a_new_file_that_an_import_may_mean_counts(project: Path, examined: list[str]) -> None:
    put(project / "script.py", SCRIPT.format(module="late"))
    assert not next(one for one in checked() if one.path == "script.py").diagnostics
    put(project / "late.py", MODEL.format(layer="Dropout()"))
    examined.clear()
    assert next(one for one in checked() if one.path == "script.py").diagnostics
    assert examined == ["late.py", "script.py"]
    (project / "late.py").unlink()
    assert not next(one for one in checked() if one.path == "script.py").diagnostics


HELPER = """import torch
def evaluate(net, data):
    with torch.no_grad():
        for x in data:
            print(net(x).argmax(1))
"""
CALLER = """import torch
from {module} import evaluate
from model import Net
def main(data):
    net = Net()
    net.{mode}()
    evaluate(net, data)
"""


def test_only_files_whose_imports_may_mean_it_count_as_callers(project: Path, examined: list[str]) -> None:
    put(project / "helper.py", HELPER + "def alone(data):\n    net = torch.nn.Dropout()\n    evaluate(net, data)\n")
    put(project / "caller.py", CALLER.format(module="elsewhere", mode="train"))
    checked()
    examined.clear()
    put(project / "caller.py", CALLER.format(module="elsewhere", mode="eval"))
    checked()
    assert examined == ["caller.py"]
    examined.clear()
    put(project / "caller.py", CALLER.format(module="helper", mode="train"))
    assert checked() == checked(cached=False)
    assert examined[:2] == ["caller.py", "helper.py"]


def test_what_has_not_been_touched_is_not_opened(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settled = project / "model.py"
    later = os.stat(settled).st_ctime_ns + 3_000_000_000
    monkeypatch.setattr("time.time_ns", lambda: later)
    checked()
    opened: list[str] = []
    monkeypatch.setattr("torchmode_lint.contents.digest", lambda data: opened.append("a file") or digest(data))
    checked()
    assert opened == []
    put(settled, MODEL.format(layer="ReLU()"))
    assert all(not one.diagnostics for one in checked() if one.path == "script.py")
    assert opened


def test_what_was_written_a_moment_ago_is_opened_again(project: Path) -> None:
    checked()
    with contextlib.closing(sqlite3.connect(*cache.folder().glob("*.db"))) as connection:
        assert connection.execute("select count(*) from files where stamp is not null").fetchone() == (0,)


def test_options_choose_among_what_is_kept(project: Path, examined: list[str]) -> None:
    checked()
    examined.clear()
    assert [one.diagnostics for one in checked(options=Options(ignore=("TML",)))] == [(), (), ()]
    assert [len(one.diagnostics) for one in checked(options=Options(select=("TML101",)))] == [0, 0, 1]
    assert examined == []


def test_paths_are_shown_from_where_one_stands(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked()
    monkeypatch.chdir(project.parent)
    reports = on_deep_stack(lambda: list(check_paths(find_files([project]), Options(), cached=True)))
    assert [one.path for one in reports] == ["project/apart.py", "project/model.py", "project/script.py"]
    (found,) = reports[2].diagnostics
    assert {found.span.path, *(note.span.path for note in found.trail)} == {"project/script.py"}
    assert reports[2].lines["project/script.py"][0] == "import torch"


def test_what_another_version_kept_is_not_used(
    project: Path, examined: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked()
    examined.clear()
    monkeypatch.setattr(cache, "version", lambda: "another")
    checked()
    assert len(examined) == 3


@pytest.mark.parametrize("content", [b"", b"no database at all, but longer than the header of one" * 50])
def test_a_broken_database_is_begun_anew(project: Path, examined: list[str], content: bytes) -> None:
    first = checked()
    (database,) = cache.folder().glob("*.db")
    database.write_bytes(content)
    assert checked() == first
    examined.clear()
    assert checked() == first and examined == []


def test_a_folder_that_cannot_be_made_is_done_without(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(project.parent / "file", "")
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(project.parent / "file" / "below"))
    assert [len(one.diagnostics) for one in checked()] == [1, 0, 1]


def test_what_changes_while_it_is_read_is_not_kept(project: Path, examined: list[str]) -> None:
    put(project / "model.py", MODEL.format(layer="Dropout()"), age=-60)
    checked()
    examined.clear()
    checked()
    assert examined == ["script.py"]


def test_results_that_nobody_asks_for_are_removed(project: Path) -> None:
    checked()
    (database,) = cache.folder().glob("*.db")
    with sqlite3.connect(database) as connection:
        connection.execute("update results set used = 0 where path = 'apart.py'")
        connection.execute("delete from meta where name = 'tidied'")
    connection.close()
    (project / "apart.py").unlink()
    checked()
    with sqlite3.connect(database) as connection:
        kept = {path for (path,) in connection.execute("select path from results")}
    connection.close()
    assert kept == {"model.py", "script.py"}


def test_runs_at_the_same_time_agree(project: Path) -> None:
    results: list[list[str]] = []
    place = str(cache.folder())

    def once() -> None:
        ended = torchmode("check", ".", "--output-format", "concise", cwd=project, TORCHMODE_LINT_CACHE_DIR=place)
        results.append(ended.out.splitlines()[:2])

    threads = [threading.Thread(target=once) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3 and results[0] == results[1] == results[2] and len(results[0]) == 2


def test_what_another_run_keeps_meanwhile_is_no_trouble(project: Path) -> None:
    put(project / "third.py", SCRIPT.format(module="model"))
    early = cache.Cache(project)
    (project / "third.py").rename(project / "away")
    checked()
    script = project / "script.py"
    assert early.get(script) is not None  # it has read the numbers of all files by now
    (project / "away").rename(project / "third.py")
    put(project / "fourth.py", MODEL.format(layer="ReLU()"))
    put(project / "third.py", SCRIPT.format(module="fourth"))
    checked()
    third = project / "third.py"
    assert early.get(third) is None
    early.close()


def test_the_command_keeps_results_unless_told_not_to_and_cleans(project: Path) -> None:
    assert check(".", "--no-cache", cwd=project).code == 1
    assert not cache.folder().exists()
    first, second = check(".", cwd=project), check(".", cwd=project)
    assert first.places == second.places and len(first.places) == 2
    assert len(list(cache.folder().glob("*.db"))) == 1
    assert torchmode("clean").out.startswith("1 projects' results removed")
    assert not list(cache.folder().glob("*.db"))


def test_after_any_edits_it_says_what_a_run_without_it_says(project: Path) -> None:
    source = random.Random(7)
    bodies = [MODEL.format(layer="Dropout()"), MODEL.format(layer="ReLU()"), "from other import Net\n", BAD, "x = (\n"]
    scripts = [SCRIPT.format(module=module) for module in ("model", "other", "package.model")]
    (project / "package").mkdir()
    targets = ["model.py", "other.py", "package/__init__.py", "package/model.py", "script.py"]
    for _ in range(40):
        target = project / source.choice(targets)
        if target.exists() and source.random() < 0.2:
            target.unlink()
        else:
            put(target, source.choice(scripts if target.name == "script.py" else bodies))
        assert checked() == checked(cached=False)
