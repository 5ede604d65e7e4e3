"""An evaluation that records a graph nobody walks."""

from __future__ import annotations

import time

import torch

from torchmode_lint.experiments.data import digit_loaders
from torchmode_lint.experiments.experiment import Claim, Experiment, Figures
from torchmode_lint.experiments.measures import percent_right, saved_bytes
from torchmode_lint.experiments.models import Convolutional
from torchmode_lint.experiments.training import trained_classifier


def broken() -> Figures:
    model = Convolutional()
    trained_classifier(model, epochs=1)
    _, test_loader = digit_loaders()
    model.eval()
    right = []
    start = time.perf_counter()
    with saved_bytes() as saved:
        for images, labels in test_loader:
            right.append(percent_right(model(images), labels))
    return {"saved": saved.total / 2**20, "seconds": time.perf_counter() - start, "accuracy": right}


def good() -> Figures:
    model = Convolutional()
    trained_classifier(model, epochs=1)
    _, test_loader = digit_loaders()
    model.eval()
    right = []
    start = time.perf_counter()
    with saved_bytes() as saved, torch.no_grad():
        for images, labels in test_loader:
            right.append(percent_right(model(images), labels))
    return {"saved": saved.total / 2**20, "seconds": time.perf_counter() - start, "accuracy": right}


EXPERIMENT = Experiment(
    "TML201",
    "missing-no-grad",
    "A CNN on the digits: what its evaluation saves for a backward that never comes.",
    broken,
    good,
    (Claim("saved", "MiB saved for backward", (1, 1e6), (0, 0)),),
)
