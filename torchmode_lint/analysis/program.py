"""What the analysis saw: the result that rules read. Observations of states before relevant events.

An observation is one event in one calling context in one partition of the state; the same event may be
observed several times. Marks on forwards (trained, fed, ...) hold for a forward event in a context:
`stepped` are those that a step without gradients was meant for, `owned` those of modules that an optimizer may
own and `unowned` those that none does, where a backward walks them, `carried` those of which a backward walks
the graph of an earlier turn of a loop, `left` those of which such a graph goes where the analysis cannot see
(`entrusted`: into a call), `foreign` those whose output another framework gets, `acted` those whose
numbers go into a `step` that may be an environment's, `retained` those whose graph a backward surely keeps. `walked`
names the tensors that a backward starts from, `operands` what operations made tensors of. `blamed` are the functions
that nobody in the file calls and from which a diagnostic about modes came, `within` the codes that such diagnostics
(line, column, rule) are in, and `entered` the codes that the file's body and calls from other files have led to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from torchmode_lint.diagnostic import Confidence, Diagnostic, Fix, Note, Span

if TYPE_CHECKING:
    from torchmode_lint.analysis.codes import Layered
    from torchmode_lint.analysis.records import Module, Optimizer, Point, Points, Traced
    from torchmode_lint.analysis.values import Context, Identity, Tensor
    from torchmode_lint.flow.cfg import Block, Code
    from torchmode_lint.flow.events import Event
    from torchmode_lint.protocol import Gradients, GradMode, Graph, Mode, Truth
    from torchmode_lint.rule import Rule
    from torchmode_lint.source import SourceFile


class Key(NamedTuple):
    """One forward: an event in a calling context."""

    event: Event
    context: Context


@dataclass(frozen=True, slots=True)
class Forward:
    """A module is applied.

    `module` is its record before the event; `direct` says that the call itself is the forward, not a
    function of unknown body that was given the module. `inputs_grad`: whether an input requires grad.
    `entered`: where a module's own method was entered that applies it. `loop` is the innermost one,
    `items` are the elements that the unrolled loops around it have come to.
    `exported`: it is traced, to be run elsewhere. `handed`: something that cannot be seen had the module, and may
    have switched its mode.
    """

    event: Event
    context: Context
    identity: Identity
    module: Module
    depends: Callable[[], Truth]
    grad: GradMode
    grad_why: Points
    turn: int
    direct: bool
    synthetic: bool
    inputs_grad: Truth
    entered: Context | None
    by_method: str = ""
    loop: Block | None = None
    items: frozenset[tuple[Block, int]] = frozenset()
    handed: bool = False
    exported: bool = False

    @property
    def key(self) -> Key:
        return Key(self.event, self.context)

    @property
    def dependent(self) -> Truth:
        """Whether the module computes differently by mode, which takes a look at all its layers."""
        return self.depends()


@dataclass(frozen=True, slots=True)
class Backward:
    """A graph is walked.

    `again` are the forwards whose graph surely was freed before, `freed` where; `graphs` all those walked.
    `without` is what is walked where it surely requires no grad, `turns` the turns of the loops around it, and
    `guarded` says that an error from here may be caught.
    """

    event: Event
    context: Context
    again: tuple[Key, ...]
    freed: Points
    graphs: tuple[tuple[Key, Traced], ...]
    without: Tensor | None = None
    turns: tuple[int, ...] = ()
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A value is added to what earlier turns of a loop left, and hangs on a graph like theirs.

    `forwards` are those that made a graph in each of the turns, `status` says of the earlier ones whether a
    backward has freed them, `freed` where. `tensor` is what is added, `listed` whether to a container.
    """

    event: Event
    context: Context
    forwards: frozenset[Key]
    status: Graph
    freed: Points
    tensor: Tensor
    listed: bool


@dataclass(frozen=True, slots=True)
class Step:
    """An optimizer steps; `optimizer` is its record before the step, `turn` 0 in the first turn of all loops.

    `through`: something else makes it step, which is given it: `scaler.step(optimizer)`.
    """

    event: Event
    context: Context
    identity: Identity
    optimizer: Optimizer
    turn: int
    through: bool = False

    @property
    def key(self) -> Key:
        return Key(self.event, self.context)


@dataclass(frozen=True, slots=True)
class GradRead:
    """`.grad` of a tensor is read, or a tensor is handed to an optimizer (`optimized`)."""

    event: Event
    context: Context
    tensor: Tensor
    optimized: bool


@dataclass(frozen=True, slots=True)
class NoEffect:
    """An expression statement whose value matters and is dropped; `what` names it."""

    event: Event
    context: Context
    what: str
    form: str


