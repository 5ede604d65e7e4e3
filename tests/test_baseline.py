"""`--write-baseline` and `--baseline`: what is known stays quiet wherever it moves, and what is fixed is told."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from commands import Ended, inside
from torchmode_lint import baseline
from torchmode_lint.fingerprint import Traits

PROGRAM = """\
import torch

net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())


def f():
    net.eval
    net.eval


net.train
"""
FILE = """\
{
  "version": 1,
  "diagnostics": {
    "a.py": [
      {"code": "TML501", "in": "f", "line": "net.eval", "count": 2},
      {"code": "TML501", "in": "", "line": "net.train", "count": 1}
    ]
  }
}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text(PROGRAM)
    done = inside("check", "--isolated", ".", "--write-baseline", "known.json", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "", "3 diagnostics written to known.json\n")
    return tmp_path


def checked(folder: Path, *more: str, paths: str = ".") -> Ended:
    words = ("--isolated", "--output-format", "concise", "--baseline", "known.json")
    return inside("check", *words, *more, paths, cwd=folder)


def test_the_file_is_sorted_and_has_no_line_numbers(project: Path) -> None:
    assert (project / "known.json").read_text() == FILE


def test_what_is_known_is_quiet_in_a_renamed_file_with_ten_lines_more(project: Path) -> None:
    assert checked(project).code == 0
    (project / "new").mkdir()
    (project / "a.py").rename(project / "new" / "b.py")
    (project / "new" / "b.py").write_text("# a line\n" * 10 + PROGRAM)
    done = checked(project)
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def f():", "def g():"),  # another name of the function
        ("    net.eval\n", "    (net.eval)\n"),  # the lines written anew
        ("    net.eval\n    net.eval\n", "    if net:\n        net.eval\n        net.eval\n"),
    ],
)
def test_what_is_known_is_quiet_where_it_was_written_anew(project: Path, before: str, after: str) -> None:
    (project / "a.py").write_text(PROGRAM.replace(before, after))
    assert (checked(project).code, checked(project).out) == (0, "")


def test_one_more_of_the_same_is_reported(project: Path) -> None:
    (project / "a.py").write_text(PROGRAM.replace("    net.eval\n", "    net.eval\n    net.eval\n", 1))
    assert checked(project).out.count("\n") == 1
    (project / "a.py").write_text(PROGRAM)
    (project / "copy.py").write_text(PROGRAM)
    assert checked(project).out.count("\n") == 3


def test_what_is_fixed_is_told(project: Path) -> None:
    text = PROGRAM.replace("    net.eval\n", "", 1).replace("net.train", "net.train()")
    (project / "a.py").write_text(text.replace("def f", "torch.no_grad()\n\n\ndef f"))
    done = checked(project)
    assert (done.code, done.out.count("\n"), done.out[:15]) == (1, 1, "a.py:6:1: TML501"[:15])
    assert done.err.splitlines()[:1] == ["a.py: TML501 is fixed in `f`: net.eval"]


def test_only_what_was_looked_for_can_be_fixed(project: Path) -> None:
    (project / "b.py").write_text("import torch\n")
    assert checked(project, paths="b.py").err == ""
    assert checked(project, "--ignore", "TML5").err == ""
    (project / "a.py").write_text("(")
    assert checked(project).err == ""
    (project / "a.py").unlink()
    assert checked(project, paths="b.py").err.splitlines() == [
        "a.py: TML501 is fixed in `f`: net.eval (2 times)",
        "a.py: TML501 is fixed: net.train",
        "3 diagnostics of known.json fixed: `--baseline known.json --write-baseline known.json` takes what is fixed "
        "out of it",
    ]
    assert checked(project, "--quiet", paths="b.py").err == ""


def test_a_baseline_shrinks_and_takes_nothing_new(project: Path) -> None:
    (project / "a.py").rename(project / "b.py")
    (project / "b.py").write_text(
        PROGRAM.replace("net.train", "net.train()").replace("def f", "torch.no_grad()\n\n\ndef f")
    )
    done = checked(project, "--write-baseline", "sub.json")
    assert done.err == "2 diagnostics written to sub.json\n"
    assert done.out.startswith("b.py:6:1: TML501") and done.code == 1
    after = json.loads((project / "sub.json").read_text())
    assert after["diagnostics"] == {"b.py": [{"code": "TML501", "in": "f", "line": "net.eval", "count": 2}]}


def test_fixes_and_comments_leave_what_is_known_alone(project: Path) -> None:
    text = PROGRAM + "torch.nn.Dropout().eval\nnet.half().eval\n"
    for option in ("--fix", "--add-noqa"):
        (project / "a.py").write_text(text)
        assert checked(project, option).code == 0
        lines = (project / "a.py").read_text().splitlines()
        assert lines[:11] == text.splitlines()[:11]
        assert lines[11:] != text.splitlines()[11:]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not a baseline"),
        ("{", "not a baseline"),
        ('{"version": 2, "diagnostics": {}}', "of another version"),
        ('{"version": 1, "diagnostics": {"a.py": [{"code": "TML501"}]}}', "not a baseline"),
    ],
)
def test_a_wrong_file_is_one_line_and_exit_code_2(project: Path, text: str, message: str) -> None:
    (project / "known.json").write_text(text)
    done = checked(project)
    assert done.code == 2 and done.err.count("\n") == 1 and message in done.err


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    known = Counter(
        {
            ("a.py", Traits("TML101", 'x = "\u00e9\ud800"', ("inner", "Outer"))): 2,
            ("b/\u00fc.py", Traits("TML201", "", ())): 1,
        }
    )
    file = tmp_path / "known.json"
    file.write_text(baseline.written(known), encoding="utf-8", errors="surrogatepass")
    assert baseline.read(file) == known
    assert baseline.read(file).total() == 3
