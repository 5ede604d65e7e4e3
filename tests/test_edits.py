"""Edits of texts and of notebooks, and the writing of files, without any analysis."""

from __future__ import annotations

import itertools
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchmode_lint import writing
from torchmode_lint.diagnostic import Applicability, Edit, Fix, Span
from torchmode_lint.edits import apart, applied
from torchmode_lint.notebook_edits import edited_notebook


def edit(line: int, column: int, text: str, end: tuple[int, int] | None = None, cell: int | None = None) -> Edit:
    last, last_column = end or (line, column)
    return Edit(Span("a.py", line, column, last, last_column, cell), text)


def fix(*edits: Edit) -> Fix:
    return Fix("mend it", Applicability.SAFE, edits)


TEXT = "a = 1\nb = 2\nc = 3\n"


def test_lines_are_inserted_replaced_and_removed() -> None:
    assert applied(TEXT, [edit(2, 1, "x = 0\n")]) == "a = 1\nx = 0\nb = 2\nc = 3\n"
    assert applied(TEXT, [edit(2, 6, "\nx = 0")]) == "a = 1\nb = 2\nx = 0\nc = 3\n"
    assert applied(TEXT, [edit(2, 5, "22", (2, 6))]) == "a = 1\nb = 22\nc = 3\n"
    assert applied(TEXT, [edit(2, 1, "", (3, 1))]) == "a = 1\nc = 3\n"


def test_what_is_at_one_place_stays_in_order_and_comes_once() -> None:
    assert applied("a\n", [edit(1, 1, "x\n"), edit(1, 1, "y"), edit(1, 1, "x\n")]) == "x\nya\n"


@pytest.mark.parametrize("newline", ["\r\n", "\r", "\n"])
def test_line_ends_are_those_of_the_file(newline: str) -> None:
    text = TEXT.replace("\n", newline)
    assert applied(text, [edit(2, 1, "x = 0\n")]) == f"a = 1{newline}x = 0{newline}b = 2{newline}c = 3{newline}"


def test_a_file_without_a_last_line_end_does_not_get_one() -> None:
    assert applied("a = 1", [edit(1, 6, "\nb = 2")]) == "a = 1\nb = 2"
    assert applied("a = 1", [edit(2, 1, "b = 2\n")]) == "a = 1b = 2\n"  # nobody asks for a line that is not there


def test_edits_that_overlap_are_refused() -> None:
    with pytest.raises(AssertionError):
        applied(TEXT, [edit(1, 1, "x", (1, 4)), edit(1, 2, "y", (1, 5))])


def test_fixes_are_apart_if_one_ends_before_the_other_begins() -> None:
    wide = fix(edit(1, 1, "x\n"), edit(3, 1, "y\n"))
    assert not apart(wide, fix(edit(2, 1, "z\n")))
    assert not apart(wide, fix(edit(3, 1, "z\n")))
    assert apart(wide, fix(edit(3, 2, "z\n"))) and apart(fix(edit(3, 2, "z\n")), wide)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4), st.text("xy\n", max_size=3)), max_size=6))
def test_insertions_keep_every_line_that_was_there(inserted: list[tuple[int, int, str]]) -> None:
    text = "abc\ndef\n\nghi\n"
    places = [(min(line, 4), min(column, [4, 4, 1, 4][min(line, 4) - 1])) for line, column, _ in inserted]
    result = applied(text, [edit(*at, new) for at, (_, _, new) in zip(places, inserted, strict=True)])
    remaining = iter(result)
    assert all(char in remaining for char in text)


# --- notebooks -------------------------------------------------------------------------------------------


def notebook(source: object, key: str = "source") -> dict[str, object]:
    code = {"cell_type": "code", "outputs": [{"text": ["é\n"]}], key: source, "metadata": {"a": [1, 2]}}
    return {"cells": [{"cell_type": "markdown", "source": ["# é"]}, code], "nbformat": 4}


SOURCES = (["import torch\n", "b = 2"], "import torch\nb = 2", ["import torch\nb = 2"], ["b = 'é'\n", "c"], ["é"])
FORMATS: tuple[dict[str, object], ...] = (
    {"indent": 1},
    {"indent": 4, "ensure_ascii": False},
    {"separators": (",", ":")},
    {"indent": "\t"},
)


@pytest.mark.parametrize(("source", "form"), list(itertools.product(SOURCES, FORMATS)))
def test_only_the_lines_of_a_cell_change(source: object, form: dict[str, object]) -> None:
    raw = json.dumps(notebook(source), **form) + "\n"  # type: ignore[arg-type]
    after = edited_notebook(raw.encode(), [edit(1, 1, "a = 1\n", cell=1)]).decode()
    code = "".join(source) if isinstance(source, list) else source
    expected = notebook(source)
    document = json.loads(after)
    written = document["cells"][1]["source"]
    assert ("".join(written) if isinstance(written, list) else written) == f"a = 1\n{code}"
    assert type(written) is type(source)
    document["cells"][1]["source"] = source
    assert document == expected
    # what is not the source is there letter by letter
    assert after.partition('"source"')[0] == raw.partition('"source"')[0]
    assert after[-40:] == raw[-40:]


def test_old_notebooks_and_marks_are_kept() -> None:
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["b = 2"]}]}], "nbformat": 3}
    data = b"\xef\xbb\xbf" + json.dumps(old).encode()
    after = edited_notebook(data, [edit(1, 6, "\nc = 3", cell=0)])
    assert after.startswith(b"\xef\xbb\xbf")
    assert json.loads(after.decode("utf-8-sig"))["worksheets"][0]["cells"][0]["input"] == ["b = 2\n", "c = 3"]


def test_a_cell_that_is_not_named_is_left_alone() -> None:
    raw = json.dumps(notebook(["a"]), indent=1).encode()
    assert edited_notebook(raw, [edit(1, 1, "x", cell=7)]) == raw


# --- files -----------------------------------------------------------------------------------------------


def test_permissions_stay_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(b"a\n")
    path.chmod(0o750)
    writing.write(path, b"a\n", b"b\n")
    assert path.read_bytes() == b"b\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_and_not_replaced(tmp_path: Path) -> None:
    real, link = tmp_path / "real.py", tmp_path / "link.py"
    real.write_bytes(b"a\n")
    link.symlink_to("real.py")
    writing.write(link, b"a\n", b"b\n")
    assert link.is_symlink() and real.read_bytes() == b"b\n"


def test_a_file_that_has_changed_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(b"changed\n")
    with pytest.raises(writing.NotWritten, match="changed since"):
        writing.write(path, b"a\n", b"b\n")
    assert path.read_bytes() == b"changed\n"


def test_a_file_that_is_gone_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(writing.NotWritten):
        writing.write(tmp_path / "gone.py", b"a\n", b"b\n")
    assert list(tmp_path.iterdir()) == []


def test_whoever_is_interrupted_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(b"a\n")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writing.write(path, b"a\n", b"b\n")
    assert path.read_bytes() == b"a\n" and list(tmp_path.iterdir()) == [path]
