"""Which registers an event reads and writes, and how long they live: which of a code's between blocks, too."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeAlias

from torchmode_lint.flow import events as ev
from torchmode_lint.flow.cfg import Block, Branch, Code, Next, Raise, Return

_Getter: TypeAlias = Callable[[Any], "tuple[ev.Register | None, ...]"]


def _one(name: str) -> _Getter:
    get = attrgetter(name)
    return lambda event: (get(event),)


def _nothing(event: ev.Event) -> tuple[ev.Register | None, ...]:
    return ()


def _sources(arguments: tuple[ev.Argument, ...]) -> list[ev.Register]:
    return [argument.src for argument in arguments]


_READS: dict[type[ev.Event], _Getter] = {
    ev.Store: _one("src"),
    ev.Copy: _one("src"),
    ev.Attribute: _one("obj"),
    ev.SetAttribute: attrgetter("obj", "src"),
    ev.DeleteAttribute: _one("obj"),
    ev.Item: attrgetter("obj", "key"),
    ev.SetItem: attrgetter("obj", "key", "src"),
    ev.DeleteItem: attrgetter("obj", "key"),
    ev.Call: lambda event: (event.func, *_sources(event.arguments)),
    ev.Unary: _one("operand"),
    ev.Binary: attrgetter("left", "right"),
    ev.InPlace: attrgetter("left", "right"),
    ev.Compare: attrgetter("left", "right"),
    ev.Build: lambda event: (*_sources(event.items), *event.keys),
    ev.Grow: attrgetter("container", "src", "key"),
    ev.Unpack: _one("src"),
    ev.Part: _one("src"),
    ev.Test: _one("src"),
    ev.MakeFunction: lambda event: (*event.defaults, *event.decorators),
    ev.MakeClass: lambda event: (*_sources(event.bases), *event.decorators),
    ev.Iterate: _one("src"),
    ev.Enter: _one("manager"),
    ev.Leave: _one("manager"),
    ev.Await: _one("src"),
    ev.Yield: _one("src"),
    ev.Caught: attrgetter("types"),
    ev.Discard: _one("src"),
}
_WRITES_NOTHING = {
    ev.Store,
    ev.Delete,
    ev.Annotate,
    ev.SetAttribute,
    ev.DeleteAttribute,
    ev.SetItem,
    ev.DeleteItem,
    ev.Grow,
    ev.Leave,
    ev.Discard,
}


def reads(event: ev.Event) -> list[ev.Register]:
    """The registers an event reads, in order."""
    return [register for register in _READS.get(type(event), _nothing)(event) if register is not None]


def writes(event: ev.Event) -> tuple[ev.Register, ...]:
    """The registers an event writes."""
    if isinstance(event, ev.Unpack):
        return event.targets
    if type(event) in _WRITES_NOTHING:
        return ()
    return (event.dst,)  # type: ignore[attr-defined]


def end_read(block: Block) -> ev.Register | None:
    """The register that the end of a block reads."""
    match block.end:
        case Branch(condition):
            return condition
        case Next(iterator):
            return iterator
        case Return(value) | Raise(value):
            return value
    return None


def shared_registers(code: Code) -> frozenset[ev.Register]:
    """The registers read in a block that did not write them itself before."""
    shared: set[ev.Register | None] = set()
    if len(code.blocks) == 1:
        return frozenset()
    for block in code.blocks:
        written: set[ev.Register | None] = {None}
        for event in block.events:
            for register in _READS.get(type(event), _nothing)(event):
                if register not in written:
                    shared.add(register)
            written.update(writes(event))
        last = end_read(block)
        if last not in written:
            shared.add(last)
    return frozenset(register for register in shared if register is not None)


def spent_registers(block: Block, shared: frozenset[ev.Register]) -> dict[int, list[ev.Register]]:
    """The registers that nobody reads after a statement of a block, by the place of the event that it ends with."""
    last = {register: at for at, event in enumerate(block.events) for register in (*reads(event), *writes(event))}
    ends = [at for at, event in enumerate(block.events) if isinstance(event, (ev.Discard, ev.Store))]
    kept = {*shared, end_read(block)}
    spent: dict[int, list[ev.Register]] = {}
    for register, at in last.items():
        end = bisect_left(ends, at)
        if register not in kept and end < len(ends):
            spent.setdefault(ends[end], []).append(register)
    return spent
