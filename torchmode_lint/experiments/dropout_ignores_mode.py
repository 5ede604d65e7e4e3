"""A Transformer whose dropout has not been told of the mode."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it
from torch import nn

from torchmode_lint.experiments.data import windows
from torchmode_lint.experiments.experiment import Claim, Experiment, Figures
from torchmode_lint.experiments.measures import spread
from torchmode_lint.experiments.models import Attention, Forgetful
from torchmode_lint.experiments.training import trained_attention


def measured(model: nn.Module) -> list[float]:
    """The loss on the first windows, in eval mode, five times."""
    batches, characters = windows()
    model.eval()
    losses = []
    with torch.no_grad():
        for _ in range(5):
            each = [F.cross_entropy(model(x).reshape(-1, characters), y.reshape(-1)) for x, y in batches[:8]]
            losses.append(torch.stack(each).mean().item())
    return losses


def broken() -> Figures:
    _, characters = windows()
    model = Forgetful(characters)
    trained_attention(model)
    losses = measured(model)
    return {"spread": spread(losses), "loss in eval mode": losses}


def good() -> Figures:
    _, characters = windows()
    model = Attention(characters)
    trained_attention(model)
    losses = measured(model)
    return {"spread": spread(losses), "loss in eval mode": losses}


EXPERIMENT = Experiment(
    "TML103",
    "dropout-ignores-mode",
    "A small Transformer on the text of Python's help: its loss in eval mode, measured five times.",
    broken,
    good,
    (Claim("spread", "nats between the highest and the lowest loss", (1e-4, 100), (0, 0)),),
)
