"""A running total that holds on to the graph of every batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it

from torchmode_lint.experiments.data import digit_loaders
from torchmode_lint.experiments.experiment import Claim, Experiment, Figures
from torchmode_lint.experiments.measures import saved_bytes
from torchmode_lint.experiments.models import Convolutional


def broken() -> Figures:
    model = Convolutional()
    optimizer = torch.optim.Adam(model.parameters())
    held, penalties = [], 0.0
    with saved_bytes() as saved:
        for images, labels in digit_loaders()[0]:
            scores = model(images)
            penalties += scores.square().mean()
            optimizer.zero_grad()
            F.cross_entropy(scores, labels).backward()
            optimizer.step()
            held.append(saved.now / 2**10)
    return {"held": held[-1], "KiB held by batch": held}


def good() -> Figures:
    model = Convolutional()
    optimizer = torch.optim.Adam(model.parameters())
    held, penalties = [], 0.0
    with saved_bytes() as saved:
        for images, labels in digit_loaders()[0]:
            scores = model(images)
            penalties += scores.square().mean().item()
            optimizer.zero_grad()
            F.cross_entropy(scores, labels).backward()
            optimizer.step()
            held.append(saved.now / 2**10)
    return {"held": held[-1], "KiB held by batch": held}


EXPERIMENT = Experiment(
    "TML403",
    "graph-leak",
    "A CNN on the digits, a penalty summed up with its graph to be printed: the memory after each batch.",
    broken,
    good,
    (Claim("held", "KiB that graphs hold after the last batch", (40, 1e6), (0, 1)),),
)
