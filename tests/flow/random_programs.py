"""A writer of random functions that use every way of steering, for `test_traces`."""

from __future__ import annotations

import random
import re
import sys

SHAPES = [
    "(mark and mark or mark)",
    "(mark or mark)",
    "(not mark)",
    "(mark if mark else mark)",
    "(mark < mark < mark)",
    "[mark for _ in it() if mark]",
    "len({mark for _ in it() for _ in it() if mark if mark})",
    "{mark: mark for _ in it() if mark}",
    "len([mark, *[mark]])",
    '(f"{leaf!r:>{leaf}}" "")',
    "(y := mark)",
    "(lambda x=mark: x)()",
]


class Writer:
    """Writes random functions; every mark and manager has a number of its own."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.number = 0

    def fresh(self) -> int:
        self.number += 1
        return self.number

    def mark(self) -> str:
        return f"mark({self.fresh()})"

    def value(self, depth: int = 2) -> str:
        shape = self.random.choice(["mark"] * 4 + SHAPES) if depth else "mark"
        plain = shape == "mark"
        text = re.sub("mark", lambda _: self.mark() if plain else self.value(depth - 1), shape)
        return re.sub("leaf", lambda _: self.mark(), text)  # quotes cannot be nested in older f-strings

    def suite(self, depth: int, loop: bool, star: bool) -> list[str]:
        lines = []
        for _ in range(self.random.randint(1, 2)):
            lines += self.statement(depth, loop, star)
        return [f"    {line}" for line in lines]

    def statement(self, depth: int, loop: bool, star: bool) -> list[str]:
        """`loop` allows break and continue; `star`, inside `except*`, forbids jumps out of it."""
        if depth == 0 or self.random.random() < 0.25:
            choices = ["value", "x = value", "assert value, mark", "raise FirstError", "raise SecondError", "pass"]
            choices += [] if star else ["return value", "return"]
            choices += ["break", "continue"] if loop else []
            return [re.sub("value|mark", lambda _: self.value(), self.random.choice(choices))]
        kinds = [self.if_, self.while_, self.for_, self.try_, self.try_, self.try_, self.with_, self.match]
        if sys.version_info >= (3, 11):
            kinds.append(self.try_star)
        return self.random.choice(kinds)(depth - 1, loop, star)

    def if_(self, depth: int, loop: bool, star: bool) -> list[str]:
        lines = [f"if {self.value()}:", *self.suite(depth, loop, star)]
        if self.random.random() < 0.4:
            lines += [f"elif {self.value(1)}:", *self.suite(depth, loop, star)]
        if self.random.random() < 0.5:
            lines += ["else:", *self.suite(depth, loop, star)]
        return lines

    def while_(self, depth: int, loop: bool, star: bool) -> list[str]:
        test = self.random.choice(["c()", f"c() and {self.mark()}", f"not ({self.mark()} or not c())"])
        return [f"while {test}:", *self.suite(depth, True, star), *self.orelse(depth, loop, star)]

    def for_(self, depth: int, loop: bool, star: bool) -> list[str]:
        return ["for x in it():", *self.suite(depth, True, star), *self.orelse(depth, loop, star)]

    def orelse(self, depth: int, loop: bool, star: bool) -> list[str]:
        return ["else:", *self.suite(depth, loop, star)] if self.random.random() < 0.4 else []

    def try_(self, depth: int, loop: bool, star: bool) -> list[str]:
        lines = ["try:", *self.suite(depth, loop, star)]
        chosen = self.random.sample(["FirstError", "(SecondError, FirstError)", "SecondError as e", "BaseException"], 4)
        count = self.random.randint(0, 2)
        for kind in chosen[:count]:
            lines += [f"except {kind}:", *self.suite(depth, loop, star)]
        if count and self.random.random() < 0.3:
            lines += ["except:", *self.suite(depth, loop, star)]
        if count:
            lines += self.orelse(depth, loop, star)
        if not count or self.random.random() < 0.5:
            lines += ["finally:", *self.suite(depth, loop, star)]
        return lines

    def try_star(self, depth: int, loop: bool, star: bool) -> list[str]:
        lines = ["try:", *self.suite(depth, loop, star)]
        for kind in self.random.sample(
            ["FirstError", "(SecondError, FirstError)", "SecondError as e"], self.random.randint(1, 3)
        ):
            lines += [f"except* {kind}:", *self.suite(depth, False, True)]
        if self.random.random() < 0.5:
            lines += ["finally:", *self.suite(depth, loop, star)]
        return lines

    def with_(self, depth: int, loop: bool, star: bool) -> list[str]:
        items = ", ".join(f"cm({self.fresh()}) as x" for _ in range(self.random.randint(1, 2)))
        return [f"with {items}:", *self.suite(depth, loop, star)]

    def match(self, depth: int, loop: bool, star: bool) -> list[str]:
        lines = [f"match {self.value(1)}:"]
        patterns = ["False", "True | None", "1 | 2", f"bool() if {self.mark()}", "[x, *_]", "x"]
        for pattern in patterns[self.random.randint(0, 3) : self.random.randint(4, 6)]:
            lines += [f"    case {pattern}:", *(f"    {line}" for line in self.suite(depth, loop, star))]
        return lines

    def program(self, depth: int) -> str:
        return "\n".join(["def f():", *self.suite(depth, False, False)]) + "\n"
