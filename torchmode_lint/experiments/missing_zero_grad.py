"""Steps on the sum of all gradients since the beginning."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it
from torch import Tensor, nn

from torchmode_lint.experiments.data import digit_loaders, digits
from torchmode_lint.experiments.experiment import Claim, Experiment, Figures
from torchmode_lint.experiments.measures import gradients, percent_right
from torchmode_lint.experiments.models import Convolutional

STEPS = 84


def fresh(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The gradient of one batch alone, without touching `.grad`."""
    model.eval()
    found = torch.autograd.grad(F.cross_entropy(model(images), labels), list(model.parameters()))
    return torch.cat([one.flatten() for one in found])


def accuracy(model: nn.Module) -> float:
    test = digits()[1]
    images, labels = test.tensors
    with torch.no_grad():
        return percent_right(model(images), labels)


def broken() -> Figures:
    model = Convolutional().eval()  # no dropout, so that a gradient can be computed twice
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    summed, apart = torch.zeros(1), []
    losses: list[float] = []
    while len(losses) < STEPS:
        for images, labels in digit_loaders()[0]:
            summed = summed + fresh(model, images, labels)
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            apart.append(((gradients(model) - summed).norm() / summed.norm()).item())
            optimizer.step()
            losses.append(loss.item())
    return {"from the sum": max(apart), "loss": losses, "right": accuracy(model)}


def good() -> Figures:
    model = Convolutional().eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    summed, apart = torch.zeros(1), []
    losses: list[float] = []
    while len(losses) < STEPS:
        for images, labels in digit_loaders()[0]:
            summed = summed + fresh(model, images, labels)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            apart.append(((gradients(model) - summed).norm() / summed.norm()).item())
            optimizer.step()
            losses.append(loss.item())
    return {"from the sum": max(apart), "loss": losses, "right": accuracy(model)}


EXPERIMENT = Experiment(
    "TML301",
    "missing-zero-grad",
    "A CNN on the digits: the gradient at step k beside the sum of the first k, and where it leads.",
    broken,
    good,
    (
        Claim("from the sum", "relative distance of the gradient from the sum of all so far", (0, 1e-3), (0.2, 10)),
        Claim("right", "percent right after the same training", (0, 50), (75, 100)),
    ),
)
