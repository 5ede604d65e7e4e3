"""What functions mention is the same by Python's own parser as by their events."""

from __future__ import annotations

from collections import Counter

import pytest
from graphs import corpus

from torchmode_lint.analysis.glance import Glance, glance
from torchmode_lint.analysis.glance import _of_events as by_events
from torchmode_lint.flow.cfg import Code
from torchmode_lint.source import parse_source


def only(text: str) -> Code:
    (code,) = parse_source(text.encode(), "a.py").code.codes
    return code


def said(of: Glance) -> tuple[object, ...]:
    return set(of.names), of.asked, of.writes, of.dropped


def test_files_of_others() -> None:
    seen = 0
    differ: list[Code] = []
    for source in corpus()[::2]:
        for code in [code for code in source.code.walk_lowered() if code.text]:
            one, other = glance(code), by_events(code)
            seen += 1
            assert other.bound == one.bound, code
            assert other.yields == one.yields, code
            assert other.size < 12 or other.size / 3 < one.size < other.size * 3, code
            if said(one) != said(other):
                differ.append(code)  # what follows a `return` has no events; of `(a or b).c`, one of both is the name
    assert seen > 500
    assert len(differ) < seen / 100, differ


def test_a_function() -> None:
    found = glance(
        only(
            """\
def f(a, b=default, *, c: "kind") -> result:
    "no_grad"
    x: Annotation = a.b(c).d
    self.only: Annotation
    self.y, z[0] = x, 1
    self.n += 1
    if isinstance(x, (A.B, C)) and (w := [q for q in a]):
        model.eval()
    def inner():
        return late()
    import os.path as where
    return f"{self.z!r:{width}}"
"""
        )
    )
    names = Counter(found.names)
    assert names["a.b", True] == names["a.b", False] == 1
    assert names["?.d", False] == 1
    assert {"late", "width", "self.z", "self.n", "model.eval", "A.B", "z"} <= {name for name, _ in names}
    assert not {"Annotation", "default", "kind", "result", "no_grad"} & {name for name, _ in names}
    assert found.asked == Counter({"x": 1, "A.B": 1, "C": 1})
    assert found.writes == {"y", "n"}
    assert found.dropped == {"eval"}
    assert found.bound == {"a", "b", "c", "x", "w", "inner", "where"}
    assert not found.yields


@pytest.mark.parametrize(
    "question",
    ["x := a.b, C", "a.b, (x := C)", "a.b, (x, *C)", "*a.b", "a.b, {C: D}", "a.b, {C}", "(y := (x := a.b)), C"],
)
def test_what_is_asked(question: str) -> None:
    code = only(f"def f():\n    return isinstance({question})\n")
    assert glance(code).asked["a.b"] == 1
    assert glance(code).asked == by_events(code).asked


def test_what_is_bound() -> None:
    code = only(
        """\
def f(x):
    try:
        (a for b in x if (c := b))
    except Error as d:
        lambda e: (g := e)
    match x:
        case {"k": h, **i} | [h, *i] as j:
            del k
    class L(m := x):
        n = 1
    global o
    o, p[q], r.s = x
    t: int
    return lambda: {u: v for u, v in x}
"""
    )
    assert glance(code).bound == by_events(code).bound
    assert {"c", "d", "h", "i", "j", "k", "L", "m", "t"} <= glance(code).bound
    assert not {"a", "b", "e", "g", "n", "o", "p", "q", "r", "u", "v"} & glance(code).bound


@pytest.mark.parametrize("text", ["def f():\n    yield 1\n", "def f():\n    x = yield\n    return x\n"])
def test_a_generator(text: str) -> None:
    assert glance(only(text)).yields


def test_a_function_that_makes_a_generator_is_none() -> None:
    assert not glance(only("def f(x):\n    g = lambda: (yield)\n    return (y for y in x), g\n")).yields


def test_to_be_lowered_makes_no_difference() -> None:
    one, other = (only("def f(x):\n    return g(x).h\n") for _ in range(2))
    assert other.blocks
    assert isinstance(glance(one), Glance)
    assert glance(one) == glance(other)


def test_what_has_no_text_is_read_from_its_events() -> None:
    code = only("def f(x): return g(x).h\n")
    assert not code.text
    assert set(glance(code).names) == {("g", False), ("g", True), ("x", False), ("?.h", False)}
