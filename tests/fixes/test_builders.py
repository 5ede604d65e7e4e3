"""Fixes of single diagnostics, written as the lines of a function before and after."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from torchmode_lint.config import Options
from torchmode_lint.diagnostic import Applicability
from torchmode_lint.engine import check_bytes, on_deep_stack
from torchmode_lint.repair import repaired

HEADER = """\
import torch
import torch.nn.functional as F
from torch import nn


"""
TRAINING = """\
def run(loader, n=2):
    net = nn.Linear(8, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
"""

OPTIONS = Options()


def after(text: str) -> str:
    """The text without its header, all fixes made."""
    data = (HEADER + text).encode()
    result = on_deep_stack(lambda: repaired(Path("code.py"), data, OPTIONS, unsafe=True))
    return result.after.decode().removeprefix(HEADER)


def only_fix(text: str, code: str) -> Applicability | None:
    """How far the fix of the one diagnostic with a code goes, if it has one."""
    report = on_deep_stack(lambda: check_bytes((HEADER + text).encode(), Path("code.py"), OPTIONS))
    (found,) = [one for one in report.diagnostics if one.code == code]
    return None if found.fix is None else found.fix.applicability


def loop(body: str) -> str:
    return TRAINING + "    for i, (x, y) in enumerate(loader):\n" + textwrap.indent(textwrap.dedent(body), " " * 8)


LOOPS = {
    "a backward and its step in one suite": (
        """\
        loss = F.cross_entropy(net(x), y)
        loss.backward()  # gradients
        optimizer.step()
        """,
        """\
        loss = F.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()  # gradients
        optimizer.step()
        """,
    ),
    "a step in a suite of its own": (
        """\
        F.cross_entropy(net(x), y).backward()
        if (i + 1) % n == 0:
            optimizer.step()  # at last
        """,
        """\
        F.cross_entropy(net(x), y).backward()
        if (i + 1) % n == 0:
            optimizer.step()  # at last
            optimizer.zero_grad()
        """,
    ),
    "a step on the line of its condition": (
        """\
        F.cross_entropy(net(x), y).backward()
        if (i + 1) % n == 0: optimizer.step()
        """,
        """\
        F.cross_entropy(net(x), y).backward()
        if (i + 1) % n == 0: optimizer.step(); optimizer.zero_grad()
        """,
    ),
    "several statements on one line": (
        """\
        loss = F.cross_entropy(net(x), y); loss.backward(); optimizer.step()
        """,
        """\
        loss = F.cross_entropy(net(x), y); loss.backward(); optimizer.step()
        optimizer.zero_grad()
        """,
    ),
    "gradients dropped after two backwards": (
        """\
        F.cross_entropy(net(x), y).backward()
        net(x).pow(2).mean().backward()
        optimizer.zero_grad()  # clear
        optimizer.step()
        """,
        """\
        optimizer.zero_grad()  # clear
        F.cross_entropy(net(x), y).backward()
        net(x).pow(2).mean().backward()
        optimizer.step()
        """,
    ),
    "three losses of one forward": (
        """\
        optimizer.zero_grad()
        out = net(x).exp()
        one, two, three = out.mean(), out.pow(2).mean(), out.abs().mean()
        one.backward()  # the first
        two.backward()
        (three * 0.1).backward()
        optimizer.step()
        """,
        """\
        optimizer.zero_grad()
        out = net(x).exp()
        one, two, three = out.mean(), out.pow(2).mean(), out.abs().mean()
        # the first
        (one + two + three * 0.1).backward()
        optimizer.step()
        """,
    ),
    "a gradient read between two backwards": (
        """\
        optimizer.zero_grad()
        out = net(x).exp()
        out.mean().backward()
        print(net.weight.grad)
        out.abs().mean().backward()
        optimizer.step()
        """,
        """\
        optimizer.zero_grad()
        out = net(x).exp()
        out.mean().backward(retain_graph=True)
        print(net.weight.grad)
        out.abs().mean().backward()
        optimizer.step()
        """,
    ),
    "a step between two backwards changes what the second needs": (
        """\
        optimizer.zero_grad()
        out = net(x).exp()
        out.mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        out.abs().mean().backward()
        optimizer.step()
        """,
        None,
    ),
    "parentheses where an expression needs them": (
        """\
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        kept = [] if i == 0 else kept
        kept.append(loss + 1)
        """,
        """\
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        kept = [] if i == 0 else kept
        kept.append((loss + 1).detach())
        """,
    ),
}


@pytest.mark.parametrize(("before", "expected"), LOOPS.values(), ids=LOOPS)
def test_a_loop_of_training(before: str, expected: str | None) -> None:
    assert after(loop(before)) == loop(before if expected is None else expected)


FUNCTIONS = {
    "dropout in functions that forwards call": (
        """
        def noisy(x: torch.Tensor, *, rate: float = 0.5) -> torch.Tensor:
            return F.dropout(x, rate)


        class Net(nn.Module):
            def forward(self, x):
                return noisy(nn.Dropout(p=0.3)(x), rate=0.2)
        """,
        """
        def noisy(x: torch.Tensor, *, rate: float = 0.5, training: bool = True) -> torch.Tensor:
            return F.dropout(x, rate, training=training)


        class Net(nn.Module):
            def forward(self, x):
                return noisy(F.dropout(x, p=0.3, training=self.training), rate=0.2, training=self.training)
        """,
    ),
    "a new layer with a comment in its call": (
        """
        class Net(nn.Module):
            def forward(self, x):
                return nn.Dropout(0.5)(
                    x  # the input
                )
        """,
        """
        class Net(nn.Module):
            def forward(self, x):
                return nn.Dropout(0.5).train(self.training)(
                    x  # the input
                )
        """,
    ),
    "gradients that a helper makes zeros, group by group": (
        """
        def forget(optimizer):
            \"\"\"Forgets the gradients.\"\"\"
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.grad.detach_()
                        p.grad.zero_()


        def train(loader):
            net = nn.Linear(8, 3)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            for x, y in loader:
                F.cross_entropy(net(x), y).backward()
                forget(optimizer)
                optimizer.step()
        """,
        """
        def forget(optimizer):
            \"\"\"Forgets the gradients.\"\"\"
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.grad.detach_()
                        p.grad.zero_()


        def train(loader):
            net = nn.Linear(8, 3)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            for x, y in loader:
                forget(optimizer)
                F.cross_entropy(net(x), y).backward()
                optimizer.step()
        """,
    ),
    "dictionaries of which something is no tensor": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = nn.Linear(8, 3)

            def forward(self, x, y):
                return {"loss": F.cross_entropy(self.net(x), y), "count": len(x)}


        def train(loader):
            net = Net()
            outputs = []
            for x, y in loader:
                net.zero_grad()
                output = net(x, y)
                output["loss"].backward()
                outputs.append(output)
            return outputs
        """,
        None,
    ),
    "gradients that the loss of another optimizer leaves": (
        """\
        def run(loader):
            generator, critic = nn.Linear(4, 8), nn.Linear(8, 1)
            first, second = torch.optim.Adam(generator.parameters()), torch.optim.Adam(critic.parameters())
            for real, _ in loader:
                first.zero_grad()
                fake = generator(torch.randn(16, 4))
                F.softplus(-critic(fake)).mean().backward()
                first.step()
                loss = F.softplus(critic(fake.detach())).mean() + F.softplus(-critic(real)).mean()
                loss.backward()
                second.step()
        """,
        """\
        def run(loader):
            generator, critic = nn.Linear(4, 8), nn.Linear(8, 1)
            first, second = torch.optim.Adam(generator.parameters()), torch.optim.Adam(critic.parameters())
            for real, _ in loader:
                first.zero_grad()
                fake = generator(torch.randn(16, 4))
                F.softplus(-critic(fake)).mean().backward()
                first.step()
                loss = F.softplus(critic(fake.detach())).mean() + F.softplus(-critic(real)).mean()
                second.zero_grad()
                loss.backward()
                second.step()
        """,
    ),
    "losses that something unknown has computed": (
        """\
        def run(loader, loss_of):
            net = nn.Linear(8, 3)
            total, log = 0.0, {}
            for i, (x, y) in enumerate(loader):
                net.zero_grad()
                loss = loss_of(net(x), y)
                loss.div(len(x)).backward()
                total += loss / len(loader)
                log[i] = loss
            return total, log
        """,
        """\
        def run(loader, loss_of):
            net = nn.Linear(8, 3)
            total, log = 0.0, {}
            for i, (x, y) in enumerate(loader):
                net.zero_grad()
                loss = loss_of(net(x), y)
                loss.div(len(x)).backward()
                total += loss.detach() / len(loader)
                log[i] = loss.detach()
            return total, log
        """,
    ),
    "a state of several tensors": (
        """\
        def run():
            rnn = nn.LSTM(8, 8)
            h = c = torch.zeros(1, 4, 8)
            for _ in range(3):
                out, (h, c) = rnn(torch.randn(5, 4, 8), (h, c))
                out.pow(2).mean().backward()  # through time
        """,
        """\
        def run():
            rnn = nn.LSTM(8, 8)
            h = c = torch.zeros(1, 4, 8)
            for _ in range(3):
                out, (h, c) = rnn(torch.randn(5, 4, 8), (h, c))
                out.pow(2).mean().backward()  # through time
                h = h.detach()
                c = c.detach()
        """,
    ),
    "a state that gets its name after the backward": (
        """\
        def run():
            cell = nn.GRUCell(8, 8)
            state = torch.zeros(4, 8)
            for _ in range(3):
                new = cell(torch.randn(4, 8), state)
                new.pow(2).mean().backward()
                state = new
        """,
        """\
        def run():
            cell = nn.GRUCell(8, 8)
            state = torch.zeros(4, 8)
            for _ in range(3):
                new = cell(torch.randn(4, 8), state)
                new.pow(2).mean().backward()
                state = new
                state = state.detach()
        """,
    ),
    "the same loss twice": (
        """\
        def run():
            loss = nn.Linear(8, 3)(torch.randn(4, 8)).exp().sum()
            loss.backward()
            loss.backward()  # again
        """,
        """\
        def run():
            loss = nn.Linear(8, 3)(torch.randn(4, 8)).exp().sum()
            loss.backward()
            # again
        """,
    ),
    "a leaf made in the middle of an expression": (
        """\
        def run():
            noise = 0.1 * torch.rand(4, 8, requires_grad=True, dtype=torch.float64) + 1
            return torch.optim.SGD([noise], lr=0.1)
        """,
        """\
        def run():
            noise = (0.1 * torch.rand(4, 8, dtype=torch.float64) + 1).requires_grad_()
            return torch.optim.SGD([noise], lr=0.1)
        """,
    ),
    "a leaf that is an argument of something else": (
        """\
        def run(net=nn.Linear(8, 3)):
            score = F.relu(torch.randn(4, 8, requires_grad=True))
            score.sum().backward()
            return score.grad
        """,
        """\
        def run(net=nn.Linear(8, 3)):
            score = F.relu(torch.randn(4, 8, requires_grad=True))
            score.retain_grad()
            score.sum().backward()
            return score.grad
        """,
    ),
    "tensors of a list that are moved and dropped": (
        """\
        def run(device):
            tensors = [torch.ones(3), torch.zeros(3)]
            for one in tensors:
                one.to(device)
            return tensors
        """,
        None,
    ),
    "a grad mode dropped before training": (
        """\
        def run(loader):
            net = nn.Linear(8, 3)
            torch.no_grad()
            for x, y in loader:
                F.cross_entropy(net(x), y).backward()
        """,
        None,
    ),
    "a grad mode that goes over strings and comments": (
        """\
        def run(loader):
            net = nn.Linear(8, 3).eval()
            torch.no_grad()  # no graphs
            # one by one
            for x, y in loader:
                print(\"\"\"
        as it is\"\"\", net(x))

            return 1
        """,
        """\
        def run(loader):
            net = nn.Linear(8, 3).eval()
            with torch.no_grad():  # no graphs
                # one by one
                for x, y in loader:
                    print(\"\"\"
        as it is\"\"\", net(x))

                return 1
        """,
    ),
    "a total that somebody goes on with": (
        """\
        def run(loader):
            net = nn.Linear(8, 3)
            total = 0.0
            for x, y in loader:
                net.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                total += loss * x.size(0)
            print(total.item())
        """,
        """\
        def run(loader):
            net = nn.Linear(8, 3)
            total = 0.0
            for x, y in loader:
                net.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                total += loss.detach() * x.size(0)
            print(total.item())
        """,
    ),
    "dropout in functions of other kinds": (
        """\
        class Net(nn.Module):
            def forward(me, x):
                return F.dropout(
                    me.noise(x),
                    p=0.1,
                )

            @staticmethod
            def mask(x):
                return F.dropout(x)

            def noise(self, x):
                return (lambda x: F.dropout(self.mask(x), 0.2))(x)
        """,
        """\
        class Net(nn.Module):
            def forward(me, x):
                return F.dropout(
                    me.noise(x),
                    p=0.1, training=me.training,
                )

            @staticmethod
            def mask(x):
                return F.dropout(x)

            def noise(self, x):
                return (lambda x: F.dropout(self.mask(x), 0.2, training=self.training))(x)
        """,
    ),
}


