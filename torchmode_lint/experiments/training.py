"""The training loops that several experiments share, right ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it
from torch import nn

from torchmode_lint.experiments.data import digit_loaders, windows


def trained_classifier(model: nn.Module, epochs: int) -> list[float]:
    """Train a model on the digits; the mean loss of each epoch."""
    train_loader, _ = digit_loaders()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    model.train()
    for _ in range(epochs):
        total = 0.0
        for images, labels in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
        losses.append(total / len(train_loader))
    return losses


def trained_attention(model: nn.Module) -> None:
    """Train a Transformer to tell the next character, once over the text."""
    batches, characters = windows()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    model.train()
    for text, following in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(text).reshape(-1, characters), following.reshape(-1))
        loss.backward()
        optimizer.step()
