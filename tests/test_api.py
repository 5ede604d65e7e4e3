"""The public interface: what the command says, as values, and what importing it costs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import torchmode_lint
from commands import BAD, EXAMPLES, GOOD, ROOT, check, run
from torchmode_lint.api import Asked
from torchmode_lint.configuration import OPTIONS
from torchmode_lint.report import json as json_report


def test_a_text_is_checked_as_if_it_stood_in_a_file() -> None:
    report = torchmode_lint.check_source(BAD, path="train.py", isolated=True)
    assert (report.path, report.state, report.errors) == ("train.py", torchmode_lint.State.ANALYSED, ())
    (found,) = report.diagnostics
    assert (found.code, found.rule, found.span.line, found.span.column) == ("TML501", "no-effect-statement", 4, 1)
    assert found.confidence is torchmode_lint.Confidence.CERTAIN
    assert found.fix is not None and found.fix.applicability is torchmode_lint.Applicability.SAFE
    assert torchmode_lint.check_source(GOOD.encode(), isolated=True).diagnostics == ()


def test_what_cannot_be_parsed_is_an_error_of_its_report() -> None:
    report = torchmode_lint.check_source("import torch\n(", isolated=True)
    assert report.state is torchmode_lint.State.FAILED
    assert [one.code for one in report.errors] == ["TML902"]


def test_a_notebook_is_known_by_its_path() -> None:
    text = json.dumps({"cells": [{"cell_type": "code", "source": BAD}]})
    (found,) = torchmode_lint.check_source(text, path="a.ipynb", isolated=True).diagnostics
    assert (found.span.cell, found.span.line) == (0, 4)


def test_paths_give_what_the_command_gives() -> None:
    theirs = check(EXAMPLES).document["findings"]
    found = [one for report in torchmode_lint.check_paths([EXAMPLES], isolated=True) for one in report.diagnostics]
    own = [(os.path.abspath(one.span.path), one.span.line, one.code, one.message) for one in found]
    assert own == [(str(ROOT / one["path"]), one["line"], one["code"], one["message"]) for one in theirs]
    assert own


def test_the_projects_configuration_counts_and_options_win_over_it(tmp_path: Path) -> None:
    (tmp_path / "torchmode-lint.toml").write_text('ignore = ["TML5"]\nextend-exclude = ["old"]\n')
    (tmp_path / "old").mkdir()
    for path in (tmp_path / "a.py", tmp_path / "old" / "b.py"):
        path.write_text(BAD)
    (report,) = torchmode_lint.check_paths([str(tmp_path)], cached=False)
    assert report.diagnostics == () and Path(report.path).name == "a.py"
    assert torchmode_lint.check_source(BAD, path=tmp_path / "new.py").diagnostics == ()
    assert torchmode_lint.check_source(BAD, path=tmp_path / "new.py", ignore=()).diagnostics != ()
    assert torchmode_lint.check_source(BAD, path=tmp_path / "new.py", isolated=True).diagnostics != ()


def test_wrong_options_are_errors() -> None:
    with pytest.raises(torchmode_lint.ConfigurationError, match=r"select: unknown rule 'TLM1'"):
        torchmode_lint.check_source(BAD, select=["TLM1"])
    with pytest.raises(TypeError, match="no such option: selects"):
        torchmode_lint.check_source(BAD, selects=["TML1"])  # type: ignore[call-arg]


def test_each_option_of_the_configuration_is_a_keyword() -> None:
    files = {one.name.replace("-", "_") for one in OPTIONS} - {"extend"}
    assert Asked.__annotations__.keys() == files | {"config", "isolated"}


def test_the_package_offers_what_it_says_and_imports_none_of_it_at_first() -> None:
    assert set(torchmode_lint.__all__) <= set(dir(torchmode_lint))
    assert all(hasattr(torchmode_lint, name) for name in torchmode_lint.__all__)
    assert not hasattr(torchmode_lint, "check_nothing")
    code = "import sys, torchmode_lint; sys.exit(any(name.startswith('torchmode_lint.') for name in sys.modules))"
    assert run(sys.executable, "-c", code).code == 0


def test_it_is_typed(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(
        "import torchmode_lint\n"
        "first: torchmode_lint.FileReport = torchmode_lint.check_source('', path='a.py', select=['TML1'])\n"
        "lines: list[int] = [d.span.line for r in torchmode_lint.check_paths(['src']) for d in r.diagnostics]\n"
        "torchmode_lint.check_source('', selects=['TML1'])\n"
    )
    done = run(sys.executable, "-m", "mypy", "--strict", tmp_path / "user.py", MYPYPATH=str(ROOT))
    assert 'user.py:4: error: Unexpected keyword argument "selects"' in done.out
    assert done.out.rstrip().endswith("Found 1 error in 1 file (checked 1 source file)"), done.out


def test_reports_can_be_rendered(tmp_path: Path) -> None:
    """They are what the reporters take."""
    from torchmode_lint.engine import Run

    report = torchmode_lint.check_source(BAD, path="train.py", isolated=True)
    assert json.loads(json_report.render(Run((report,), 0.0), False))["findings"][0]["code"] == "TML501"
