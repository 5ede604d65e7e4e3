"""Which registers an event reads and writes, and which of a code's must live in states between blocks."""

from __future__ import annotations

from torchmode_lint.flow import events as ev
from torchmode_lint.flow.cfg import Branch, Code, Next, Raise, Return

# The plain register fields that are read; fields that hold several are spelt out in `reads`.
_READ: dict[type[ev.Event], tuple[str, ...]] = {
    ev.Store: ("src",),
    ev.Copy: ("src",),
    ev.Attribute: ("obj",),
    ev.SetAttribute: ("obj", "src"),
    ev.DeleteAttribute: ("obj",),
    ev.Item: ("obj", "key"),
    ev.SetItem: ("obj", "key", "src"),
    ev.DeleteItem: ("obj", "key"),
    ev.Unary: ("operand",),
    ev.Binary: ("left", "right"),
    ev.InPlace: ("left", "right"),
    ev.Compare: ("left", "right"),
    ev.Unpack: ("src",),
    ev.Part: ("src",),
    ev.Test: ("src",),
    ev.Iterate: ("src",),
    ev.Enter: ("manager",),
    ev.Leave: ("manager",),
    ev.Await: ("src",),
    ev.Yield: ("src",),
    ev.Discard: ("src",),
}
_WRITES_NOTHING = (
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
)


def reads(event: ev.Event) -> list[ev.Register]:
    """The registers an event reads, in order."""
    plain = _READ.get(type(event))
    if plain is not None:
        return [getattr(event, name) for name in plain]
    several: list[ev.Register | None] = []
    match event:
        case ev.Call():
            several = [event.func, *(argument.src for argument in event.arguments)]
        case ev.Build():
            several = [*(item.src for item in event.items), *event.keys]
        case ev.Grow():
            several = [event.container, event.src, event.key]
        case ev.Caught():
            several = [*event.types]
        case ev.MakeFunction():
            several = [*event.defaults, *event.decorators]
        case ev.MakeClass():
            several = [*(base.src for base in event.bases), *event.decorators]
    return [register for register in several if register is not None]


def writes(event: ev.Event) -> tuple[ev.Register, ...]:
    """The registers an event writes."""
    if isinstance(event, ev.Unpack):
        return event.targets
    if isinstance(event, _WRITES_NOTHING):
        return ()
    return (event.dst,)  # type: ignore[attr-defined]


def end_read(end: object) -> ev.Register | None:
    """The register the end of a block reads."""
    match end:
        case Branch():
            return end.condition
        case Next():
            return end.iterator
        case Return() | Raise():
            return end.value
    return None


def shared_registers(code: Code) -> frozenset[ev.Register]:
    """The registers read in a block that did not write them itself before."""
    shared: set[ev.Register] = set()
    if len(code.blocks) == 1:
        return frozenset()
    for block in code.blocks:
        written: set[ev.Register] = set()
        for event in block.events:
            for register in reads(event):
                if register not in written:
                    shared.add(register)
            written.update(writes(event))
        last = end_read(block.end)
        if last is not None and last not in written:
            shared.add(last)
    return frozenset(shared)
