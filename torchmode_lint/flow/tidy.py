"""The last step of lowering a code: which blocks are reached, without those that lowering left empty."""

from __future__ import annotations

from collections.abc import Iterator

from torchmode_lint.flow.cfg import Block, Branch, Jump, Next, Return, Suppress
from torchmode_lint.flow.events import Yield


def tidy(entry: Block) -> list[Block]:
    """The reachable blocks, numbered in reverse post-order.

    Bodies come before what follows them and handlers last. Jumps through empty blocks go straight to
    where those lead, and blocks that only follow one another are one; loop heads stay on their own.
    """
    arrivals = {entry: 1}
    blocks = _reverse_postorder(entry, arrivals)
    merged: set[Block] = set()
    for block in blocks:
        if block not in merged:
            while (following := _only_follower(block, arrivals)) is not None:
                block.events += following.events
                block.end = following.end
                merged.add(following)
    left = [block for block in blocks if block not in merged]
    for number, block in enumerate(left):
        block.number = number
    return left


def _reverse_postorder(entry: Block, arrivals: dict[Block, int]) -> list[Block]:
    """All reachable blocks; `arrivals` counts the edges into each."""
    done: list[Block] = []
    stack = [(entry, _edges(entry))]
    while stack:
        block, edges = stack[-1]
        for target in edges:
            if target in arrivals:
                arrivals[target] += 1
            else:
                arrivals[target] = 1
                stack.append((target, _edges(target)))
                break
        else:
            done.append(block)
            stack.pop()
    done.reverse()
    return done


def _edges(block: Block) -> Iterator[Block]:
    """The edges out of a block, straightened, in the order that puts bodies first when it is reversed."""
    end = block.end
    match end:
        case Jump():
            end.target = _landing(end.target)
        case Branch():
            end.then, end.otherwise = _landing(end.then), _landing(end.otherwise)
        case Next():
            end.body, end.done = _landing(end.body), _landing(end.done)
        case Suppress():
            end.resume = _landing(end.resume)
    if not block.events and isinstance(end, Jump | Return):
        block.handlers = ()  # nothing in here can raise
    return iter((*reversed(block.handlers), *reversed(block.successors())))


def _is_head(block: Block) -> bool:
    return bool(block.loops) and block.loops[-1] is block


def _landing(block: Block) -> Block:
    """The first block from here on that does anything. Every cycle has a loop head, so this ends."""
    while not block.events and isinstance(block.end, Jump) and not _is_head(block):
        block = block.end.target
    return block


def _only_follower(block: Block, arrivals: dict[Block, int]) -> Block | None:
    """The block that `block` jumps to, if nothing else leads there and nothing changes on the way."""
    if not isinstance(block.end, Jump):
        return None
    target = block.end.target
    raises_alike = target.handlers == block.handlers or (not target.events and isinstance(target.end, Return))
    if arrivals[target] > 1 or target.loops != block.loops or not raises_alike or _is_head(target):
        return None
    if block.events and isinstance(block.events[-1], Yield):
        return None
    return target
