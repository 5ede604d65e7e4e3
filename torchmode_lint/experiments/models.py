"""The models that are trained: small, and with the layers that real ones have."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - as torch's users write it
from torch import Tensor, nn


class Convolutional(nn.Module):
    """Images of shape (N, 1, 8, 8) to ten scores; with batch norm and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.dropout = nn.Dropout(0.5)
        self.scores = nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.scores(self.dropout(self.features(images).flatten(1)))


class Recurrent(nn.Module):
    """Characters of shape (N, T) and a state to scores of shape (N, T, characters) and the next state."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 32)
        self.lstm = nn.LSTM(32, 64, batch_first=True)
        self.scores = nn.Linear(64, characters)

    def forward(self, text: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        hidden, state = self.lstm(self.embedding(text), state)
        return self.scores(hidden), state


class Attention(nn.Module):
    """A small causal Transformer over characters of shape (N, T), with dropout that heeds the mode."""

    def __init__(self, characters: int, length: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 32)
        self.position = nn.Parameter(torch.zeros(length, 32))
        self.qkv = nn.Linear(32, 96)
        self.mix = nn.Linear(32, 32)
        self.norm = nn.LayerNorm(32)
        self.scores = nn.Linear(32, characters)

    def attend(self, x: Tensor) -> Tensor:
        """What each place takes from those before it, shape (N, T, 32)."""
        q, k, v = self.qkv(self.norm(x)).chunk(3, dim=-1)
        return self.mix(F.scaled_dot_product_attention(q, k, v, is_causal=True))

    def forward(self, text: Tensor) -> Tensor:
        x = self.embedding(text) + self.position
        x = x + F.dropout(self.attend(x), 0.2, training=self.training)
        return self.scores(x)


class Forgetful(Attention):
    """The same, whose dropout has not been told of the mode."""

    def forward(self, text: Tensor) -> Tensor:
        x = self.embedding(text) + self.position
        x = x + F.dropout(self.attend(x), 0.2)
        return self.scores(x)


def generator() -> nn.Sequential:
    """Noise of shape (N, 16) to images of shape (N, 64)."""
    return nn.Sequential(nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid())


def critic() -> nn.Sequential:
    """Images of shape (N, 64) to one score."""
    return nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
