"""Training that goes on in eval mode after the first evaluation."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it
from torch import nn

from torchmode_lint.experiments.data import digit_loaders
from torchmode_lint.experiments.experiment import Claim, Experiment, Figures
from torchmode_lint.experiments.measures import percent_right, statistics
from torchmode_lint.experiments.models import Convolutional

EPOCHS = 5


def evaluate(model: nn.Module) -> float:
    _, test_loader = digit_loaders()
    model.eval()
    with torch.no_grad():
        scores = torch.cat([model(images) for images, _ in test_loader])
    return percent_right(scores, torch.cat([labels for _, labels in test_loader]))


def broken() -> Figures:
    train_loader, _ = digit_loaders()
    model = Convolutional()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    model.train()
    accuracy, moved = [], []
    for _ in range(EPOCHS):
        before = statistics(model)
        for images, labels in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
        moved.append((statistics(model) - before).norm().item())
        accuracy.append(evaluate(model))
    return {"moved": sum(moved[1:]), "accuracy": accuracy, "statistics by epoch": moved, "last": accuracy[-1]}


def good() -> Figures:
    train_loader, _ = digit_loaders()
    model = Convolutional()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    accuracy, moved = [], []
    for _ in range(EPOCHS):
        before = statistics(model)
        model.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
        moved.append((statistics(model) - before).norm().item())
        accuracy.append(evaluate(model))
    return {"moved": sum(moved[1:]), "accuracy": accuracy, "statistics by epoch": moved, "last": accuracy[-1]}


EXPERIMENT = Experiment(
    "TML102",
    "mode-not-restored",
    "A CNN with batch norm and dropout on the digits, evaluated after each epoch: what trains in the next ones.",
    broken,
    good,
    (
        Claim("moved", "change of the running statistics after epoch one", (0, 0), (0.1, 1e6)),
        Claim("last", "percent right after the same training", (0, 100), (93, 100)),
    ),
)