@dataclass(frozen=True, slots=True)
class Unswitched:
    """Dropout in a module's forward that does not ask for the mode.

    `form`: the flag is left to a default that drops ("default") or that never does ("never"), is True by itself
    ("explicit"), there is only a rate ("rate"), or the layer was made on the spot ("built"). `calls` lead from the
    forward to it.
    """

    event: Event
    context: Context
    what: str
    form: str
    confidence: Confidence
    calls: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Reveal:
    """A call of `reveal_state(...)`, with the abstract state of its argument there (engine tests only)."""

    event: Event
    context: Context
    states: frozenset[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known before an event with which a line begins; written down only where somebody asks for it."""

    event: Event
    context: Context
    grad: GradMode
    modes: tuple[tuple[str, Mode], ...]
    gradients: tuple[tuple[str, Gradients], ...]


@dataclass(slots=True)
class Program:
    """One source file, analysed."""

    source: SourceFile
    forwards: list[Forward] = field(default_factory=list)
    backwards: list[Backward] = field(default_factory=list)
    kepts: list[Kept] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    grad_reads: list[GradRead] = field(default_factory=list)
    no_effects: list[NoEffect] = field(default_factory=list)
    unswitched: list[Unswitched] = field(default_factory=list)
    reveals: list[Reveal] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    trained: set[Key] = field(default_factory=set)
    foreign: set[Key] = field(default_factory=set)
    acted: set[Key] = field(default_factory=set)
    stepped: set[Key] = field(default_factory=set)
    owned: set[Key] = field(default_factory=set)
    unowned: set[Key] = field(default_factory=set)
    fed: set[Key] = field(default_factory=set)
    returned: set[Key] = field(default_factory=set)
    stored: set[Key] = field(default_factory=set)
    passed: set[Key] = field(default_factory=set)
    kept: set[Key] = field(default_factory=set)
    carried: set[Key] = field(default_factory=set)
    left: set[Key] = field(default_factory=set)
    entrusted: set[Key] = field(default_factory=set)
    retained: set[Key] = field(default_factory=set)
    walked: set[object] = field(default_factory=set)
    operands: dict[object, set[object]] = field(default_factory=dict)
    blind_backwards: set[Context] = field(default_factory=set)
    batches: set[Identity] = field(default_factory=set)
    asked: set[Identity] = field(default_factory=set)
    sources: Layered[Code, SourceFile] | dict[Code, SourceFile] = field(default_factory=dict)
    blamed: set[Code] = field(default_factory=set)
    within: dict[tuple[int, int, str], Code] = field(default_factory=dict)
    entered: set[Code] = field(default_factory=set)
    degraded: list[str] = field(default_factory=list)

    def source_of(self, context: Context) -> SourceFile:
        """The file that the code of a context is in."""
        return self.sources.get(context.code.file) or self.source

    def here(self, context: Context) -> bool:
        """Whether the code of a context is in the file being checked."""
        return self.source_of(context) is self.source

    def concerns(self, context: Context, *causes: Iterable[Point]) -> bool:
        """Whether what happens in a context is this file's affair: it is here, or what causes it is."""
        if self.here(context):
            return True
        within = any(self.here(at) for at in context.chain())
        return within and any(self.here(point.context) for points in causes for point in points)

    def nearest(self, event: Event, context: Context) -> tuple[Event, Context]:
        """The event itself, or the call in this file by which it comes about."""
        at: tuple[Event, Context] = (event, context)
        while not self.here(at[1]) and at[1].parent is not None and at[1].call is not None:
            at = (at[1].call, at[1].parent)
        return at

    def span(self, event: Event, context: Context) -> Span:
        source = self.source_of(context)
        return source.span(event.node, context.code)

    def note(self, point: Point, message: str) -> Note:
        return Note(self.span(point.event, point.context), message)

    def call_notes(self, context: Context) -> list[Note]:
        """How the code of `context` was reached, from the outermost call inward."""
        notes = []
        for at in reversed(list(context.chain())):
            if at.call is not None and at.parent is not None:
                name = at.code.name if at.code.kind != "lambda" else "the lambda"
                notes.append(Note(self.span(at.call, at.parent), f"calls `{name}` here"))
        return notes

    def diagnostic(
        self,
        rule: Rule,
        event: Event,
        context: Context,
        message: str,
        confidence: Confidence,
        trail: Iterable[Note] = (),
        fix: Fix | None = None,
    ) -> Diagnostic:
        root = list(context.chain())[-1].code
        span = self.span(*self.nearest(event, context))
        if rule.of_modes and root.kind == "function" and root.file is self.source.code:
            self.blamed.add(root)
            self.within[span.line, span.column, rule.code] = context.code
        return Diagnostic(
            code=rule.code,
            rule=rule.name,
            message=message,
            span=span,
            severity=rule.severity,
            confidence=confidence,
            trail=tuple(trail),
            fix=fix,
        )
