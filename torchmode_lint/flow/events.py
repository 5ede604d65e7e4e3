"""What a program does, one small step at a time: the events that lowering makes of the syntax.

Registers are numbered per `Code` and may be written on several paths (both arms of a conditional
expression write the same one); `dst` is the register an event writes, other register fields are
read. An event keeps the libcst node it came from, for its place in the source and for fixes; nothing
past lowering reads that node's syntax. Events compare by identity: an event *is* an allocation site.

Not modelled: evaluation order inside a chained comparison's operands beyond left to right, and the
values of f-string format specifications.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from torchmode_lint.flow.nodes import Gone

if TYPE_CHECKING:
    import libcst

    from torchmode_lint.flow.cfg import Code

Register: TypeAlias = int


class Variable(NamedTuple):
    """A name and the scope that binds it: the `Code.scope` of a function, of the file or of a class.

    A name bound nowhere in the file belongs to the file's scope (it is a builtin, or comes from a
    star import). The targets of a comprehension have a scope of their own.
    """

    scope: int
    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Event:
    """Base of all events. `index` counts up in order of lowering, functions last; no two of a file share one."""

    index: int
    syntax: libcst.CSTNode | Gone

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.index}"

    @property
    def node(self) -> libcst.CSTNode:
        return self.syntax.back(self) if isinstance(self.syntax, Gone) else self.syntax


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Constant(Event):
    """A literal: None, bool, int, float, complex, str, bytes or Ellipsis (concatenated strings joined)."""

    dst: Register
    value: object


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Load(Event):
    dst: Register
    variable: Variable


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Store(Event):
    variable: Variable
    src: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Delete(Event):
    variable: Variable


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Annotate(Event):
    """`x: T` or `x: T = v`; `annotation` is its dotted name (`nn.Module`), quotes and Optional removed.

    It comes before the store of the value, if there is one.
    """

    variable: Variable
    annotation: str | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Copy(Event):
    """Moves a register: the arms of `a if c else b`, of `and`/`or`, walrus targets."""

    dst: Register
    src: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Attribute(Event):
    dst: Register
    obj: Register
    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SetAttribute(Event):
    obj: Register
    name: str
    src: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeleteAttribute(Event):
    obj: Register
    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Item(Event):
    dst: Register
    obj: Register
    key: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SetItem(Event):
    obj: Register
    key: Register
    src: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeleteItem(Event):
    obj: Register
    key: Register


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call or class definition: `star` is "", "*" or "**"."""

    src: Register
    keyword: str | None = None
    star: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(Event):
    dst: Register
    func: Register
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Unary(Event):
    """`operator` is "not", "-", "+" or "~"."""

    dst: Register
    operator: str
    operand: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Binary(Event):
    """`operator` is its source text: "+", "@", "//", ... ; `and`/`or` are branches instead."""

    dst: Register
    operator: str
    left: Register
    right: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InPlace(Event):
    """`left op= right` before the result is stored; `operator` is without the "="."""

    dst: Register
    operator: str
    left: Register
    right: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Compare(Event):
    """One comparison: "==", "!=", "<", "<=", ">", ">=", "is", "is not", "in", "not in"."""

    dst: Register
    operator: str
    left: Register
    right: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Build(Event):
    """A display: `kind` is "tuple", "list", "set", "dict", "slice" or "string" (an f-string).

    `items` are Arguments with `star` set for unpacked ones; in a dict, `keys` runs beside `items`
    (None for `**other`).
    """

    dst: Register
    kind: str
    items: tuple[Argument, ...]
    keys: tuple[Register | None, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Grow(Event):
    """A comprehension adds one element (`key` only in a dict comprehension) to its container."""

    container: Register
    src: Register
    key: Register | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Unpack(Event):
    """`a, *b = src`: one register a target; `star` is the position of the starred one, or None."""

    src: Register
    targets: tuple[Register, ...]
    star: int | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Part(Event):
    """Some part of a value: a capture of a match pattern."""

    dst: Register
    src: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Test(Event):
    """A truth that cannot be told from the operands: a class or mapping pattern."""

    dst: Register
    src: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MakeFunction(Event):
    """`def` or `lambda`. Defaults run beside `code.parameters` (None without one).

    Decorators are in source order (the last is applied first); the result, decorated, is in `dst`.
    """

    dst: Register
    code: Code
    defaults: tuple[Register | None, ...]
    decorators: tuple[Register, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MakeClass(Event):
    """`class`. Its body is a `Code` of kind "class" that runs here."""

    dst: Register
    code: Code
    bases: tuple[Argument, ...]
    decorators: tuple[Register, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Iterate(Event):
    """`iter(src)` (or `aiter`): made once, before the loop that draws from it."""

    dst: Register
    src: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Enter(Event):
    """`with manager as dst`; a later `Leave` with the same `manager` register undoes it."""

    dst: Register
    manager: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Leave(Event):
    """The end of a with block on one way out of it; `enter` is the event it undoes."""

    manager: Register
    enter: Enter


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Await(Event):
    dst: Register
    src: Register


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Yield(Event):
    """`yield` (or `yield from`, `delegate`); always the last event of its block."""

    dst: Register
    src: Register
    delegate: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Import(Event):
    """`import a.b` binds `a` (`module` "a"), `import a.b as c` binds `a.b`.

    `loaded` is the full dotted name in both cases.
    """

    dst: Register
    module: str
    loaded: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ImportFrom(Event):
    """`from module import name`; `level` counts the leading dots. `name` "*" binds nothing itself."""

    dst: Register
    module: str
    name: str
    level: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Caught(Event):
    """At the head of an except clause: the exception, of one of `types` (empty: any)."""

    dst: Register
    types: tuple[Register, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Discard(Event):
    """An expression statement: the value is computed and dropped."""

    src: Register
