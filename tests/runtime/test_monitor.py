"""The monitor on the fixtures: it sees what is marked, changes nothing, holds nothing, and leaves no trace."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import io
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it
from torch import nn
from torch.optim import optimizer as optimizer_hooks

from commands import FIXTURES
from markers import Kind, parse_markers
from test_fixtures_run import call, shapes
from torchmode_lint.runtime.monitor import Monitor, StepLimit
from torchmode_lint.runtime.observed import Observed

RULES = sorted(path.parent.name for path in FIXTURES.glob("*/bad.py"))
# marked lines whose bug the monitor cannot see, and why
UNSEEN = {
    "missing_zero_grad": {163: "descent by hand, without an optimizer", 202: "the jump is not taken with this data"},
}
# a statement without an effect cannot be seen to have none; the others are seen elsewhere in a shape: tests below
NOT_HERE = {"TML501", "TML403", "TML202", "TML103"}


@cache
def observe(path: Path, function: Callable[..., Any]) -> Observed:
    monitor = Monitor(lambda name: name == str(path))
    with monitor, contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
        call(function)
    return monitor.observed()


def called(path: Path) -> set[int]:
    """The lines of a fixture that some shape can reach: those of functions that are called with what they need."""
    reached: set[int] = set()
    for _, function in shapes(path):
        reached |= {place.line for one in observe(path, function).forwards for place in one.chain}
        reached |= {place.line for one in observe(path, function).gradients for place in one.chain}
    return reached


@pytest.mark.parametrize("rule", RULES)
def test_what_is_marked_is_seen(rule: str) -> None:
    path = FIXTURES / rule / "bad.py"
    seen = {
        (place.line, move.code)
        for _, function in shapes(path)
        for move in observe(path, function).broken
        for place in move.chain
    }
    reached = called(path)
    missing = {
        (marker.line, marker.code)
        for marker in parse_markers(path.read_text())
        if marker.kind is Kind.ERROR
        and marker.code not in NOT_HERE
        and marker.line in reached
        and marker.line not in UNSEEN.get(rule, {})
    } - seen
    assert not missing


@pytest.mark.parametrize(("rule", "code"), [("graph_leak", "TML403"), ("backward_without_graph", "TML202")])
def test_a_bad_shape_is_seen_to_break_its_rule(rule: str, code: str) -> None:
    path = FIXTURES / rule / "bad.py"
    marked = {marker.line for marker in parse_markers(path.read_text()) if marker.code == code}
    silent = []
    for name, function in shapes(path):
        first = function.__code__.co_firstlineno
        own = range(first, max(line or 0 for *_, line in function.__code__.co_lines()) + 1)
        if marked & set(own) and not any(move.code == code for move in observe(path, function).broken):
            silent.append(name)
    assert silent in ([], ["backward_of_a_number"])  # a number raises Python's error, not torch's


def test_dropout_that_ignores_the_mode_is_seen_where_it_drops() -> None:
    path = FIXTURES / "dropout_ignores_mode" / "bad.py"
    spec = importlib.util.spec_from_file_location("dropout_seen", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with Monitor(lambda name: name == str(path)) as monitor:
        spec.loader.exec_module(module)  # what it imports from torch by name is watched, too
        module.evaluate_all()
    seen = {move.chain[0].line for move in monitor.observed().broken if move.code == "TML103"}
    marked = {marker.line for marker in parse_markers(path.read_text()) if marker.kind is Kind.ERROR}
    assert marked - seen == {63, 92}  # made there and called a line later; drops nothing, but in train mode


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))


def train(model: nn.Module, steps: int = 5) -> list[float]:
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(torch.randn(8, 4)), torch.randint(0, 2, (8,)))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def watched() -> Monitor:
    return Monitor(lambda name: name == __file__)


def test_a_watched_training_gives_the_same_numbers() -> None:
    plain = train(net())
    with watched():
        assert train(net()) == plain


def test_everything_is_put_back() -> None:
    def state() -> list[object]:
        hooks = torch.nn.modules.module
        return [
            torch.autograd.backward,
            torch.autograd.grad,
            torch.Tensor.grad,
            torch.Tensor.zero_,
            "zero_" in vars(torch.Tensor),
            torch.optim.Optimizer.zero_grad,
            torch.optim.Optimizer.add_param_group,
            nn.Module.zero_grad,
            F.dropout,
            F.scaled_dot_product_attention,
            len(hooks._global_forward_hooks),
            len(hooks._global_forward_pre_hooks),
            len(optimizer_hooks._global_optimizer_pre_hooks),
            len(optimizer_hooks._global_optimizer_post_hooks),
        ]

    before = state()
    with pytest.raises(KeyError), watched():
        assert state() != before
        raise KeyError
    assert state() == before


def test_no_tensor_and_no_graph_is_kept_alive() -> None:
    with watched() as monitor:
        model = net()
        out = model(torch.randn(8, 4))
        loss = out.square().mean()
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        graph = loss.grad_fn
        assert graph is not None
        ends = [weakref.ref(one) for one in (model, out, loss, next(model.parameters()))]
        del model, out, loss, graph
        gc.collect()
        assert [end() for end in ends] == [None] * len(ends)
        assert monitor.observed().forwards[0].trained == 1


def test_a_forward_knows_at_the_end_whether_it_was_trained() -> None:
    with watched() as monitor:
        model = net()
        train(model, 3)
        model.eval()
        with torch.no_grad():
            model(torch.randn(8, 4))
    counts = [(one.mode.name, one.trained, one.evaluated) for one in monitor.observed().forwards]
    assert counts == [("TRAIN", 3, 0), ("EVAL", 0, 1)]


def test_the_program_is_stopped_after_its_steps() -> None:
    monitor = Monitor(lambda name: name == __file__, steps=2)
    with pytest.raises(StepLimit), monitor:
        train(net(), 10)
    assert monitor.steps == 2


def test_the_checkers_states_hold_what_was_observed_as_json() -> None:
    with watched() as monitor:
        train(net(), 2)
    observed = monitor.observed()
    assert Observed.from_json(observed.to_json()) == observed
