"""Whether Python's own parser reads a file is told without a tree of it, and is what the tree says."""

from __future__ import annotations

import ast
import symtable

import pytest

from torchmode_lint.python_parser import python_reads, python_tree

READ = {
    "nothing": b"",
    "a docstring": b'"""Documented."""\n\nfrom __future__ import annotations\n\nx = 1\n',
    "a feature that Python does not know": b"from __future__ import braces_of_another_kind\n",
    "names that are wrong where the grammar is not": b"def f(x):\n    global x\n",
    "a return outside of a function": b"return 1\n",
    "bytes before the text": b"\xef\xbb\xbfx = 1\n",
    "an encoding": b"# -*- coding: latin-1 -*-\nx = '\xe9'\n",
    "an encoding on the second line": b"#!/usr/bin/env python\n# -*- coding: latin-1 -*-\nx = '\xe9'\n",
    "other ends of lines": b"x = 1\r\ny = 2\rz = 3",
}
NOT_READ = {
    "half a statement": b"x = (1,\n",
    "an error far down": b"x = 1\n" * 500 + b"def\n",
    "indented": b"  x = 1\n",
    "in another encoding than it says": b"# coding: utf-8\nx = '\xe9'\n",
    "no text": b"x = 1\n\0\n",
}


@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_read(text: bytes) -> None:
    assert python_tree(text) is not None and python_reads(text)


@pytest.mark.parametrize("text", NOT_READ.values(), ids=NOT_READ)
def test_not_read(text: bytes) -> None:
    assert python_tree(text) is None and not python_reads(text)


def test_no_tree_is_made_of_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ast, "parse", lambda *_: pytest.fail("a tree"))
    assert python_reads(b"import torch\n\n\ndef f(x):\n    return x\n")


def test_python_stops_after_its_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = []
    whole = symtable.symtable
    monkeypatch.setattr(symtable, "symtable", lambda *given: tables.append(whole(*given)))
    assert python_reads(b"x = 1\n") and not tables
