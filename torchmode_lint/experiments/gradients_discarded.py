"""A GAN whose generator never learns: its gradients are cleared before its step."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it

from torchmode_lint.experiments.data import digit_loaders
from torchmode_lint.experiments.experiment import Claim, Experiment, Figures
from torchmode_lint.experiments.measures import weights
from torchmode_lint.experiments.models import critic, generator


def broken() -> Figures:
    net_g, net_d = generator(), critic()
    optimizer_g = torch.optim.SGD(net_g.parameters(), lr=0.05)
    optimizer_d = torch.optim.SGD(net_d.parameters(), lr=0.05)
    before, losses = weights(net_g), []
    for images, _ in digit_loaders()[0]:
        fake = net_g(torch.randn(len(images), 16))
        optimizer_d.zero_grad()
        loss_d = F.softplus(-net_d(images.flatten(1))).mean() + F.softplus(net_d(fake.detach())).mean()
        loss_d.backward()
        optimizer_d.step()
        loss_g = F.softplus(-net_d(fake)).mean()
        loss_g.backward()
        optimizer_g.zero_grad()
        optimizer_g.step()
        losses.append(loss_g.item())
    return {"changed": (weights(net_g) - before).norm().item(), "loss of the generator": losses}


def good() -> Figures:
    net_g, net_d = generator(), critic()
    optimizer_g = torch.optim.SGD(net_g.parameters(), lr=0.05)
    optimizer_d = torch.optim.SGD(net_d.parameters(), lr=0.05)
    before, losses = weights(net_g), []
    for images, _ in digit_loaders()[0]:
        fake = net_g(torch.randn(len(images), 16))
        optimizer_d.zero_grad()
        loss_d = F.softplus(-net_d(images.flatten(1))).mean() + F.softplus(net_d(fake.detach())).mean()
        loss_d.backward()
        optimizer_d.step()
        loss_g = F.softplus(-net_d(fake)).mean()
        optimizer_g.zero_grad()
        loss_g.backward()
        optimizer_g.step()
        losses.append(loss_g.item())
    return {"changed": (weights(net_g) - before).norm().item(), "loss of the generator": losses}


EXPERIMENT = Experiment(
    "TML302",
    "gradients-discarded",
    "A small GAN on the digits, the generator's gradients cleared after its backward: what its steps change.",
    broken,
    good,
    (Claim("changed", "change of the generator's weights", (0, 0), (1e-3, 1e6)),),
)
