"""Workers: the same reports as without them, in the same order, whatever becomes of the workers."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any

import pytest

from commands import BAD, EXAMPLES, FIXTURES, check, torchmode
from torchmode_lint.config import ConfigurationError, Options
from torchmode_lint.discovery import Found, find_files
from torchmode_lint.engine import FileReport, check_paths, on_deep_stack
from torchmode_lint.parallel import Workers, workers

FILES = [*find_files([EXAMPLES]), *find_files([FIXTURES / "missing_eval"]), Found(Path("missing.py"))] * 2


@pytest.fixture(scope="module")
def alone() -> list[FileReport]:
    return on_deep_stack(lambda: list(check_paths(FILES, Options())))


class Unsteady(Executor):
    """Does in this process what it is given, and breaks at every third batch."""

    asked = 0

    def submit(self, call: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:  # noqa: ANN401
        future: Future[Any] = Future()
        Unsteady.asked += 1
        if Unsteady.asked % 3 == 0:
            future.set_exception(BrokenExecutor("gone"))
        else:
            future.set_result(call(*given, **named))
        return future


class Dead(Executor):
    """Never comes to an end with anything."""

    def submit(self, call: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:  # noqa: ANN401
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor("gone"))
        return future


def test_processes_report_as_one_does_and_a_lost_one_is_made_up_for(alone: list[FileReport]) -> None:
    reports: list[FileReport] = []
    with workers(None, 2) as pool:
        for report in check_paths(FILES, Options(), workers=pool):
            if not reports:
                victim = next(iter(pool._executor._processes))  # type: ignore[union-attr]
                os.kill(victim, signal.SIGKILL)
            reports.append(report)
    assert reports == alone


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 starts processes that import from where they are")
def test_no_process_imports_what_is_checked(tmp_path: Path) -> None:
    """Not even where it bears the name of a module that the processes themselves begin with."""
    for name in ("ast", "concurrent", "logging", "random", "signal", "string", "symtable", "threading", "typing"):
        (tmp_path / f"{name}.py").write_text(f"open('{name}.imported', 'w').close()\n{BAD}")
    for number in range(30):
        (tmp_path / f"more{number}.py").write_text(BAD)
    assert len(check(".", "--jobs", "2", "--no-cache", cwd=tmp_path).places) == 39
    assert not list(tmp_path.glob("*.imported"))


def test_an_executor_by_name_that_breaks_again_and_again(alone: list[FileReport]) -> None:
    with workers(f"{__name__}:Unsteady", 2) as pool:
        assert list(check_paths(FILES, Options(), workers=pool)) == alone


def test_what_no_worker_survives_is_an_error_of_that_file(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(BAD)
    (report,) = check_paths([Found(tmp_path / "a.py")], Options(), workers=Workers(Dead, 1))
    (error,) = report.errors
    assert error.code == "TML911" and "was killed" in error.message


@pytest.mark.parametrize("name", ["no.such.module:x", "os:no_such_name", "os", "dask:"])
def test_an_executor_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="no executor"):
        workers(name, 1)


def test_shards_together_are_the_whole(tmp_path: Path) -> None:
    whole = check("examples", "--no-cache")
    parts = []
    for part in (1, 2, 3):
        ended = check("examples", "--no-cache", "--jobs", "2", "--shard", f"{part}/3")
        parts.append(tmp_path / f"{part}.json")
        parts[-1].write_text(ended.out)
    merged = torchmode("merge", *parts)
    one, other = whole.document, json.loads(merged.out)
    assert one["stats"].pop("seconds") > 0 and other["stats"].pop("seconds") > 0
    assert merged.code == whole.code == 1 and other == one


@pytest.mark.parametrize("shard", ["0/2", "3/2", "2", "a/b", "1/0"])
def test_a_shard_that_is_none_is_refused(shard: str) -> None:
    assert check("examples", "--shard", shard).code == 2


def test_what_is_no_report_cannot_be_merged(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    assert torchmode("merge", tmp_path / "a.json").code == 2
