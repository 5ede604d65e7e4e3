"""A gradient that is read where torch does not keep it."""

from __future__ import annotations

import warnings

import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it

from torchmode_lint.experiments.data import digit_loaders
from torchmode_lint.experiments.experiment import Claim, Experiment, Figures
from torchmode_lint.experiments.models import Convolutional


def refused() -> float:
    """Whether an optimizer takes a tensor that was computed."""
    start = torch.randn(1, 1, 8, 8, requires_grad=True) * 0.1
    try:
        torch.optim.Adam([start])
    except ValueError as error:
        return float("non-leaf" in str(error))
    return 0.0


def broken() -> Figures:
    model = Convolutional().eval()
    loaded, labels = next(iter(digit_loaders()[0]))
    images = torch.tensor(loaded.numpy(), requires_grad=True)
    scaled = (images - 0.5) / 0.5
    F.cross_entropy(model(scaled), labels).backward()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        slope = scaled.grad
    warned = float(any("not a leaf Tensor" in str(each.message) for each in caught))
    return {"gradient": 0.0 if slope is None else slope.norm().item(), "warned": warned, "refused": refused()}


def good() -> Figures:
    model = Convolutional().eval()
    loaded, labels = next(iter(digit_loaders()[0]))
    images = torch.tensor(loaded.numpy(), requires_grad=True)
    scaled = (images - 0.5) / 0.5
    scaled.retain_grad()
    F.cross_entropy(model(scaled), labels).backward()
    slope = scaled.grad
    torch.optim.Adam([(torch.randn(1, 1, 8, 8) * 0.1).requires_grad_()])
    return {"gradient": 0.0 if slope is None else slope.norm().item(), "warned": 0.0, "refused": 0.0}


EXPERIMENT = Experiment(
    "TML402",
    "nonleaf-grad",
    "The gradient of a CNN's loss with respect to normalised digits, and an optimizer given a computed tensor.",
    broken,
    good,
    (
        Claim("gradient", "norm of the gradient that is read", (0, 0), (1e-6, 1e6)),
        Claim("warned", "warnings by torch", (1, 1), (0, 0)),
        Claim("refused", "refusals by the optimizer", (1, 1), (0, 0)),
    ),
)
