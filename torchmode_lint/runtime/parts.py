"""What of a live module depends on its mode, and in which mode those parts are.

The runtime's own answer to what `torchmode_lint.torch_api` says of torch's layers: a layer counts where its
settings let it do something (dropout of zero does nothing), and so does every class that reads `self.training`.
"""

from __future__ import annotations

import weakref
from functools import cache

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm

from torchmode_lint.protocol import Mode

NEITHER = Mode(0)


def mode_of(module: nn.Module) -> Mode:
    return Mode.TRAIN if module.training else Mode.EVAL


def depends_on_mode(module: nn.Module) -> bool:
    """Whether this very module, not its children, computes something else in the other mode."""
    if isinstance(module, _DropoutNd):
        return module.p > 0
    if isinstance(module, _BatchNorm | _InstanceNorm):
        return bool(module.track_running_stats)
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0 and module.num_layers > 1
    if isinstance(module, nn.MultiheadAttention):
        return module.dropout > 0
    if isinstance(module, nn.RReLU):
        return True
    return _reads_training(module.__class__)


@cache
def _reads_training(cls: type[object]) -> bool:
    """Whether a class, or what it is derived from outside torch, reads the flag."""
    bases = [base for base in cls.__mro__ if base.__module__.partition(".")[0] not in ("torch", "builtins")]
    codes = (getattr(method, "__code__", None) for base in bases for method in vars(base).values())
    return any(code is not None and "training" in code.co_names for code in codes)


class Parts:
    """The mode-dependent parts of each module, found once for a module."""

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[nn.Module, tuple[weakref.ref[nn.Module], ...]] = (
            weakref.WeakKeyDictionary()
        )

    def modes(self, module: nn.Module) -> Mode:
        """The modes that the mode-dependent parts of a module are in; none where it has no such part."""
        found = self._known.get(module)
        parts = [ref() for ref in found] if found is not None else [None]
        if any(part is None for part in parts):
            parts = [part for part in module.modules() if depends_on_mode(part)]
            self._known[module] = tuple(weakref.ref(part) for part in parts if part is not None)
        modes = NEITHER
        for part in parts:
            if part is not None:
                modes |= mode_of(part)
        return modes


def tensors_in(value: object) -> list[torch.Tensor]:
    """The tensors in a module's output, a few levels deep: tuples, lists, dicts and their like."""
    tensors: list[torch.Tensor] = []
    pending, seen = [value], 0
    while pending and seen < 64:
        one = pending.pop()
        seen += 1
        if isinstance(one, torch.Tensor):
            tensors.append(one)
        elif isinstance(one, dict):
            pending.extend(one.values())
        elif isinstance(one, list | tuple):
            pending.extend(one)
    return tensors
