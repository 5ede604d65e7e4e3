"""The facts of torch behind the rules, measured: each is a sentence, the number found and the bounds it must lie in."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it
from torch import Tensor, nn

from torchmode_lint.experiments.data import digits
from torchmode_lint.experiments.measures import gradients

SAMPLES = 16


@dataclass(frozen=True, slots=True)
class Fact:
    """What is claimed, how it is measured, and the bounds (inclusive) of the number if it is true."""

    claim: str
    measure: Callable[[], float]
    bounds: tuple[float, float]


def backward_adds() -> float:
    """The gradient after two backwards over that after one."""
    x = torch.ones(3, requires_grad=True)
    (x * x).sum().backward()
    assert x.grad is not None
    once = x.grad.clone()
    (x * x).sum().backward()
    return (x.grad / once).mean().item()


def grad_fn_of_leaves() -> float:
    """How many of a model's parameters have a `grad_fn`."""
    return float(sum(parameter.grad_fn is not None for parameter in nn.Linear(3, 2).parameters()))


def graph_without_requires_grad() -> float:
    """How many of a result without, and a result with an input that requires grad, have a graph."""
    x = torch.ones(3)
    return float((x * 2).grad_fn is not None) + 10 * float((x.requires_grad_() * 2).grad_fn is not None)


def nonleaf_grad(retained: bool) -> float:
    """Whether a computed tensor has a gradient after the backward."""
    y = torch.ones(3, requires_grad=True) * 2
    if retained:
        y.retain_grad()
    y.sum().backward()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of the very thing that is measured
        return float(y.grad is not None)


def model(batch_norm: bool) -> nn.Sequential:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(32) if batch_norm else nn.Identity()
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), norm, nn.ReLU(), nn.Linear(32, 10))


def distance_from_batch(reduction: str, *, batch_norm: bool, divided: bool, size: int = 1) -> float:
    """The relative distance between the gradient of a batch and the sum over its parts of `size` samples.

    `divided`: the loss of each part is divided by the number of parts.
    """
    images, labels = (part[:SAMPLES] for part in digits()[0].tensors)

    def gradient(batches: list[tuple[Tensor, Tensor]], share: float) -> Tensor:
        net = model(batch_norm)
        for x, y in batches:
            (F.cross_entropy(net(x), y, reduction=reduction) * share).backward()
        return gradients(net)

    parts = list(zip(images.split(size), labels.split(size), strict=True))
    whole = gradient([(images, labels)], 1.0)
    summed = gradient(parts, 1 / len(parts) if divided else 1.0)
    return ((summed - whole).norm() / whole.norm()).item()


SAME, DIFFERENT = (0.0, 1e-4), (0.05, 1e6)
FACTS = (
    Fact("`backward` adds to `.grad`: after the second it is twice that of the first", backward_adds, (2, 2)),
    Fact("`grad_fn` is None on leaves: parameters with one", grad_fn_of_leaves, (0, 0)),
    Fact("a graph needs an input that requires grad (10: only then)", graph_without_requires_grad, (10, 10)),
    Fact("a computed tensor keeps no gradient", lambda: nonleaf_grad(False), (0, 0)),
    Fact("after `retain_grad()` it does", lambda: nonleaf_grad(True), (1, 1)),
    Fact(
        "sum of losses, sample by sample: the accumulated gradient is the batch's",
        lambda: distance_from_batch("sum", batch_norm=False, divided=False),
        SAME,
    ),
    Fact(
        "mean of losses, sample by sample: it is not, being larger by the number of samples",
        lambda: distance_from_batch("mean", batch_norm=False, divided=False),
        (SAMPLES - 1.001, SAMPLES - 0.999),
    ),
    Fact(
        "mean of losses, each divided by the number of samples: it is the batch's",
        lambda: distance_from_batch("mean", batch_norm=False, divided=True),
        SAME,
    ),
    Fact(
        "with batch norm in train mode it is not, even so (four samples at a time)",
        lambda: distance_from_batch("mean", batch_norm=True, divided=True, size=4),
        DIFFERENT,
    ),
    Fact(
        "nor with a sum (four samples at a time)",
        lambda: distance_from_batch("sum", batch_norm=True, divided=False, size=4),
        DIFFERENT,
    ),
)
