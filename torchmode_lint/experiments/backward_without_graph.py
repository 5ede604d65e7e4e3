"""A backward from a loss that was cut off from what made it."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it

from torchmode_lint.experiments.data import digit_loaders
from torchmode_lint.experiments.experiment import Claim, Experiment, Figures
from torchmode_lint.experiments.measures import weights
from torchmode_lint.experiments.models import Convolutional


def broken() -> Figures:
    """The error that torch raises, and what is trained when the loss is wrapped so that it does not."""
    train_loader, _ = digit_loaders()
    model = Convolutional()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    images, labels = next(iter(train_loader))
    loss = F.cross_entropy(model(images).detach(), labels)
    try:
        loss.backward()
        raised = 0.0
    except RuntimeError as error:
        raised = float("does not require grad" in str(error))
    before = weights(model)
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = torch.tensor(F.cross_entropy(model(images), labels).item(), requires_grad=True)
        loss.backward()
        optimizer.step()
    return {"raised": raised, "changed": (weights(model) - before).norm().item()}


def good() -> Figures:
    train_loader, _ = digit_loaders()
    model = Convolutional()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = weights(model)
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
    return {"raised": 0.0, "changed": (weights(model) - before).norm().item()}


EXPERIMENT = Experiment(
    "TML202",
    "backward-without-graph",
    "A CNN on the digits whose loss is detached, or wrapped into a new tensor: an error, or nothing is trained.",
    broken,
    good,
    (
        Claim("raised", "errors raised by torch", (1, 1), (0, 0)),
        Claim("changed", "change of the weights", (0, 0), (0.1, 1e6)),
    ),
)
