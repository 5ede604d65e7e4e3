"""The values of literals, without evaluating any code and without the warnings that doing so would print."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import libcst as cst

LONG_TABLE = 100  # elements of a display; literals past them, with no others after them, are not lowered

_ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{1,3})|x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|U(?P<big>[0-9a-fA-F]{8})"
    r"|N\{(?P<name>[^}]*)\}|(?P<one>.))",
    re.DOTALL,
)
_ONE = {
    "\n": "",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}


def integer(text: str) -> int | float:
    try:
        return int(text, 0)
    except ValueError:  # more digits than Python converts
        return float("inf")


def imaginary(text: str) -> complex:
    return complex(text.replace("J", "j"))


def string(node: cst.SimpleString) -> str | bytes:
    """The value of a plain or byte string."""
    text = node.value
    start = text.index(text[-1])
    prefix = text[:start].lower()
    quotes = 3 if text[start : start + 3] == text[-1] * 3 and len(text) - start >= 6 else 1
    body = text[start + quotes : -quotes]
    if "\r" in body:
        body = body.replace("\r\n", "\n").replace("\r", "\n")
    if "\\" in body and "r" not in prefix:
        body = _ESCAPE.sub(_unescape_byte if "b" in prefix else _unescape, body)
    return body.encode("latin-1", "replace") if "b" in prefix else body


def _unescape(match: re.Match[str]) -> str:
    if (octal := match["octal"]) is not None:
        return chr(int(octal, 8))
    if (name := match["name"]) is not None:
        try:
            return unicodedata.lookup(name)
        except KeyError:
            return match[0]
    if (one := match["one"]) is not None:
        return _ONE.get(one, match[0])
    code = int(match["x"] or match["u"] or match["big"], 16)
    return chr(code) if code <= 0x10FFFF else match[0]


def _unescape_byte(match: re.Match[str]) -> str:
    if match["u"] or match["big"] or match["name"] is not None:
        return match[0]
    return chr(ord(_unescape(match)) & 0xFF) if match["octal"] else _unescape(match)


def is_literal(node: cst.CSTNode) -> bool:
    """Whether this is a string, a number or a container of such: the same that `outline` takes for a literal."""
    match node:
        case cst.SimpleString() | cst.Integer() | cst.Float() | cst.Name("None" | "True" | "False"):
            return True
        case cst.Element(value):
            return is_literal(value)
        case cst.ConcatenatedString(left=one, right=other) | cst.DictElement(key=one, value=other):
            return is_literal(one) and is_literal(other)
        case cst.Tuple(elements) | cst.List(elements):
            return all(map(is_literal, elements))
    return False


def lowered_of(are_literals: Sequence[bool]) -> int:
    """How many elements of a display are lowered, by whether they are literals: not those that end a long table."""
    kept = len(are_literals)
    while kept > LONG_TABLE and are_literals[kept - 1]:
        kept -= 1
    return kept
