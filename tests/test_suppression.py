"""`# noqa` comments mean what they mean to flake8."""

from __future__ import annotations

import re

import pytest
from flake8 import defaults
from hypothesis import given
from hypothesis import strategies as st

from torchmode_lint.source import parse_source


def suppressed(text: str, line: int, code: str = "TML101", end_line: int | None = None) -> bool:
    return parse_source(text.encode(), "a.py").suppressed(line, code, end_line)


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "# NOQA",
        "#  text # noqa",
        "# noqa and why",
        "# noqa:TML101",
        "# noqa: TML101",
        "# noqa: tml101",
        "# NoQA: TML101",
        "# noqa: TML1",
        "# noqa: E501,TML101",
        "# noqa: E501 TML101",
        "# noqa: E501, TML101",
        "# noqa: E501,TML1  because",
        "# noqa: because",
        "# noqa : E501",
    ],
)
def test_silent(comment: str) -> None:
    assert suppressed(f"x = 1  {comment}\n", 1)


@pytest.mark.parametrize(
    "comment", ["", "#noqa", "#  noqa", "# nope", "# noqa: E501", "# noqa:TML2", "# noqa: TML1011"]
)
def test_heard(comment: str) -> None:
    assert not suppressed(f"x = 1  {comment}\n", 1)


def test_a_comment_in_brackets_counts_for_its_line() -> None:
    text = "x = f(\n    a,\n    b,  # noqa: TML101\n)\ny = 1\n"
    assert [suppressed(text, line) for line in range(1, 6)] == [False, False, True, False, False]
    assert not suppressed(text, 3, "TML201")


def test_a_comment_after_joined_lines() -> None:
    text = "x = a + \\\n  b + \\\n  c  # noqa\ny = 1\n"
    assert [suppressed(text, line) for line in range(1, 5)] == [True, True, True, False]


def test_a_comment_after_a_string_of_several_lines() -> None:
    text = 'x = """\n\n"""  # noqa\ny = 1\n'
    assert [suppressed(text, line) for line in range(1, 5)] == [True, True, True, False]


def test_a_comment_at_the_end_of_what_is_reported() -> None:
    text = "for x in y:\n    a()\n    b()  # noqa: TML3\nc()\n"
    assert not suppressed(text, 1, "TML301")
    assert suppressed(text, 1, "TML301", 3)
    assert not suppressed(text, 1, "TML301", 4)


def test_a_comment_on_a_def_does_not_reach_its_body() -> None:
    text = "def f(a):  # noqa\n    return g()\n"
    assert [suppressed(text, line) for line in (1, 2)] == [True, False]


@pytest.mark.parametrize(
    ("line", "silent"),
    [
        ("# flake8: noqa", ["TML101", "TML201"]),
        ("  # flake8: noqa  ", ["TML101", "TML201"]),
        ("# FLAKE8=noqa", ["TML101", "TML201"]),
        ("# flake8: noqa: E501", ["TML101", "TML201"]),
        ("z = 1  # flake8: noqa", []),
    ],
)
def test_a_comment_for_the_file(line: str, silent: list[str]) -> None:
    text = f"x = 1\n\n{line.rstrip() if line.startswith('z') else line}\n"
    assert [code for code in ("TML101", "TML201") if suppressed(text, 1, code)] == silent


def test_files_that_python_cuts_into_tokens_otherwise() -> None:
    text = "x = f'{'a'}'  # noqa\ny = 1\ntype X = int  # noqa\n"
    assert [suppressed(text, line) for line in range(1, 4)] == [True, False, True]


def test_no_comment_at_all() -> None:
    assert not suppressed("x = 1\n", 1) and not suppressed("x = 1\n", 99) and not suppressed("", 1)


PIECES = st.sampled_from([*"# noqa:NOQATML10E,;x", "# noqa", "TML101", ": "])


@given(st.lists(PIECES, max_size=12).map("".join))
def test_single_lines_as_flake8(comment: str) -> None:
    text = f"x = 1  #{comment}\n"
    match = defaults.NOQA_INLINE_REGEXP.search(text)
    codes = match["codes"] if match else None
    expected = match is not None and (
        codes is None or "TML101".startswith(tuple(code.upper() for code in re.split(r"[,\s]", codes) if code))
    )
    assert suppressed(text, 1) == expected
