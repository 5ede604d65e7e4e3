"""Abstract values: what a variable may hold, as a small set of atoms, with their joins.

Values are immutable and hashable. Objects with identity (modules, optimizers, lists, anything unknown)
are `Obj` atoms that name an entry of the state's heap; tensors are values, with the graphs they hang on.

A value that cannot be told is still *someone*: the result of an unknown call or an untyped parameter is
an `Obj` without a heap record, so that two reads of it are the same thing and conditions on it correlate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from torchmode_lint.flow.events import Event
from torchmode_lint.protocol import Truth

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    from torchmode_lint.analysis.classes import Class
    from torchmode_lint.flow.cfg import Code
    from torchmode_lint.flow.events import Call

MAX_ATOMS = 6
MAX_DEPTH = 6


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """The chain of calls by which a code object is reached; interned, compared by identity.

    `call` is None in a root: the file itself, or a function without visible callers.
    """

    parent: Context | None
    call: Call | None
    code: Code
    depth: int

    def chain(self) -> Iterator[Context]:
        """This context and those it was called from, innermost first."""
        at: Context | None = self
        while at is not None:
            yield at
            at = at.parent


class Site(NamedTuple):
    """What is made at an event in a context: the newest (`age` 0), or the summary of older ones (1)."""

    event: object
    context: Context
    age: int = 0


@dataclass(frozen=True, slots=True)
class Layer:
    """In a forward, the call of one layer: what it makes of the graph is freed by itself."""

    forward: object
    name: str


class Path(NamedTuple):
    """Something unknown that is reached from something else: an attribute, a parameter, an element."""

    base: Identity
    step: str


class PartOf(NamedTuple):
    """What a part of a structure is called, in place of where it was made."""

    whole: object
    step: object


class Expression(NamedTuple):
    """A pure expression over unknown values, as a symbol to hang conditions on."""

    operator: str
    operands: tuple[Value, ...]
    kind: str = "expression"
    depth: int = 1


Identity: TypeAlias = "Site | Path | Expression | Context | Class | Imported"


@dataclass(frozen=True, slots=True)
class Const:
    """A literal. `kind` keeps True and 1 apart."""

    kind: type
    value: object


@dataclass(frozen=True, slots=True)
class Obj:
    id: Identity


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor (or a structure of tensors that a forward or an unknown function returned).

    `may` and `must` are the graphs it hangs on, on some path and on every path; `data` are the forwards
    that its numbers come from, also through `detach`; these do not age. `synthetic`: made of random or
    constant numbers only. `retains`: whether `.grad` will be kept although it is no leaf. `exact`: surely a
    tensor, made by known operations. `moved`: to another device, where there is one. `asked`: somebody made
    it, or what it comes from, require grad by hand. `volatile`: made so, which until torch 0.4 switched
    recording off. `made` is where it was made, so that two alike are not one. `unless`: where `grad` is MAYBE,
    it is NO but for these unknown elements of loops, which are data as a rule; empty where there is more doubt.
    """

    may: frozenset[Site] = frozenset()
    must: frozenset[Site] = frozenset()
    data: frozenset[Site] = frozenset()
    leaf: Truth = Truth.MAYBE
    grad: Truth = Truth.MAYBE
    retains: Truth = Truth.NO
    synthetic: bool = False
    exact: bool = True
    moved: bool = False
    asked: bool = False
    volatile: bool = False
    made: object = None
    unless: frozenset[Identity] = frozenset()


@dataclass(frozen=True, slots=True)
class Tup:
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Func:
    """A function of the project. `grad` is set by a decorator ("on", "off", "unknown" or "")."""

    code: Code
    owner: Value | None = None
    grad: str = ""
    kind: str = ""  # "static", "class", "property", "contextmanager" or ""


@dataclass(frozen=True, slots=True)
class Cls:
    cls: Class


