"""What a call can reach of the state: the rest is taken out for the call and put back after it.

A body solved for one call then serves the next one, though the caller has made a list or run another
forward in between. Modules, optimizers and what they hold always stay: a backward anywhere fills them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import relations, renaming
from torchmode_lint.analysis.records import join_records
from torchmode_lint.analysis.state import State
from torchmode_lint.analysis.values import join

if TYPE_CHECKING:
    from torchmode_lint.analysis.values import Context, Identity, Site, Value

_ALWAYS = (r.Module, r.Optimizer, r.Parameters, r.Groups)


class _Seen:
    """The sites that can be reached, with those still to be followed."""

    def __init__(self) -> None:
        self.sites: set[Site] = set()
        self.pending: list[Site] = []

    def add(self, sites: Iterable[Site]) -> None:
        for site in sites:
            if site not in self.sites:
                self.sites.add(site)
                self.pending.append(site)


def hide(state: State) -> State:
    """Take everything out of a call's state that its variables do not lead to. Returns what was taken."""
    seen = _reached(state)
    hidden = State()
    for key in list(state.heap):
        if _apart(renaming.sites_of_id(key), seen):
            hidden.heap[key] = state.heap.pop(key)
    for pair in list(state.attrs):
        if _apart(renaming.sites_of_id(pair[0]), seen):
            hidden.attrs[pair] = state.attrs.pop(pair)
    for site in list(state.graphs):
        if site not in seen:
            hidden.graphs[site] = state.graphs.pop(site)
    for fact in list(state.facts):
        if _apart(renaming.sites_of(fact), seen) and not relations.has_remainder(fact):
            hidden.facts[fact] = state.facts.pop(fact)
    return hidden


def _apart(sites: frozenset[Site], seen: set[Site]) -> bool:
    return bool(sites) and sites.isdisjoint(seen)


def _reached(state: State) -> set[Site]:
    seen = _Seen()
    for value in state.env.values():
        seen.add(renaming.sites_of(value))
    keys: dict[Site, list[Identity]] = {}
    for key, record in state.heap.items():
        sites = renaming.sites_of_id(key)
        if not sites or isinstance(record, _ALWAYS):
            seen.add(sites)
            seen.add(r.sites_of(record))
        else:
            for site in sites:
                keys.setdefault(site, []).append(key)
    held: dict[Site, list[Value]] = {}
    for (owner, _), value in state.attrs.items():
        sites = renaming.sites_of_id(owner)
        if not sites:
            seen.add(renaming.sites_of(value))
        for site in sites:
            held.setdefault(site, []).append(value)
    while seen.pending:
        site = seen.pending.pop()
        for key in keys.get(site, ()):
            seen.add(r.sites_of(state.heap[key]))
        for value in held.get(site, ()):
            seen.add(renaming.sites_of(value))
    return seen.sites


def show(state: State, hidden: State, made: Iterable[Site], callee: Context) -> None:
    """Put back what was hidden from a call; of what the call made anew, that is the older one.

    `hidden` is used up.
    """
    for site in made:
        if hidden.knows(site):
            hidden.rename(site, renaming.older(site))
    for key, record in hidden.heap.items():
        joined = join_records(state.heap[key], record) if key in state.heap else record
        if joined is None:
            del state.heap[key]
        else:
            state.heap[key] = joined
    for pair, value in hidden.attrs.items():
        state.attrs[pair] = join(state.attrs[pair], value) if pair in state.attrs else value
    for site, graph in hidden.graphs.items():
        state.graphs[site] = state.graphs[site].join(graph) if site in state.graphs else graph
    for fact, truth in hidden.facts.items():
        if not any(site.context is callee or callee in site.context.chain() for site in renaming.sites_of(fact)):
            state.facts.setdefault(fact, truth)
