"""What is known where each line begins, written down in the recording pass when somebody wants to see it.

A line begins at the first of its events in each basic block; what follows on the same line is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from torchmode_lint.analysis import modes
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.program import Seen
from torchmode_lint.diagnostic import Span
from torchmode_lint.flow import events as ev
from torchmode_lint.protocol import Gradients, Mode, Truth
from torchmode_lint.sight import Sight, Sights

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.analysis.program import Program
    from torchmode_lint.flow.cfg import Code
    from torchmode_lint.source import SourceFile

T = TypeVar("T", Mode, Gradients)


class _Name(NamedTuple):
    """A variable, and attributes of what it holds."""

    variable: ev.Variable
    attributes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.variable.name, *self.attributes))


class Watch:
    """Sees to it that a program remembers what was known at the beginning of its lines."""

    def __init__(self) -> None:
        self._codes: dict[Code, tuple[frozenset[ev.Event], tuple[_Name, ...]]] = {}

    def see(self, frame: Frame, event: ev.Event) -> None:
        """An event is about to be interpreted, in the recording pass."""
        program, code = frame.run.program, frame.context.code
        if code not in self._codes:
            self._codes[code] = (
                _first_events(code, program.source_of(frame.context)),
                tuple(dict.fromkeys(_names(code))),
            )
        first, names = self._codes[code]
        if event in first:
            modes_of, gradients = _known(frame, names)
            program.seen.append(Seen(event, frame.context, frame.state.grad, modes_of, gradients))


def _first_events(code: Code, source: SourceFile) -> frozenset[ev.Event]:
    """The events with which a line begins."""
    first: list[ev.Event] = []
    events = [event for block in code.blocks for event in block.events]
    made = [event for event in events if isinstance(event, ev.MakeFunction | ev.MakeClass)]
    definitions = {source.span(event.node, code).line for event in made if event.code.kind != "lambda"}
    for block in code.blocks:
        begun: set[int] = set()
        for event in block.events:
            line = source.span(event.node, code).line
            # the end of a `with` is not where it begins
            if line not in begun and line not in definitions and not isinstance(event, ev.Leave):
                begun.add(line)
                first.append(event)
    return frozenset(first)


def _names(code: Code) -> Iterator[_Name]:
    """What a code object may call a module or an optimizer."""
    registers: dict[int, _Name] = {}
    for block in code.blocks:
        for event in block.events:
            match event:
                case ev.Load(dst=dst, variable=variable):
                    registers[dst] = _Name(variable)
                    yield registers[dst]
                case ev.Store(variable=variable):
                    yield _Name(variable)
                case ev.Attribute(dst=dst, obj=obj, name=name) | ev.SetAttribute(src=dst, obj=obj, name=name):
                    if obj in registers:
                        whole = registers[obj]
                        part = _Name(whole.variable, (*whole.attributes, name))
                        yield part
                        if isinstance(event, ev.Attribute):
                            registers[dst] = part


def _known(
    frame: Frame, names: tuple[_Name, ...]
) -> tuple[tuple[tuple[str, Mode], ...], tuple[tuple[str, Gradients], ...]]:
    """The modes of the modules and the gradients of the optimizers that go by these names."""
    of_modules: list[tuple[str, Mode]] = []
    of_optimizers: list[tuple[str, Gradients]] = []
    for name in names:
        objects = list(_objects(frame, name))
        records = [modes.module_of(frame, one) or frame.state.heap.get(one) for one in objects]
        if records and all(isinstance(one, r.Module) for one in records):
            modules = [one for one in records if isinstance(one, r.Module)]
            if any(modes.dependence_of(frame.run.lookup, one) is not Truth.NO for one in modules):
                of_modules.append((str(name), reduce(or_, (one.mode for one in modules))))
        elif records and all(isinstance(one, r.Optimizer) for one in records):
            optimizers = [one for one in records if isinstance(one, r.Optimizer)]
            of_optimizers.append((str(name), reduce(or_, (one.grads for one in optimizers))))
    return tuple(of_modules), tuple(of_optimizers)


def _objects(frame: Frame, name: _Name) -> Iterator[v.Identity]:
    """The objects that a name may stand for here."""
    value = frame.state.env.get(name.variable) or frame.run.globals.get(name.variable) or v.EMPTY
    found = [atom.id for atom in value if isinstance(atom, v.Obj)]
    for attribute in name.attributes:
        parts: list[v.Identity] = []
        for one in found:
            stored = frame.state.attrs.get((one, attribute))
            if stored is not None:
                parts += [atom.id for atom in stored if isinstance(atom, v.Obj)]
            elif v.Path(one, attribute) in frame.state.heap:
                parts.append(v.Path(one, attribute))
        found = parts
    yield from found


def sights(program: Program) -> Sights:
    """What a program has seen, by place as users see it."""
    found: dict[Span, dict[tuple[Span, ...], Sight]] = {}
    ways: dict[v.Context, tuple[Span, ...]] = {}
    for seen in program.seen:
        if seen.context not in ways:
            ways[seen.context] = tuple(_calls(program, seen.context))
        at = program.source_of(seen.context).placed(program.span(seen.event, seen.context))
        by_way = found.setdefault(Span(at.path, at.line, 1, at.line, 1, at.cell), {})
        now = Sight(ways[seen.context], seen.grad, seen.modes, seen.gradients)
        known = by_way.setdefault(now.calls, now)
        by_way[now.calls] = _both(known, now)
    return {at: tuple(by_way[way] for way in sorted(by_way)) for at, by_way in found.items()}


def _both(one: Sight, other: Sight) -> Sight:
    """What may hold by either."""
    return Sight(
        one.calls,
        one.grad | other.grad,
        _joined(one.modes, other.modes),
        _joined(one.gradients, other.gradients),
    )


def _joined(one: tuple[tuple[str, T], ...], other: tuple[tuple[str, T], ...]) -> tuple[tuple[str, T], ...]:
    """What may hold by either, of what is known by both."""
    known = dict(other)
    return tuple((name, states | known[name]) for name, states in one if name in known)


def _calls(program: Program, context: v.Context) -> Iterator[Span]:
    for at in reversed(list(context.chain())):
        if at.call is not None and at.parent is not None:
            yield program.source_of(at.parent).placed(program.span(at.call, at.parent))
