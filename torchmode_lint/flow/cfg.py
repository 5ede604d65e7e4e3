"""Control-flow graphs: basic blocks of events, how they end, and the code objects that hold them.

One `Code` per file, function, lambda and class body. Comprehensions are loops inside the code that
contains them. A `finally` body is lowered once for each way through it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from torchmode_lint.flow.nodes import Gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import libcst

    from torchmode_lint.flow.events import Call, Enter, Event, Register
    from torchmode_lint.flow.outline import Body


@dataclass(slots=True, eq=False)
class Jump:
    target: Block


@dataclass(slots=True, eq=False)
class Branch:
    """`then` where the register is true, `otherwise` where it is false."""

    condition: Register
    then: Block
    otherwise: Block


@dataclass(slots=True, eq=False)
class Next:
    """The head of a for loop: writes the next element to `dst` and goes to `body`, or to `done`."""

    iterator: Register
    dst: Register
    body: Block
    done: Block


@dataclass(slots=True, eq=False)
class Return:
    """Ends the code with a value; None where it falls off the end."""

    value: Register | None


@dataclass(slots=True, eq=False)
class Raise:
    """Leaves by an exception, to the block's handlers or out of the code."""

    value: Register | None


@dataclass(slots=True, eq=False)
class Suppress:
    """After the exceptional exit of a with block: `resume` if the manager swallows the exception."""

    enter: Enter
    resume: Block


Terminator: TypeAlias = "Jump | Branch | Next | Return | Raise | Suppress"


@dataclass(slots=True, eq=False, repr=False)
class Block:
    """Events that run in order, and one way to end.

    `handlers` are the blocks an exception raised by any event in here goes to (the innermost
    enclosing except clauses, `finally` copy or with exit); empty: out of the code. `loops` are the
    heads of the loops around this block, outermost first; a head contains itself. An edge to a
    loop's head from a block inside that loop is a back edge.
    """

    number: int
    events: list[Event] = field(default_factory=list)
    end: Terminator | None = None
    handlers: tuple[Block, ...] = ()
    loops: tuple[Block, ...] = ()
    spent: dict[int, list[Register]] | None = None  # once somebody has asked: see `shared.spent_registers`

    def successors(self) -> tuple[Block, ...]:
        """Where control goes when no event raises, without the handlers."""
        match self.end:
            case Jump(target):
                return (target,)
            case Branch(_, then, otherwise):
                return (then, otherwise)
            case Next(_, _, body, done):
                return (body, done)
            case Suppress(_, resume):
                return (resume, *self.handlers)
            case Raise():
                return self.handlers
            case _:
                return ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """`kind` is "positional" (only), "normal", "keyword" (only), "*" or "**"; annotation as in Annotate."""

    name: str
    kind: str = "normal"
    annotation: str | None = None
    has_default: bool = False


_INSIDE = ("blocks", "codes", "is_generator", "locals", "shared")


@dataclass(slots=True, eq=False, repr=False)
class Code:
    """The file (`kind` "file"), a function, a lambda or a class body, lowered.

    `qualname` is dotted from the file ("Trainer.fit.closure", "" for the file). `shared` are the
    registers read in another block than the one that wrote them: only these need to live in a state
    between blocks. `codes` are the codes made directly inside, in order.

    What is inside a function may be `put_off`: it is lowered when it is asked for.
    """

    kind: str
    name: str
    qualname: str
    scope: int
    parent: Code | None
    syntax: libcst.CSTNode | Gone
    parameters: tuple[Parameter, ...] = ()
    blocks: list[Block] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    locals: frozenset[str] = frozenset()
    shared: frozenset[Register] = frozenset()
    is_async: bool = False
    is_generator: bool = False
    decorators: tuple[str, ...] = ()
    named: tuple[tuple[str, Call | None], ...] | None = None  # the names in it, once somebody has looked for them
    _lower: Callable[[], None] | None = None
    body: Body | None = None  # of a function that is, or was, put off
    glance: object = None  # what is mentioned in it, once somebody has looked

    def __repr__(self) -> str:
        return f"{self.kind} {self.qualname}".rstrip()

    def __getattr__(self, name: str) -> object:
        """What is inside, at the first time that it is asked for: a slot that is not filled leads here."""
        if name not in _INSIDE or self._lower is None:
            raise AttributeError(name)
        lower, self._lower = self._lower, None
        self.blocks, self.codes, self.is_generator = [], [], False
        lower()
        return getattr(self, name)

    def put_off(self, lower: Callable[[], None], body: Body | None = None) -> None:
        """Leave what is inside to `lower`."""
        for name in _INSIDE:
            delattr(self, name)
        self._lower, self.body = lower, body

    @property
    def is_put_off(self) -> bool:
        return self._lower is not None

    @property
    def text(self) -> str:
        """The body of a function that is, or was, put off; nothing of others."""
        return "" if self.body is None else self.body.text

    @property
    def node(self) -> libcst.CSTNode:
        return self.syntax.back(self) if isinstance(self.syntax, Gone) else self.syntax

    @property
    def entry(self) -> Block:
        return self.blocks[0]

    @property
    def file(self) -> Code:
        """The code of the file that this is in."""
        at = self
        while at.parent is not None:
            at = at.parent
        return at

    @property
    def outermost(self) -> Code:
        """The function or class right in the file that this is in; the file's own code is in none but itself."""
        at = self
        while at.parent is not None and at.parent.parent is not None:
            at = at.parent
        return at

    def walk(self) -> Iterator[Code]:
        """This code and every code inside it."""
        yield self
        for inner in self.codes:
            yield from inner.walk()

    def dismantle(self) -> None:
        """Take apart what refers to each other, and would be kept until somebody looks for garbage; not to be used."""
        pending = [self]
        while pending:
            code = pending.pop()
            if not code.is_put_off:
                pending += code.codes
                for block in code.blocks:
                    block.handlers = block.loops = ()
                    block.end = None
            code.codes, code.blocks, code._lower = [], [], None

    def beside(self, twin: Code) -> Iterator[tuple[Code, Code]]:
        """The codes that are there in this one, each with its like in another that was lowered from the same text."""
        yield self, twin
        for inner, like in () if self.is_put_off else zip(self.codes, twin.codes, strict=True):
            yield from inner.beside(like)

    def walk_lowered(self) -> Iterator[Code]:
        """The same without what is inside those that are put off."""
        yield self
        for inner in () if self.is_put_off else self.codes:
            yield from inner.walk_lowered()
