"""Real data that ships with packages: handwritten digits from scikit-learn, English text from Python's own help."""

from __future__ import annotations

from functools import cache

import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

TRAIN_IMAGES = 1400  # of 1,797 images, 8 by 8 pixels each
TEXT_CHARACTERS = 20_000


@cache
def digits() -> tuple[TensorDataset, TensorDataset]:
    """Training and test set: images of shape (1, 8, 8) with values from 0 to 1, and their digits."""
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    y = torch.tensor(labels)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    first, last = order[:TRAIN_IMAGES], order[TRAIN_IMAGES:]
    return TensorDataset(x[first], y[first]), TensorDataset(x[last], y[last])


def digit_loaders(batch: int = 50) -> tuple[DataLoader[object], DataLoader[object]]:
    """Batches of the training set, shuffled from a fixed seed, and of the test set."""
    train, test = digits()
    shuffle = torch.Generator().manual_seed(1)
    return DataLoader(train, batch, shuffle=True, generator=shuffle), DataLoader(test, batch)


@cache
def text() -> tuple[torch.Tensor, int]:
    """The text of Python's help topics as numbers of characters, shape (TEXT_CHARACTERS,), and how many there are."""
    from pydoc_data import topics

    words = "\n".join(str(topics.topics[name]) for name in sorted(topics.topics))[:TEXT_CHARACTERS]
    alphabet = {character: number for number, character in enumerate(sorted(set(words)))}
    return torch.tensor([alphabet[character] for character in words]), len(alphabet)


def windows(length: int = 32, batch: int = 16) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], int]:
    """Consecutive windows of the text, `batch` streams side by side: (batch, length) each, and the next characters."""
    numbers, characters = text()
    streams = numbers[: len(numbers) // batch * batch].reshape(batch, -1)
    starts = range(0, streams.shape[1] - length - 1, length)
    return [(streams[:, at : at + length], streams[:, at + 1 : at + length + 1]) for at in starts], characters
