"""Which sites a value names, and renaming them: what a site made becomes older when it makes something new.

Records and states are renamed by `state`, with what is here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from torchmode_lint.analysis.values import (
    Atom,
    Bound,
    Expression,
    Func,
    Identity,
    Obj,
    Param,
    Path,
    Site,
    Super,
    Tensor,
    Tup,
    Value,
    normal,
)


@lru_cache(maxsize=1 << 16)
def sites_of(value: Value) -> frozenset[Site]:
    """Every site that a value names, however deep."""
    return frozenset(site for atom in value for site in _atom_sites(atom))


@lru_cache(maxsize=1 << 16)
def sites_of_id(identity: Identity) -> frozenset[Site]:
    """Every site that an identity names."""
    match identity:
        case Site():
            return frozenset({identity})
        case Path(base, _):
            return sites_of_id(base)
        case Expression(_, operands, _, _):
            return frozenset().union(*(sites_of(operand) for operand in operands))
        case _:
            return frozenset()


def _atom_sites(atom: Atom) -> Iterable[Site]:
    match atom:
        case Tensor():
            return atom.may
        case Obj(identity) | Param(identity, _):
            return sites_of_id(identity)
        case Tup(items):
            return frozenset().union(*(sites_of(item) for item in items))
        case Bound(owner, _):
            return _atom_sites(owner)
        case Func(_, owner, _, _) if owner is not None:
            return sites_of(owner)
        case Super(_, owner):
            return sites_of(owner)
        case _:
            return ()


def forget_values() -> None:
    """Drop what was looked up, and with it the programs that it holds on to."""
    sites_of.cache_clear()
    sites_of_id.cache_clear()


def id_within(identity: Identity, wanted: Identity) -> bool:
    """Whether `wanted` is what an identity names, hangs on, or is computed from."""
    if identity == wanted:
        return True
    match identity:
        case Path(base, _):
            return id_within(base, wanted)
        case Expression(_, operands, _, _):
            return any(isinstance(a, Obj) and id_within(a.id, wanted) for operand in operands for a in operand)
        case _:
            return False


def id_mentions(identity: Identity, site: Site) -> bool:
    return site in sites_of_id(identity)


def older(site: Site) -> Site:
    """The summary of what a site made before."""
    return Site(site.event, site.context, 1)


def renamed(value: Value, site: Site, new: Site) -> Value:
    """`value` with `new` where it said `site`."""
    if site not in sites_of(value):
        return value
    return normal(frozenset(_renamed_atom(atom, site, new) for atom in value))


def renamed_id(identity: Identity, site: Site, new: Site) -> Identity:
    if identity == site:
        return new
    match identity:
        case Path(base, step):
            return Path(renamed_id(base, site, new), step)
        case Expression(operator, operands, kind, depth):
            return Expression(operator, tuple(renamed(o, site, new) for o in operands), kind, depth)
        case _:
            return identity


def _renamed_atom(atom: Atom, site: Site, new: Site) -> Atom:
    if site not in _atom_sites(atom):
        return atom

    def moved(sites: frozenset[Site]) -> frozenset[Site]:
        return (sites - {site}) | {new} if site in sites else sites

    match atom:
        case Tensor():
            return replace(atom, may=moved(atom.may), must=moved(atom.must))
        case Obj(identity):
            return Obj(renamed_id(identity, site, new))
        case Param(identity, gradient):
            return Param(renamed_id(identity, site, new), gradient)
        case Tup(items):
            return Tup(tuple(renamed(item, site, new) for item in items))
        case Bound(owner, name):
            return Bound(_renamed_atom(owner, site, new), name)
        case Func(code, owner, grad, kind):
            return Func(code, None if owner is None else renamed(owner, site, new), grad, kind)
        case _:
            return atom
