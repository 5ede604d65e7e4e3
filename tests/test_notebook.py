"""Notebooks: cells as one program, places as cell and line, what is not Python left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from torchmode_lint.config import Options
from torchmode_lint.engine import State, check_file
from torchmode_lint.notebook import NotebookError, read_cells

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


def test_the_third_format_is_read() -> None:
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1\n?x"}]}]}
    cells = read_cells(json.dumps(old).encode())
    assert cells.text == "x = 1\npass\n"


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"cells": 1}', b"\xff\xfe"])
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
    assert cells.lines_of(1) == ("d = 4", "")
