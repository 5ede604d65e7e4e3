"""Accuracy that is measured with dropout and batch statistics still on."""

from __future__ import annotations

import torch
from torch import nn

from torchmode_lint.experiments.data import digit_loaders
from torchmode_lint.experiments.experiment import Claim, Experiment, Figures
from torchmode_lint.experiments.measures import percent_right, spread, statistics
from torchmode_lint.experiments.models import Convolutional
from torchmode_lint.experiments.training import trained_classifier


def accuracy(model: nn.Module, batch: int) -> float:
    _, test_loader = digit_loaders(batch)
    with torch.no_grad():
        scores = torch.cat([model(images) for images, _ in test_loader])
    return percent_right(scores, torch.cat([labels for _, labels in test_loader]))


def broken() -> Figures:
    model = Convolutional()
    trained_classifier(model, epochs=3)
    before = statistics(model)
    measured = [accuracy(model, 50) for _ in range(8)]
    moved = (statistics(model) - before).norm().item()
    return {"spread": spread(measured), "moved": moved, "accuracy": measured, "alone": accuracy(model, 1)}


def good() -> Figures:
    model = Convolutional()
    trained_classifier(model, epochs=3)
    before = statistics(model)
    model.eval()
    measured = [accuracy(model, 50) for _ in range(8)]
    moved = (statistics(model) - before).norm().item()
    return {"spread": spread(measured), "moved": moved, "accuracy": measured, "alone": accuracy(model, 1)}


EXPERIMENT = Experiment(
    "TML101",
    "missing-eval",
    "A CNN with batch norm and dropout on the digits: its accuracy on the same test set, measured eight times.",
    broken,
    good,
    (
        Claim("spread", "points between the best and the worst of eight measurements", (0.25, 100), (0, 0)),
        Claim("moved", "change of the running statistics by test data", (0.01, 1e6), (0, 0)),
        Claim("alone", "percent right, one image at a time", (0, 90), (93, 100)),
    ),
)
