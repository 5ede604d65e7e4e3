"""Our own suppression comments, and suppressions that nothing needs, from the command and from flake8."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import BAD, FIXTURES, check, flake8, torchmode
from torchmode_lint.ignores import ignores
from torchmode_lint.source import split_lines

# TML501 in lines 6 and 9
PROGRAM = """\
import torch

net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())
def f(
):
    net.eval
    if net:
        pass
        net.eval
"""


def lines_of(text: str) -> list[tuple[int, int]]:
    return [(one.first, one.last) for one in ignores(text, split_lines(text))]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("x = 1  # torchmode: ignore\n", (1, 1)),
        ("x = f(\n    1,  # torchmode: ignore[TML1]\n)\n", (1, 3)),
        ("x = f(\n    1,\n)  # torchmode: ignore\n", (1, 3)),
        ("# torchmode: ignore\nx = f(\n    1,\n)\ny = 1\n", (2, 4)),
        ("# torchmode: ignore\n\nfor a in b:\n    c\n    if c:\n        d\ne\n", (3, 6)),
        ("# torchmode: ignore\n@a\n@b\ndef f():\n    pass\n\n    pass\nx\n", (2, 7)),
        ("if a:\n    # torchmode: ignore\n    b\n    c\nd\n", (3, 3)),
        ("def f():  # torchmode: ignore\n    pass\n", (1, 1)),
        ("a\nb\n# torchmode: ignore-file[TML1] why\nc\n", (1, 4)),
        ("a\n# torchmode: ignore\n", (2, 2)),
    ],
)
def test_the_lines_that_a_comment_counts_for(text: str, lines: tuple[int, int]) -> None:
    assert lines_of(text) == [lines]


def test_what_is_no_comment() -> None:
    assert lines_of("x = '# torchmode: ignore'\n# torchmode: ignored\n# torchmode: ignore-files\n") == []
    assert lines_of("x = (  # torchmode: ignore\n") == []


def found(text: str, folder: Path, *arguments: str) -> list[tuple[int, str]]:
    """Lines and codes, of which the command and flake8 say the same."""
    (folder / "a.py").write_text(text)
    ours = [(line, code) for _, line, _, code in check(*arguments, "a.py", cwd=folder).places]
    if not arguments:
        theirs = [line.split() for line in flake8("--format=%(row)d %(code)s", "a.py", cwd=folder).out.splitlines()]
        assert [(int(line), code) for line, code in theirs] == ours
    return ours


def test_a_line_a_block_and_a_file(tmp_path: Path) -> None:
    assert found(PROGRAM, tmp_path) == [(6, "TML501"), (9, "TML501")]
    one = PROGRAM.replace(
        "    net.eval\n    if", "    net.eval  # torchmode: ignore[no-effect-statement] on purpose\n    if"
    )
    assert found(one, tmp_path) == [(9, "TML501")]
    assert found(PROGRAM.replace("def f", "# torchmode: ignore[TML5]\ndef f"), tmp_path) == []
    assert found("# torchmode: ignore-file\n" + PROGRAM, tmp_path) == []


def test_what_nothing_needs_is_reported(tmp_path: Path) -> None:
    assert found(PROGRAM + "x = 1  # noqa: TML501, E501\n", tmp_path)[2:] == [(10, "TML901")]
    assert found(PROGRAM + "x = 1  # noqa\ny = 1  # noqa: E501\n", tmp_path)[2:] == []
    assert found(PROGRAM + 'x = \'# noqa: TML1\'\ny = """\n# noqa: TML1\n"""\n', tmp_path)[2:] == []  # in strings
    text = PROGRAM.replace("    net.eval\n    if", "    net.eval  # torchmode: ignore[TML5, missing-eval]\n    if")
    assert found(text, tmp_path) == [(6, "TML901"), (9, "TML501")]
    assert found(text, tmp_path, "--select", "TML5") == [(9, "TML501")]
    assert found("# torchmode: ignore-file[unused-suppression]\n" + text, tmp_path, "--ignore", "TML5") == []
    (message,) = [
        one["message"]
        for one in check(
            "--ignore", "TML501", "a.py", cwd=(put(tmp_path, PROGRAM + "# torchmode: ignore-file[misng]\n"))
        ).document["findings"]
    ]
    assert message == "`misng` is the name of no rule: take it away"


def put(folder: Path, text: str) -> Path:
    (folder / "a.py").write_text(text)
    return folder


def test_what_is_only_possible_is_a_need(tmp_path: Path) -> None:
    """Whoever asks for all that is possible would see it."""
    source = (FIXTURES / "missing_no_grad" / "good.py").read_text()
    possible = check("--confidence", "possible", "a.py", cwd=put(tmp_path, source)).places
    assert possible
    lines = source.splitlines()
    for _, line, _, code in possible:
        lines[line - 1] += f"  # noqa: {code}"
    assert found("\n".join(lines) + "\n", tmp_path) == []


def test_in_a_notebook(tmp_path: Path) -> None:
    cells = ["import torch\n", BAD.rstrip() + "  # torchmode: ignore\n", "x = 1  # noqa: TML1\n"]
    text = json.dumps({"cells": [{"cell_type": "code", "source": one} for one in cells]})
    (tmp_path / "a.ipynb").write_text(text)
    (one,) = check("a.ipynb", cwd=tmp_path).document["findings"]
    assert (one["cell"], one["line"], one["column"], one["code"]) == (2, 1, 8, "TML901")


def test_it_has_a_page_and_is_kept(tmp_path: Path) -> None:
    assert "silences nothing" in torchmode("rule", "unused-suppression").out
    assert "TML901" in torchmode("rule", "--all").out
    folder = put(tmp_path, PROGRAM.replace("def f", "# torchmode: ignore\ndef f") + "x = 1  # noqa: TML501\n")
    runs = [torchmode("check", "--output-format", "concise", "a.py", cwd=folder).out for _ in range(2)]
    assert runs[0] == runs[1] == "a.py:11:8: TML901 `TML501` silences nothing here: take it away\n"
