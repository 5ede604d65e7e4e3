"""Steps with no backward before them."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it

from torchmode_lint.experiments.data import digit_loaders
from torchmode_lint.experiments.experiment import Claim, Experiment, Figures
from torchmode_lint.experiments.measures import weights
from torchmode_lint.experiments.models import Convolutional


def broken() -> Figures:
    model = Convolutional()
    optimizer = torch.optim.Adam(model.parameters())
    before, losses = weights(model), []
    for images, labels in digit_loaders()[0]:
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        optimizer.step()
        losses.append(loss.item())
    return {"changed": (weights(model) - before).norm().item(), "loss": losses}


def good() -> Figures:
    model = Convolutional()
    optimizer = torch.optim.Adam(model.parameters())
    before, losses = weights(model), []
    for images, labels in digit_loaders()[0]:
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"changed": (weights(model) - before).norm().item(), "loss": losses}


EXPERIMENT = Experiment(
    "TML303",
    "step-without-gradients",
    "A CNN on the digits, the backward forgotten: what an epoch of steps changes.",
    broken,
    good,
    (Claim("changed", "change of the weights", (0, 0), (0.1, 1e6)),),
)
