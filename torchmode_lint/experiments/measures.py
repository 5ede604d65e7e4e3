"""What the experiments measure of their models: accuracy, change of numbers, memory that a graph holds."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def percent_right(scores: Tensor, labels: Tensor) -> float:
    """The share of rows whose highest score is at the label, in percent."""
    return 100 * (scores.argmax(1) == labels).float().mean().item()


def statistics(model: nn.Module) -> Tensor:
    """All running means and variances of a model, in one vector."""
    return torch.cat([buffer.flatten() for name, buffer in model.named_buffers() if "running" in name]).clone()


def weights(model: nn.Module) -> Tensor:
    """All parameters of a model in one vector."""
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def gradients(model: nn.Module) -> Tensor:
    """All gradients of a model in one vector."""
    return torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None]).clone()


def spread(values: Iterable[float]) -> float:
    """The largest minus the smallest."""
    numbers = list(values)
    return max(numbers) - min(numbers)


class Saved:
    """Bytes of tensors that graphs have saved for their backward: `now` alive, and `total` ever."""

    def __init__(self) -> None:
        self.now = 0
        self.total = 0

    def _gone(self, size: int) -> None:
        self.now -= size


class _Packed:
    """What a graph holds in the place of a saved tensor."""

    __slots__ = ("__weakref__", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


@contextmanager
def saved_bytes() -> Iterator[Saved]:
    """Counts what the graphs made inside save for their backward."""
    saved = Saved()

    def pack(tensor: Tensor) -> _Packed:
        packed, size = _Packed(tensor.detach()), tensor.numel() * tensor.element_size()
        saved.now += size
        saved.total += size
        weakref.finalize(packed, saved._gone, size)
        return packed

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda packed: packed.tensor):
        yield saved
