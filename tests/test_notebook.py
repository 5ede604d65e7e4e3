"""Notebooks: cells as one program, places as cell and line, what is not Python left out."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands import check, inside, run
from torchmode_lint.config import Options
from torchmode_lint.engine import FileReport, State, check_bytes, check_file
from torchmode_lint.notebook import NotebookError, read_cells
from torchmode_lint.notebook_edits import edited_notebook
from torchmode_lint.report import FORMATS

CELLS = [
    ("markdown", "# A model"),
    ("code", "%matplotlib inline\nimport torch\nfrom torch import nn\n!pip install nothing"),
    ("code", "%%bash\nls | wc"),
    ("code", "net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))\ndata = torch.load('d.pt')"),
    ("code", "this cell is (not Python"),
    ("code", "with torch.no_grad():\n    out = net(data)\nprint(out)"),
    ("code", "with torch.no_grad():\n    print(net(data))  # noqa: TML101"),
]


def notebook(cells: list[tuple[str, str]], *, lines: bool = True) -> bytes:
    document = {
        "nbformat": 4,
        "cells": [
            {"cell_type": kind, "source": text.splitlines(keepends=True) if lines else text, "outputs": []}
            for kind, text in cells
        ],
    }
    return json.dumps(document).encode()


@pytest.mark.parametrize("lines", [True, False])
def test_places_are_cells_and_lines_in_them(tmp_path: Path, lines: bool) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(notebook(CELLS, lines=lines))
    report = check_file(path, Options(project_root=tmp_path))
    assert report.errors == ()
    found = [(d.code, d.span.cell, d.span.line, d.span.column) for d in report.diagnostics]
    assert found == [("TML101", 5, 2, 11)]
    trail = [(note.span.cell, note.span.line) for note in report.diagnostics[0].trail]
    assert (3, 1) in trail, "the trail leads back to the cell that makes the module"
    assert report.lines[report.diagnostics[0].span.where][1] == "    out = net(data)"


def third(*sheets: list[str], language: str = "python") -> bytes:
    cells = [[{"cell_type": "code", "language": language, "input": text} for text in texts] for texts in sheets]
    return json.dumps({"nbformat": 3, "metadata": {}, "worksheets": [{"cells": each} for each in cells]}).encode()


def test_the_third_format_is_read() -> None:
    cells = read_cells(third(["x = 1\n?x"], ["y = 2"]))
    assert (cells.text, cells.indexes) == ("x = 1\npass\ny = 2\n", (0, 1))
    assert read_cells(third(["x <- 1"], language="R")).text == "\n"


def test_the_third_format_is_fixed(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(third(["import torch"], ["net = torch.nn.Sequential(torch.nn.Dropout())", "net.eval"]))
    report = check_file(path, Options(project_root=tmp_path))
    assert [(one.code, one.span.cell, one.span.line) for one in report.diagnostics] == [("TML501", 2, 1)]
    edits = [edit for one in report.diagnostics if one.fix is not None for edit in one.fix.edits]
    assert edited_notebook(path.read_bytes(), edits) == path.read_bytes().replace(b"net.eval", b"net.eval()")


@pytest.mark.parametrize(
    ("metadata", "is_read"),
    [
        ({"kernelspec": {"language": "python"}}, True),
        ({"kernelspec": {"name": "x"}, "language_info": {"name": "python"}}, True),
        ({"kernelspec": {"language": "R"}}, False),
        ({"language_info": {"name": "julia"}}, False),
        ({}, True),
    ],
)
def test_a_notebook_in_another_language_holds_no_program(metadata: dict[str, object], is_read: bool) -> None:
    cell = {"cell_type": "code", "source": "x = 1"}
    cells = read_cells(json.dumps({"nbformat": 4, "metadata": metadata, "cells": [cell]}).encode())
    assert bool(cells.indexes) == is_read


@pytest.mark.parametrize(
    ("source", "program"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("if x:\n    !ls {x}\n    y = !ls", "if x:\n    pass\n    pass"),
        ("!pip install \\\n    torch\nx = 1", "pass\n\nx = 1"),
        ("x?\nx.y??\n?x", "pass\npass\npass"),
        ("print('%d'\n      % x)", "print('%d'\n      % x)"),
        ("y = x \\\n  % 3", "y = x \\\n  % 3"),
        ('text = """\n!not a command\n% """', 'text = """\n!not a command\n% """'),
        ("!echo \"it's (\nx = 1", "pass\nx = 1"),
        ("%%time\nx = 1", "pass\nx = 1"),
        ("%%capture out\nx = 1", "pass\nx = 1"),
        ("%%html\n<b>", "\n"),
        ("%%writefile a.py\nimport torch", "\n"),
        ("%%bash\nls", "\n"),
        ("x = 1\r\ny = 2\rz = 3", "x = 1\ny = 2\nz = 3"),
    ],
)
def test_what_is_not_python_is_taken_out(source: str, program: str) -> None:
    cells = read_cells(notebook([("code", source)], lines=False))
    assert cells.text == f"{program}\n"
    assert "\n".join(cells.lines_of(0)) == source.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"cells": 1}', b'{"cells": [1]}', b"\xff\xfe"])
def test_what_is_no_notebook_is_one_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(NotebookError):
        read_cells(data)
    path = tmp_path / "torch.ipynb"
    path.write_bytes(data + b" torch")
    report = check_file(path, Options(project_root=tmp_path))
    assert report.state is State.FAILED
    assert len(report.errors) == 1


def test_every_line_of_a_cell_keeps_its_number() -> None:
    cells = read_cells(notebook([("code", "a = 1\n%time b = 2\n\nc = 3"), ("code", "d = 4")]))
    assert cells.text.split("\n")[:5] == ["a = 1", "pass", "", "c = 3", "d = 4"]
    assert cells.firsts == (1, 5)
    assert cells.lines_of(0) == ("a = 1", "%time b = 2", "", "c = 3")
    assert cells.lines_of(1) == ("d = 4",)


def test_comments_silence_in_their_cells(tmp_path: Path) -> None:
    make = ("code", "import torch\nnet = torch.nn.Sequential(torch.nn.Dropout())")
    silenced = [
        "net.eval  # noqa",
        "net.eval  # noqa: TML501",
        "net.eval  # torchmode: ignore[no-effect-statement]",
        "# torchmode: ignore[TML501] on purpose\nnet.eval",
    ]
    path = tmp_path / "a.ipynb"
    path.write_bytes(notebook([make, *(("code", source) for source in silenced), ("code", "net.eval  # noqa: TML1")]))
    report = check_file(path, Options(project_root=tmp_path))
    assert [(one.code, one.span.cell, one.span.line) for one in report.diagnostics] == [
        ("TML501", 5, 1),
        ("TML901", 5, 1),
    ]


def test_a_value_that_is_displayed_has_its_use(tmp_path: Path) -> None:
    make = ("code", "import torch\nx = torch.ones(3)")
    shown = [
        "x.cpu()",
        "x.detach()  # as numbers\n\n# see above",
        "x.cpu()\nprint(x)",
        "if True:\n    x.cpu()",
        "x.cpu",
    ]
    path = tmp_path / "a.ipynb"
    path.write_bytes(notebook([make, *(("code", source) for source in shown)]))
    report = check_file(path, Options(project_root=tmp_path))
    assert [(one.code, one.span.cell, one.span.line) for one in report.diagnostics] == [
        ("TML501", 3, 1),
        ("TML501", 4, 2),
    ]


PERCENT = """\
# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# A title, and `net.eval` in words

