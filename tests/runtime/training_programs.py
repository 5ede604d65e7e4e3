"""Small training programs, made at random: what the checker says of them and what the monitor sees must agree.

A program is a function `main()` of plain text. It trains a model on a few batches, through functions or in a single
loop, with one or two optimizers, accumulation, a recurrent state, evaluations between and after, and with or without
mistakes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

HEADER = """\
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.body(x))


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(4, 5)
        self.head = nn.Linear(5, 2)

    def forward(self, x, state):
        state = self.cell(x, state)
        return self.head(state), state


def batches(count):
    return [(torch.randn(8, 4), torch.randint(0, 2, (8,))) for _ in range(count)]
"""


@dataclass(frozen=True)
class Choices:
    """What a program is made of; each yes-or-no is one mistake or one way to write."""

    helper: bool  # the epoch is a function
    evaluation: str  # "function", "inline", "phase" or "none"
    evaluated: str  # "between", "after"
    eval_call: bool
    train_call: str  # "epoch", "once", "never"
    no_grad: str  # "with", "decorator", "missing"
    zero: str  # "before", "after", "module", "none", "by hand", "between"
    accumulate: int
    backward: str  # "loss", "twice", "detached", "missing"
    total: str  # "item", "graph", "none"
    recurrent: str  # "none", "detached", "carried"
    second: bool  # another optimizer, for the head
    epochs: int
    count: int

    @classmethod
    def drawn(cls, source: random.Random) -> Choices:
        return cls(**{name: source.choice(options) for name, options in _OPTIONS.items()})


_OPTIONS: dict[str, list[Any]] = {
    "helper": [False, True],
    "evaluation": ["function", "inline", "phase", "none"],
    "evaluated": ["between", "after"],
    "eval_call": [False, True],
    "train_call": ["epoch", "epoch", "once", "never"],
    "no_grad": ["with", "decorator", "missing"],
    "zero": ["before", "before", "after", "module", "none", "by hand", "between"],
    "accumulate": [1, 1, 1, 2],
    "backward": ["loss", "loss", "loss", "twice", "detached", "missing"],
    "total": ["item", "graph", "none"],
    "recurrent": ["none", "none", "none", "detached", "carried"],
    "second": [False, True],
    "epochs": [2, 3],
    "count": [4, 6],
}


def choices() -> st.SearchStrategy[Choices]:
    return st.builds(Choices, **{name: st.sampled_from(options) for name, options in _OPTIONS.items()})


def program(of: Choices) -> str:
    """The text of the program."""
    return _Writer(of).text()


class _Writer:
    def __init__(self, of: Choices) -> None:
        self.of = of
        self.lines: list[str] = []
        self.indent = 0

    def text(self) -> str:
        if self.of.evaluation == "function":
            self._evaluation_function()
        if self.of.helper and self.of.evaluation != "phase":
            self._function("def train_epoch(model, optimizers, data):", self._epoch)
        self._function("def main():", self._main)
        return HEADER + "\n\n" + "\n".join(self.lines) + "\n"

    def put(self, line: str) -> None:
        self.lines.append("    " * self.indent + line)

    def block(self, head: str, body: Callable[[], None]) -> None:
        self.put(head)
        self.indent += 1
        body()
        self.indent -= 1

    def _function(self, head: str, body: Callable[[], None]) -> None:
        self.block(head, body)
        self.lines += ["", ""]

    def _main(self) -> None:
        of = self.of
        self.put("torch.manual_seed(0)")
        self.put("model = Cell()" if of.recurrent != "none" else "model = Net()")
        if of.second:
            first = "body" if of.recurrent == "none" else "cell"
            self.put(f"optimizers = [torch.optim.SGD(model.{first}.parameters(), lr=0.1)]")
            self.put("optimizers.append(torch.optim.Adam(model.head.parameters()))")
        else:
            self.put("optimizers = [torch.optim.SGD(model.parameters(), lr=0.1)]")
        self.put(f"data, held_out = batches({of.count}), batches({of.count})")
        if of.train_call == "once":
            self.put("model.train()")
        self.block(f"for epoch in range({of.epochs}):", self._turn)
        if of.evaluated == "after":
            self._evaluate()

    def _turn(self) -> None:
        if self.of.evaluation == "phase":
            self.block('for phase in ["train", "val"]:', self._phase)
        elif self.of.helper:
            self.put("train_epoch(model, optimizers, data)")
        else:
            self._epoch()
        if self.of.evaluated == "between":
            self._evaluate()

    def _phase(self) -> None:
        of = self.of
        self.block('if phase == "train":', lambda: self.put("model.train()" if of.train_call == "epoch" else "pass"))
        self.block("else:", lambda: self.put("model.eval()" if of.eval_call else "pass"))
        self._state()
        self.block('for x, y in data if phase == "train" else held_out:', self._phase_batch)

    def _phase_batch(self) -> None:
        grad = self.of.no_grad != "missing"
        if grad:
            self.block('with torch.set_grad_enabled(phase == "train"):', self._forward)
        else:
            self._forward()
        self.block('if phase == "train":', lambda: self._update("0"))

    def _epoch(self) -> None:
        if self.of.train_call == "epoch":
            self.put("model.train()")
        self._state()
        if self.of.total != "none":
            self.put("total = 0")
        self.block("for i, (x, y) in enumerate(data):", self._batch)
        if self.of.total != "none":
            self.put("print(float(total))")

    def _state(self) -> None:
        if self.of.recurrent != "none":
            self.put("state = torch.zeros(8, 5)")

    def _forward(self) -> None:
        if self.of.recurrent == "none":
            self.put("out = model(x)")
        else:
            self.put("out, state = model(x, state)")
            if self.of.recurrent == "detached":
                self.put("state = state.detach()")
        self.put("loss = F.cross_entropy(out, y)")

    def _batch(self) -> None:
        self._forward()
        self._update("i")
        if self.of.total == "item":
            self.put("total += loss.item()")
        elif self.of.total == "graph":
            self.put("total += loss")

    def _update(self, turn: str) -> None:
        of = self.of
        windowed = of.accumulate > 1 and turn == "i"
        if of.zero in ("before", "module", "by hand") and not windowed:
            self._zero()
        if of.backward == "twice":
            self.put("loss.backward()")
        if of.backward == "detached":
            self.put("loss.detach().backward()")
        elif of.backward != "missing":
            self.put("loss.backward()")
        if of.zero == "between" and not windowed:
            self._zero()
        if windowed:
            self.block(f"if ({turn} + 1) % {of.accumulate} == 0:", self._step)
        else:
            self._step()

    def _step(self) -> None:
        self.block("for optimizer in optimizers:", lambda: self.put("optimizer.step()"))
        windowed = self.of.accumulate > 1 and self.of.zero != "none" and self.of.evaluation != "phase"
        if self.of.zero == "after" or windowed:
            self._zero()

    def _zero(self) -> None:
        if self.of.zero == "module":
            self.put("model.zero_grad()")
        elif self.of.zero == "by hand":
            self.block("for p in model.parameters():", lambda: self.put("p.grad = None"))
        else:
            self.block("for optimizer in optimizers:", lambda: self.put("optimizer.zero_grad()"))

    def _evaluate(self) -> None:
        if self.of.evaluation == "function":
            self.put("print(evaluate(model, held_out))")
        elif self.of.evaluation == "inline":
            self._evaluation_body()
            self.put("print(right)")

    def _evaluation_function(self) -> None:
        if self.of.no_grad == "decorator":
            self.put("@torch.no_grad()")
        self.block("def evaluate(model, data):", self._evaluation_function_body)
        self.lines += ["", ""]

    def _evaluation_function_body(self) -> None:
        self._evaluation_body("data")
        self.put("return right")

    def _evaluation_body(self, data: str = "held_out") -> None:
        if self.of.eval_call:
            self.put("model.eval()")
        self.put("right = 0")
        inline_decorator = self.of.no_grad == "decorator" and data == "held_out"
        if self.of.no_grad == "with" or inline_decorator:
            self.block("with torch.no_grad():", lambda: self._evaluation_loop(data))
        else:
            self._evaluation_loop(data)

    def _evaluation_loop(self, data: str) -> None:
        if self.of.recurrent != "none":
            self.put("state = torch.zeros(8, 5)")
        self.block(f"for x, y in {data}:", self._measure)

    def _measure(self) -> None:
        if self.of.recurrent == "none":
            self.put("scores = model(x)")
        else:
            self.put("scores, state = model(x, state)")
        self.put("right += (scores.argmax(1) == y).sum().item()")