@dataclass(frozen=True, slots=True)
class Ext:
    """Something from outside the project, or a builtin, by its qualified name."""

    name: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A method of something that is not the project's own code."""

    owner: Atom
    name: str


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of the module `owner` (some one of them), or its gradient."""

    owner: Identity
    gradient: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """Another source file of the project, as a value: what `import it` binds. Read when first used."""

    path: FilePath


@dataclass(frozen=True, slots=True)
class Imported:
    """What `from file import name` binds. Whoever reads a variable gets what the name means there instead."""

    path: FilePath
    name: str


@dataclass(frozen=True, slots=True)
class Super:
    """`super()` in a method of `cls`."""

    cls: Class
    owner: Value


@dataclass(frozen=True, slots=True)
class Anything:
    """Top: nothing is known, not even which unknown it is."""


Atom: TypeAlias = "Const | Obj | Tensor | Tup | Func | Cls | Ext | Bound | Param | File | Imported | Super | Anything"
Value: TypeAlias = "frozenset[Atom]"


def told_apart(one: object) -> str:
    """Words that tell an atom or an identity from others, in every run the same: to put them in order."""
    match one:
        case Obj(identity) | Param(identity):
            return told_apart(identity)
        case Path(base, step):
            return f"{told_apart(base)}.{step}"
        case Site(event, context, age):
            return f"{told_apart(event)} {age} {told_apart(context)}"
        case Event(index):
            return f"{index:020}"
        case tuple():  # what an event makes several of
            return " ".join(map(told_apart, one))
        case str() | int():
            return str(one)
        case Context():
            return " ".join(f"{at.code.qualname} {at.call.index if at.call else ''}" for at in one.chain())
        case Cls(cls):
            return cls.code.qualname
        case Ext(name):
            return name
        case Bound(owner, name):
            return f"{told_apart(owner)}.{name}"
        case Imported(path, name):
            return f"{path} {name}"
    code: Code | None = getattr(one, "code", None)  # of a function, or of a class that stands for its objects
    return "" if code is None else code.qualname


ANY = Anything()
TOP: Value = frozenset({ANY})
EMPTY: Value = frozenset()
NONE: Value = frozenset({Const(type(None), None)})
TRUE: Value = frozenset({Const(bool, True)})
FALSE: Value = frozenset({Const(bool, False)})
BOOLS: Value = TRUE | FALSE


def const(value: object) -> Value:
    return frozenset({Const(type(value), value)})


def just(atom: Atom) -> Value:
    return frozenset({atom})


def single(value: Value) -> Atom | None:
    """The only atom of a value, or None."""
    return next(iter(value)) if len(value) == 1 else None


def constant(value: Value, default: object = None) -> object:
    """The literal that a value surely is, or `default`."""
    atom = single(value)
    return atom.value if isinstance(atom, Const) else default


def join_tensors(tensors: Iterable[Tensor]) -> Tensor | None:
    """The least tensor that covers all of them."""
    result: Tensor | None = None
    for t in tensors:
        if result is None or result == t:
            result = t
            continue
        result = Tensor(
            may=result.may | t.may,
            must=result.must & t.must,
            data=result.data | t.data,
            leaf=result.leaf | t.leaf,
            grad=result.grad | t.grad,
            retains=result.retains | t.retains,
            synthetic=result.synthetic and t.synthetic,
            exact=result.exact and t.exact,
            moved=result.moved or t.moved,
            asked=result.asked or t.asked,
            volatile=result.volatile or t.volatile,
            made=result.made if result.made == t.made else None,
            unless=only_unless((result, t)),
        )
    return result


def join(a: Value, b: Value) -> Value:
    """Least upper bound, with a bounded number of atoms."""
    if a is b or a == b or not b:
        return a
    if not a:
        return b
    return normal(a | b)


def normal(atoms: Value) -> Value:
    """One tensor at most, tuples of one length joined, and the whole bounded."""
    tensors = [a for a in atoms if isinstance(a, Tensor)]
    tuples = [a for a in atoms if isinstance(a, Tup)]
    if len(tensors) > 1:
        merged = join_tensors(tensors)
        assert merged is not None
        atoms = atoms.difference(tensors) | {merged}
    if len(tuples) > 1:
        atoms = atoms.difference(tuples) | set(_join_tuples(tuples))
    if len(atoms) > MAX_ATOMS:
        inside = join_tensors(tensors_in(atoms))
        atoms = frozenset({ANY} if inside is None else {ANY, replace(inside, must=frozenset(), exact=False)})
    return atoms


def _join_tuples(tuples: list[Tup]) -> Iterator[Tup]:
    by_length: dict[int, list[Tup]] = {}
    for one in tuples:
        by_length.setdefault(len(one.items), []).append(one)
    for same in by_length.values():
        yield Tup(tuple(join_all(column) for column in zip(*(t.items for t in same), strict=True)))


def depth_of(value: Value) -> int:
    """How deep tuples are nested in a value."""
    return max((1 + max(map(depth_of, a.items), default=0) for a in value if isinstance(a, Tup)), default=0)


def join_all(values: Iterable[Value]) -> Value:
    result = EMPTY
    for value in values:
        result = join(result, value)
    return result


def tensors_in(value: Iterable[Atom], depth: int = 0) -> Iterator[Tensor]:
    """The tensors of a value, also inside tuples."""
    for atom in value:
        if isinstance(atom, Tensor):
            yield atom
        elif isinstance(atom, Tup) and depth < MAX_DEPTH:
            for item in atom.items:
                yield from tensors_in(item, depth + 1)


def objects_in(value: Iterable[Atom], depth: int = 0) -> Iterator[Obj]:
    """The objects of a value, also inside tuples."""
    for atom in value:
        if isinstance(atom, Obj):
            yield atom
        elif isinstance(atom, Tup) and depth < MAX_DEPTH:
            for item in atom.items:
                yield from objects_in(item, depth + 1)


def derived(sources: Iterable[Tensor], *, exact: bool = True) -> Tensor:
    """What an operation makes of tensors: it hangs on the graphs of all of them.

    Without `exact` (an unknown function) it may hang on them, and nothing must be so.
    """
    sources = list(sources)
    grad = Truth.MAYBE
    if exact:
        if any(t.grad is Truth.YES for t in sources):
            grad = Truth.YES
        elif all(t.grad is Truth.NO for t in sources):
            grad = Truth.NO
    leaf = {Truth.YES: Truth.NO, Truth.NO: Truth.YES}.get(grad, Truth.MAYBE)
    return Tensor(
        may=frozenset().union(*(t.may for t in sources)),
        must=frozenset().union(*(t.must for t in sources)) if exact else frozenset(),
        data=frozenset().union(*(t.data for t in sources)),
        leaf=leaf if exact else Truth.MAYBE,
        grad=grad,
        synthetic=bool(sources) and all(t.synthetic for t in sources),
        exact=exact and all(t.exact for t in sources),
        asked=any(t.asked for t in sources),
        volatile=any(t.volatile for t in sources),
        unless=only_unless(sources) if exact else frozenset(),
    )


def only_unless(sources: Iterable[Tensor]) -> frozenset[Identity]:
    """The elements of loops on which alone it hangs whether one of these tensors requires grad."""
    sources = list(sources)
    if all(t.grad is Truth.NO or t.unless for t in sources):
        return frozenset().union(*(t.unless for t in sources))
    return frozenset()


def name_of(t: Tensor) -> object:
    """Where a tensor was made; what a forward or an unknown function made goes by the name of its graphs."""
    return t.made if t.made is not None else frozenset((site.event, site.context) for site in t.may)


def one_of(value: Value) -> Value:
    """Of several values that go by one name, one: each tensor hangs on a graph of its own, whichever that is."""
    return frozenset(
        replace(a, must=frozenset())
        if isinstance(a, Tensor)
        else Tup(tuple(map(one_of, a.items)))
        if isinstance(a, Tup)
        else a
        for a in value
    )


def part(t: Tensor, step: object = None) -> Tensor:
    """One of the tensors of a structure, or a slice of a tensor: it may hang on the same graphs."""
    return replace(
        t,
        must=frozenset(),
        leaf=Truth.MAYBE,
        retains=Truth.NO,
        exact=False,
        made=None if step is None else part_name(t, step),
    )


def part_name(t: Tensor, step: object) -> object:
    """What a part of a structure with graphs is called; None where parts of parts nest too deep."""
    whole = name_of(t)
    deep = isinstance(whole, PartOf) and isinstance(whole.whole, PartOf)
    return PartOf(whole, step) if t.may and not deep else None


def flat(sources: Iterable[Tensor]) -> Tensor:
    """What rounding makes of tensors: no gradient to speak of, though torch walks its graph."""
    sources = list(sources)
    grad = Truth.NO if all(t.grad is Truth.NO for t in sources) else Truth.MAYBE
    leaf = Truth.YES if grad is Truth.NO else Truth.MAYBE
    return Tensor(data=frozenset().union(*(t.data for t in sources)), leaf=leaf, grad=grad)


def detached(t: Tensor) -> Tensor:
    """The same numbers without the graph."""
    return Tensor(data=t.data, leaf=Truth.YES, grad=Truth.NO, synthetic=t.synthetic, exact=t.exact)