# %%
# %matplotlib inline
# !pip install torch
import torch

# %% {"tags": ["a"]}
# %%time
net = torch.nn.Sequential(torch.nn.Dropout())
net.eval

# %% language="bash"
# ls
"""


def test_a_notebook_as_a_script_is_a_script(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(PERCENT)
    report = check_file(path, Options(project_root=tmp_path))
    assert report.errors == ()
    assert [(one.code, one.span.cell, one.span.line) for one in report.diagnostics] == [("TML501", None, 18)]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_says_cell_and_line(tmp_path: Path, form: str) -> None:
    (tmp_path / "a.ipynb").write_bytes(notebook(CELLS))
    ended = inside("check", "--isolated", "--output-format", form, "a.ipynb", cwd=tmp_path)
    assert ended.code == 1
    if form == "json":
        (finding,) = ended.document["findings"]
        assert (finding["cell"], finding["line"]) == (5, 2)
        assert (3, 1) in [(step["cell"], step["line"]) for step in finding["trail"]]
    elif form == "html":
        assert '<tr id="f1-5-2" class="hit error">' in ended.out
        assert '<a href="#f1-3-1">a.ipynb:cell 3:1</a>' in ended.out
    else:
        assert re.search(r"cell 5(:|, line | )2\b", ended.out)
    if form == "text":
        assert "> a.ipynb:cell 3\n" in ended.out
    if form == "junit":
        assert "line 1 of a.ipynb:cell 3" in ended.out
    if form == "sarif":
        assert "cell 3, line 1" in ended.out


def test_a_broken_notebook_is_an_error_of_the_call(tmp_path: Path) -> None:
    (tmp_path / "broken.ipynb").write_bytes(notebook(CELLS)[:-9])
    (tmp_path / "a.ipynb").write_bytes(notebook(CELLS))
    ended = check("broken.ipynb", "a.ipynb", cwd=tmp_path)
    assert ended.code == 2
    assert [one["code"] for one in ended.document["errors"]] == ["TML903"]
    assert len(ended.document["findings"]) == 1, "the others are still checked"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**30) | st.text(max_size=5) | st.sampled_from(["code", "x = 1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["source", "cells", "a"]), inner),
    max_leaves=6,
)


def places_in(value: object, way: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places_in(each, (*way, key))


def replaced(value: Any, way: tuple[Any, ...], new: object) -> Any:  # noqa: ANN401
    if not way:
        return new
    copy = value.copy()
    copy[way[0]] = replaced(value[way[0]], way[1:], new)
    return copy


def outcome(data: bytes) -> FileReport:
    report = check_bytes(data, Path("torch.ipynb"), Options(project_root=Path("/nowhere")))
    assert (report.state is State.FAILED) == bool(report.errors)
    assert all(one.code in ("TML902", "TML903") for one in report.errors)
    return report


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_stands_in_its_place_the_notebook_is_checked_or_refused(data: st.DataObject) -> None:
    document = json.loads(notebook(CELLS))
    place = data.draw(st.sampled_from(list(places_in(document))))
    outcome(json.dumps(replaced(document, place, data.draw(JSON))).encode())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(notebook(CELLS))), st.integers(0, 40), st.binary(max_size=6))
def test_whatever_bytes_are_broken_the_notebook_is_checked_or_refused(at: int, count: int, new: bytes) -> None:
    whole = notebook(CELLS)
    outcome(whole[:at] + new + whole[at + count :])


def test_odd_texts_of_cells_are_left_out() -> None:
    odd = ["\ud800 = 1", "x = 1\0", "(" * 500, "\ufeffx = 1", "x = 'a\x0c\x1c\u2028'", "1" * 5000]
    report = outcome(notebook([*CELLS[:4], *(("code", text) for text in odd), *CELLS[5:]]))
    assert [(one.code, one.span.cell) for one in report.diagnostics] == [("TML101", 10)]
    assert outcome(b'{"cells": [], "torch": ' + b"1" * 5000 + b"}").state is State.FAILED
    assert outcome(b"[" * 100_000 + b"torch").state is State.FAILED


def test_flake8_through_nbqa(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_bytes(notebook([cell for cell in CELLS if "not Python" not in cell[1]]))
    ended = run(
        *(sys.executable, "-m", "nbqa", "flake8", "a.ipynb", "--isolated", "--select=TML"),
        cwd=tmp_path,
    )
    # nbqa counts the cells of code alone, from 1
    assert [line.partition(" ")[0] for line in ended.out.splitlines()] == ["a.ipynb:cell_4:2:11:"], ended.err
    assert ended.code == 1
