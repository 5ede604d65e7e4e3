"""`model.eval` without its parentheses."""

from __future__ import annotations

import torch

from torchmode_lint.experiments.data import digit_loaders
from torchmode_lint.experiments.experiment import Claim, Experiment, Figures
from torchmode_lint.experiments.measures import percent_right, spread
from torchmode_lint.experiments.models import Convolutional
from torchmode_lint.experiments.training import trained_classifier


def broken() -> Figures:
    model = Convolutional()
    trained_classifier(model, epochs=1)
    model.eval  # noqa: B018 - the mistake
    _, test_loader = digit_loaders()
    measured = []
    for _ in range(5):
        with torch.no_grad():
            scores = torch.cat([model(images) for images, _ in test_loader])
        measured.append(percent_right(scores, torch.cat([labels for _, labels in test_loader])))
    return {"spread": spread(measured), "accuracy": measured}


def good() -> Figures:
    model = Convolutional()
    trained_classifier(model, epochs=1)
    model.eval()
    _, test_loader = digit_loaders()
    measured = []
    for _ in range(5):
        with torch.no_grad():
            scores = torch.cat([model(images) for images, _ in test_loader])
        measured.append(percent_right(scores, torch.cat([labels for _, labels in test_loader])))
    return {"spread": spread(measured), "accuracy": measured}


EXPERIMENT = Experiment(
    "TML501",
    "no-effect-statement",
    "A CNN on the digits after `model.eval` without parentheses: its accuracy, measured five times.",
    broken,
    good,
    (Claim("spread", "points between the best and the worst of five measurements", (0.25, 100), (0, 0)),),
)