@pytest.mark.parametrize(("before", "expected"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function(before: str, expected: str | None) -> None:
    before = textwrap.dedent(before)
    assert after(before) == (before if expected is None else textwrap.dedent(expected))


SAFETY = {
    "before the backward": (loop("F.mse_loss(net(x), y).backward()\noptimizer.step()\n"), "TML301", "safe"),
    "after a step that is not always taken": (
        loop("F.mse_loss(net(x), y).backward()\nif i % n == 0:\n    optimizer.step()\n"),
        "TML301",
        "unsafe",
    ),
    "moved before the backward": (
        loop("F.mse_loss(net(x), y).backward()\noptimizer.zero_grad()\noptimizer.step()\n"),
        "TML302",
        "safe",
    ),
    "the clearing of each parameter": (
        loop("F.mse_loss(net(x), y).backward()\nfor p in net.parameters():\n    p.grad = None\noptimizer.step()\n"),
        "TML302",
        "safe",
    ),
    "a clearing among other things": (
        loop(
            "F.mse_loss(net(x), y).backward()\nfor p in net.parameters():\n    print(p.grad)\n    p.grad = None\n"
            "optimizer.step()\n"
        ),
        "TML302",
        None,
    ),
    "parentheses": ("net = nn.Dropout()\nnet.eval\n", "TML501", "safe"),
    "a tensor that is dropped": (
        "def move(device):\n    x = torch.ones(3)\n    x.to(device)\n    return x\n",
        "TML501",
        "unsafe",
    ),
    "a layer made in forward": (
        "class Net(nn.Module):\n    def forward(self, x):\n        return nn.Dropout(0.5)(x)\n",
        "TML103",
        "unsafe",
    ),
    "dropout in a function that is called twice": (
        """\
def noisy(x):
    return F.dropout(x)


class Net(nn.Module):
    def forward(self, x):
        return noisy(noisy(x))
""",
        "TML103",
        None,
    ),
    "a leaf that is expanded": (
        "x = torch.ones(1, requires_grad=True).expand(4)\noptimizer = torch.optim.SGD([x], lr=0.1)\n",
        "TML402",
        None,
    ),
    "a leaf that is used before it is lost": (
        "x = torch.ones(1, requires_grad=True)\ny = x * 2\nx = x.double()\noptimizer = torch.optim.SGD([x], lr=0.1)\n",
        "TML402",
        None,
    ),
    "a leaf that is lost on the next line": (
        "x = torch.ones(1, requires_grad=True)\nx = x.double()\noptimizer = torch.optim.SGD([x], lr=0.1)\n",
        "TML402",
        "unsafe",
    ),
}


@pytest.mark.parametrize(("text", "code", "expected"), SAFETY.values(), ids=SAFETY)
def test_how_far_a_fix_may_go(text: str, code: str, expected: str | None) -> None:
    found = only_fix(text, code)
    assert (None if found is None else str(found)) == expected
