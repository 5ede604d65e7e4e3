"""Excerpts: what has a line that is wanted is there as it stands in the file, and the file without the rest parses."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchmode_lint.excerpt import Excerpts

ODD = {
    "strings that look like code": 'X = """\nclass A:\n    def f(self):\n"""\n\n\ndef g():\n    """\nif this:\n'
    '    """\n    return X\n',
    "quotes in other quotes": "def f():\n    \"\"\"It's '''odd'''.\"\"\"\n\n\ndef g():\n    '''\ndef f():\n    \"\"\"\n"
    "    '''\n",
    "decorators of several lines": "@first(\n    1,\n)\n@second\ndef f():\n    pass\n\n\n@third\nclass A:\n"
    "    @property\n    @fourth(\n        2\n    )\n    def f(self):\n        pass\n\n"
    "    @fifth\n    def g(self):\n        pass\n",
    "branches around methods": "class A:\n    if X:\n        def f(self):\n            pass\n    else:\n"
    "        def f(self):\n            return 1\n\n    def g(self):\n        pass\n",
    "branches of a file": "try:\n    import a\nexcept ImportError:\n    a = None\n"
    "else:\n    def f():\n        pass\n\n\nx = 1\n",
    "a class of lines": "class A:\n    def f(self): return 1\n    async def g(self): return 2\n    class B: pass\n",
    "tabs": "class A:\n\tx = 1\n\n\tdef f(self):\n\t\treturn 1\n\n\tdef g(self):\n\t\treturn 2\n",
    "no end of line": "def f():\n    return 1\nclass A:\n    def f(self):\n        return 2",
}
TEXTS = [*ODD.values(), *(path.read_text("utf-8") for path in sorted(Path(__file__).parent.rglob("test_*.py"))[:20])]


def _definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions of a file and the methods of its classes."""
    for node in tree.body:
        yield from (
            one
            for one in (node.body if isinstance(node, ast.ClassDef) else [node])
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))
        )


def _first(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])


@given(st.sampled_from(TEXTS), st.data())
def test_what_is_wanted_is_as_it_was(text: str, data: st.DataObject) -> None:
    last = text.count("\n") + 1
    wanted = data.draw(st.sets(st.integers(1, last), max_size=5))
    excerpt = ast.parse(Excerpts(text).of(wanted))
    found = {node.lineno: ast.dump(node, include_attributes=True) for node in _definitions(excerpt)}
    for node in _definitions(ast.parse(text)):
        if any(_first(node) <= line <= (node.end_lineno or last) for line in wanted):
            assert found[node.lineno] == ast.dump(node, include_attributes=True)


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_all_lines_are_the_whole_text(text: str) -> None:
    assert Excerpts(text).of(range(1, text.count("\n") + 2)) == text


def test_the_rest_is_left_out() -> None:
    text = "import a\n\n\ndef f():\n    return 1\n\n\nclass A:\n    x = 1\n\n"
    text += "    def f(self):\n        return 2\n\n    def g(self):\n        return 3\n"
    excerpt = Excerpts(text).of([15])
    assert excerpt == "\n" * 7 + "class A:\n    x = 1\n\n    pass\n\n\n    def g(self):\n        return 3\n"
