"""Deep nesting and long chains lower within Python's usual recursion limit; long files in linear time."""

from __future__ import annotations

import sys
import time

import libcst
import pytest
from graphs import all_codes, events_of, lowered

from torchmode_lint.flow import events as ev
from torchmode_lint.flow.lower import lower_file

ROUNDS = 8  # a busy machine only adds: as soon as the least times are in proportion, they are


def test_functions_nested_deep() -> None:
    depth = 95
    text = "".join(f"{' ' * level}def f{level}():\n" for level in range(depth)) + " " * depth + "pass\n"
    codes = list(all_codes(lowered(text)))
    assert len(codes) == depth + 1
    assert codes[-1].qualname.count(".") == depth - 1


@pytest.mark.parametrize("head", ["if x", "for x in y", "while x", "with x", "try"])
def test_statements_nested_deep(head: str) -> None:
    depth = 90
    text = "".join(f"{' ' * level}{head}:\n" for level in range(depth)) + " " * depth + "pass\n"
    if head == "try":
        text += "".join(f"{' ' * level}except E: pass\n" for level in range(depth - 1, -1, -1))
    assert lowered(text).blocks


@pytest.mark.parametrize(
    "text",
    [
        "(" * 150 + "x" + ")" * 150,
        "[" * 150 + "x" + "]" * 150,
        "f(" * 150 + "x" + ")" * 150,
        "-" * 300 + "x",
        "not " * 300 + "x",
        "lambda: " * 100 + "x",
        "**".join(["x"] * 300),
        " + ".join(["x"] * 1500),
        " or ".join(["x"] * 1500),
        "x" + ".y(z)[0]" * 200,
        "'a' " * 1500,
        "1 if x else " * 300 + "2",
        " < ".join(["x"] * 1500),
    ],
)
def test_long_expressions(text: str) -> None:
    assert sys.getrecursionlimit() <= 1000
    assert list(events_of(lowered(f"v = {text}\n")))


def test_a_long_elif_chain() -> None:
    text = "if a:\n  pass\n" + "elif b:\n  pass\n" * 1500
    assert len(lowered(text).blocks) > 1500


def test_finally_in_finally_in_finally() -> None:
    depth = 60
    lines: list[str] = []
    for level in range(depth):
        lines += [f"{' ' * level}try: return f()", f"{' ' * level}finally:"]
    (code,) = lowered("def g():\n" + "".join(f" {line}\n" for line in lines) + " " * (depth + 1) + "pass\n").codes
    assert len(code.blocks) < 5000


def test_definitions_in_a_finally_body_are_one_code() -> None:
    (code,) = lowered("def f():\n    try:\n        return g()\n    finally:\n        h = lambda: 1\n").codes
    made = [event for event in events_of(code) if isinstance(event, ev.MakeFunction)]
    assert len(made) == 2
    assert {event.code for event in made} == set(code.codes) and len(code.codes) == 1


def test_cost_is_linear_and_below_that_of_parsing() -> None:
    function = (
        "def train_{0}(net, loader, optimizer):\n"
        "    for x, y in loader:\n"
        "        optimizer.zero_grad()\n"
        "        with torch.no_grad():\n"
        "            loss = ((net(x) - y) ** 2).mean() if net.training else f'{{x}}'\n"
        "        try:\n"
        "            loss.backward()\n"
        "        finally:\n"
        "            optimizer.step()\n"
        "    return {{'loss': loss.item(), 'count': len(loader)}}\n\n"
    )
    small, large = ("".join(map(function.format, range(count))) for count in (150, 600))
    times = [measured(small, large)]
    while len(times) < ROUNDS:
        times.append(measured(small, large))
        few, many, parsing = map(min, zip(*times, strict=True))
        if many < 10 * few and many < parsing:
            return
    pytest.fail(f"lowering four times the lines, and parsing them: {times}")


def measured(small: str, large: str) -> tuple[float, float, float]:
    """CPU seconds of lowering both, and of parsing the large one."""
    few, many = libcst.parse_module(small), libcst.parse_module(large)
    marks = [time.process_time()]
    for work in (lambda: lower_file(few), lambda: lower_file(many), lambda: libcst.parse_module(large)):
        work()
        marks.append(time.process_time())
    return marks[1] - marks[0], marks[2] - marks[1], marks[3] - marks[2]
