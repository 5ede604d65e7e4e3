"""States that are kept apart, at a block or on the paths through it, and which to join where there are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchmode_lint.analysis import values as v
from torchmode_lint.protocol import Gradients

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.analysis.state import Signature

MAX_FRAMES = 6


def nearest(signatures: list[Signature], wanted: Signature) -> int:
    """Of the partitions, the one that is the least lost by joining: first of all in the same turn of the loops."""

    def distance(index: int) -> tuple[bool, bool, int, int]:
        one = signatures[index]
        apart = len(one.heap ^ wanted.heap) + (one.grad is not wanted.grad)
        return (one.turns != wanted.turns, _optimizers(one) != _optimizers(wanted), apart, -index)

    return min(range(len(signatures)), key=distance)


def _optimizers(signature: Signature) -> frozenset[object]:
    return frozenset(entry for entry in signature.heap if isinstance(entry[1], Gradients))


def merged(frames: list[Frame]) -> list[Frame]:
    """As many frames as signatures, or one."""
    by_signature: dict[Signature, Frame] = {}
    for frame in frames:
        signature = frame.state.signature()
        kept = by_signature.get(signature)
        if kept is None and len(by_signature) >= MAX_FRAMES:
            kept = next(iter(by_signature.values()))
        if kept is None:
            by_signature[signature] = frame
            continue
        kept.state.join(frame.state)
        for register, value in frame.regs.items():
            kept.regs[register] = v.join(kept.regs.get(register, v.EMPTY), value)
    return list(by_signature.values())
