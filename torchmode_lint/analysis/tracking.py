"""What becomes of the output of a forward: in the recording pass, marks on the forwards behind a value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.program import Kept, Key
from torchmode_lint.analysis.values import Site, Tensor, Value

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


def keys(sites: Iterable[Site]) -> set[Key]:
    return {key(site) for site in sites}


def key(site: Site) -> Key:
    """The forward that made a graph, or a layer's part of one."""
    event = site.event.forward if isinstance(site.event, v.Layer) else site.event
    return Key(event, site.context)  # type: ignore[arg-type]


def mark(frame: Frame, what: set[Key], values: Iterable[Value]) -> None:
    """In the recording pass, the forwards behind these values are returned, stored or passed on."""
    if frame.run.recording:
        for value in values:
            for t in frame.tensors(value):
                what |= keys(t.may)


def leave(frame: Frame, values: Iterable[Value], way: set[Key] | None = None) -> None:
    """In the recording pass, graphs of earlier turns of a loop go where the analysis cannot see, in some `way`."""
    if frame.run.recording:
        for value in values:
            for t in frame.tensors(value):
                gone = keys(site for site in t.may if site.age)
                frame.run.program.left |= gone
                if way is not None:
                    way |= gone


def combine(frame: Frame, made: object, operands: Iterable[Tensor]) -> None:
    """In the recording pass, remember of which tensors with graphs an operation made another."""
    if frame.run.recording:
        names = frame.run.program.operands.setdefault(made, set())
        names |= {v.name_of(t) for t in operands if t.may} - {made}


def accumulate(frame: Frame, event: Event, held: Value, added: Value, *, listed: bool = False) -> None:
    """In the recording pass: does a value that is added to another one keep a graph for each turn of a loop?

    It does where what it is added to hangs on the graph of an earlier turn, and it on that of this turn.
    A value that hangs on both by itself is carried on (a recurrent state), and is not looked at.
    """
    if not frame.run.recording:
        return
    sites = frozenset().union(*(t.may for t in frame.tensors(held)))
    if not listed and any(not site.age for site in sites):
        sites = frozenset(site for site in sites if Site(site.event, site.context) not in sites)
    earlier = {Site(site.event, site.context): site for site in sites if site.age}
    for t in frame.tensors(added) if earlier else ():
        again = [earlier[site] for site in t.may if site in earlier]
        if not again or any(site in t.may for site in again):
            continue
        graphs = [frame.state.graphs[site] for site in again if site in frame.state.graphs]
        if graphs:
            whole = graphs[0]
            for other in graphs[1:]:
                whole = whole.join(other)
            frame.run.program.kepts.append(
                Kept(event, frame.context, frozenset(keys(again)), whole.status, whole.freed, t, listed)
            )


def keep(frame: Frame, value: Value) -> None:
    """In the recording pass, what comes from the forwards behind a value is not dropped on the spot."""
    if frame.run.recording:
        for t in frame.tensors(value):
            frame.run.program.kept |= keys(t.data)


def root_of(context: v.Context) -> v.Context:
    return list(context.chain())[-1]
