"""Literals have the values Python gives them."""

from __future__ import annotations

import ast
import warnings

import libcst
import pytest
from graphs import corpus, events_of, lowered
from hypothesis import given
from hypothesis import strategies as st

from torchmode_lint.flow.events import Constant
from torchmode_lint.flow.literals import string


def evaluated(text: str) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.literal_eval(text)


def values(text: str) -> list[object]:
    return [event.value for event in events_of(lowered(f"x = {text}\n")) if isinstance(event, Constant)]


LITERALS = r"""
0 00 1_000 0x_ff 0o17 0b11 1.5 1_0.0_1e-1_0 .5 5. 1j 1_0.5J True None ... 'a' "b" '''c''' r'\n' b'\x00\'' bR"\d" u'a'
'' "" '''''' '"' '\'' '\x41\u00e9\U0001F600\N{BULLET}\101\0\8\d\a\b\f\v\r\t\\'
"""


@pytest.mark.parametrize("text", LITERALS.split())
def test_value(text: str) -> None:
    (value,) = values(text)
    assert value == evaluated(text) and type(value) is type(evaluated(text))


def test_joined_strings() -> None:
    assert values("'a' \"b\" r'\\c'") == ["ab\\c"]
    assert values("b'a' b'\\x00'") == [b"a\0"]
    assert values("('a'\n    'b')") == ["ab"]
    assert values("'''a\\\nb\r\nc'''") == ["ab\nc"]


def test_an_integer_too_long_for_python() -> None:
    assert values("9" * 5000) in ([float("inf")], [int("9" * 4000) * 10**1000 + int("9" * 1000)])


ESCAPES = st.text(st.sampled_from(list("\\\\\\nxuUN{}07aA'\"é\n ")), max_size=12)


@given(ESCAPES, st.sampled_from(["", "r", "b", "Rb", "u"]), st.sampled_from(["'", '"', "'''", '"""']))
def test_strings_with_odd_escapes(body: str, prefix: str, quotes: str) -> None:
    text = f"{prefix}{quotes}{body}{quotes}"
    try:
        expected = evaluated(text)
        node = libcst.parse_expression(text)
    except (SyntaxError, ValueError, libcst.ParserSyntaxError):
        return
    if isinstance(node, libcst.SimpleString):
        assert string(node) == expected


def test_strings_of_real_files() -> None:
    class Strings(libcst.CSTVisitor):
        def __init__(self) -> None:
            self.found: dict[str, libcst.SimpleString] = {}

        def visit_SimpleString(self, node: libcst.SimpleString) -> None:  # noqa: N802
            self.found[node.value] = node

    visitor = Strings()
    for source in corpus()[::3]:
        source.tree.visit(visitor)
    assert len(visitor.found) > 500
    for text, node in visitor.found.items():
        assert string(node) == evaluated(text)
