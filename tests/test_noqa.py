"""Suppression comments that are changed for the user: unused ones by `--fix`, new ones by `--add-noqa`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import BAD, FIXTURES, check, flake8, inside

HEADER = "import torch\n\nnet = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())\n"


def changed(text: str | bytes, folder: Path, option: str, name: str = "a.py", *more: str) -> str:
    """What an option makes of a file; a second time it changes nothing."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    inside("check", "--isolated", option, *more, name, cwd=folder)
    after = path.read_bytes()
    inside("check", "--isolated", option, *more, name, cwd=folder)
    assert path.read_bytes() == after
    return after.decode()


def test_what_silences_nothing_is_taken_away(tmp_path: Path) -> None:
    lines = {
        "a = 1  # noqa: TML101": "a = 1",
        "b = 1  # noqa: TML101, E501, TML102 reason": "b = 1  # noqa: E501 reason",
        "c = 1  # NoQA:E501,TML101": "c = 1  # NoQA:E501",
        "d = 1  # noqa: TML101 reason": "d = 1  # reason",
        "e = 1  # type: ignore # noqa: TML101": "e = 1  # type: ignore",
        "f = 1  # noqa: TML101  # type: ignore": "f = 1  # type: ignore",
        "# noqa: TML501": None,
        "g = 1  # torchmode: ignore[missing-eval, TML2] a reason": "g = 1",
        "net.eval  # torchmode: ignore[missing-eval, TML5] a reason": "net.eval  # torchmode: ignore[TML5] a reason",
        "# torchmode: ignore-file[TML2] a reason": None,
        "h = 1  # torchmode: ignore a reason # other": "h = 1  # other",
        "i = 1  # torchmode: ignore[misng] a slip": "i = 1  # torchmode: ignore[misng] a slip",
        "j = 1  # noqa": "j = 1  # noqa",
    }
    kept = [line for line in lines.values() if line is not None]
    assert changed(HEADER + "\n".join(lines) + "\n", tmp_path, "--fix") == HEADER + "\n".join(kept) + "\n"


def test_what_else_is_found_on_the_line_is_no_reason_to_leave_it(tmp_path: Path) -> None:
    text = HEADER + "net.eval  # noqa: TML101\n"
    assert changed(text, tmp_path, "--fix") == HEADER + "net.eval()\n"
    assert changed(text, tmp_path, "--fix", "a.py", "--select", "TML9") == HEADER + "net.eval\n"


def test_a_comment_that_is_needed_stays(tmp_path: Path) -> None:
    text = HEADER + "net.eval  # noqa: TML501\n# torchmode: ignore\nnet.eval\n"
    assert changed(text, tmp_path, "--fix") == text


ADDED = {
    "net.eval": "net.eval  # noqa: TML501",
    "net.eval ; a = 1  # a comment": "net.eval ; a = 1  # a comment  # noqa: TML501",
    "net.eval  # noqa: E501 because": "net.eval  # noqa: E501, TML501 because",
    "net.eval  # noqa:E501,W291": "net.eval  # noqa:E501,W291, TML501",
    'net.eval; a = """\n  b\n"""': 'net.eval; a = """\n  b\n"""  # noqa: TML501',
    "net.eval; \\\n    a = 1": "net.eval; \\\n    a = 1  # noqa: TML501",
    "net.eval; \\\n    a = 1  # noqa: E702": "net.eval; \\\n    a = 1  # noqa: E702, TML501",
    "(\n    net\n).eval": "(  # noqa: TML501\n    net\n).eval",
    "net.eval   ": "net.eval  # noqa: TML501",
    "net.eval; torch.no_grad()": "net.eval; torch.no_grad()  # noqa: TML501",
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_comments_are_added_where_both_front_ends_look_for_them(tmp_path: Path, newline: str) -> None:
    before, after = (HEADER + "\n".join(lines) + "\n" for lines in (ADDED, ADDED.values()))
    path = tmp_path / "a.py"
    path.write_bytes(b"\xef\xbb\xbf" + before.replace("\n", newline).encode())
    done = inside("check", "--isolated", "--add-noqa", "a.py", cwd=tmp_path)
    assert (done.code, done.err) == (0, "11 silenced in 1 file\n")
    assert path.read_bytes() == b"\xef\xbb\xbf" + after.replace("\n", newline).encode()
    assert flake8("a.py", cwd=tmp_path).out == ""
    assert check("a.py", cwd=tmp_path).places == []  # nor is one of them unused


def test_all_that_is_found_in_whole_programs_can_be_silenced(tmp_path: Path) -> None:
    for name in ("no_effect_statement", "missing_zero_grad", "dropout_ignores_mode"):
        (tmp_path / f"{name}.py").write_text((FIXTURES / name / "bad.py").read_text())
    assert check(".", cwd=tmp_path).places
    assert inside("check", "--isolated", "-q", "--add-noqa", ".", cwd=tmp_path).out == ""
    assert flake8(".", cwd=tmp_path).out == ""


def test_in_the_cells_of_a_notebook(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": ["%matplotlib inline\n", *lines]}
        for lines in (BAD.splitlines(keepends=True), ["a = 1  # noqa: TML501\n", "net.eval"])
    ]
    text = json.dumps({"cells": cells, "nbformat": 4}, indent=1)
    added = text.replace('"net.eval\\n"', '"net.eval  # noqa: TML501\\n"').replace(
        '"net.eval"', '"net.eval  # noqa: TML501"'
    )
    assert changed(text, tmp_path, "--add-noqa", "a.ipynb") == added
    assert changed(added, tmp_path, "--fix", "a.ipynb") == added.replace("a = 1  # noqa: TML501", "a = 1")


def test_what_no_comment_can_silence_is_reported(tmp_path: Path) -> None:
    text = HEADER + "net.eval; a = '# noqa: E501'\nb = 1  # noqa: TML101\n"
    (tmp_path / "a.py").write_text(text)
    (tmp_path / "broken.py").write_text("(")
    done = inside("check", "--isolated", "--output-format", "concise", "--add-noqa", ".", cwd=tmp_path)
    assert [line.split()[1] for line in done.out.splitlines()] == ["TML501", "TML901", "TML902"]
    assert (done.code, (tmp_path / "a.py").read_text()) == (2, text)


def test_fixes_and_comments_are_two_calls(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(BAD)
    assert inside("check", "--add-noqa", "--fix", "a.py", cwd=tmp_path).code == 2
    assert inside("check", "--add-noqa", "-", cwd=tmp_path).code == 2
    assert (tmp_path / "a.py").read_text() == BAD
