"""Construction of objects of the project's classes, and whether a class drives the protocol itself.

Modules of torch are made in `modules`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint.analysis import calls, modes
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.dependence import is_without_rates, strongest, zero_parameters
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.glance import glance
from torchmode_lint.analysis.values import Func, Obj, Value
from torchmode_lint.flow import events as ev
from torchmode_lint.protocol import Mode, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.classes import Class
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.cfg import Code
    from torchmode_lint.flow.events import Event

_TRAINING = frozenset({"backward", "zero_grad"})
_SWITCHING_ITSELF = frozenset({"self.eval", "self.train", "self.requires_grad_"})


def construct(frame: Frame, event: Event, cls: Class, arguments: Arguments) -> Value:
    """`C(...)` of a class of the project."""
    if cls.is_framework:
        return frame.make(event, r.Library("framework"))
    site = frame.fresh(event)
    if cls.is_module:
        frame.state.heap[site] = r.Module(
            Mode.TRAIN,
            frozenset({frame.point(event)}),
            _given_dependence(frame, arguments),
            cls,
            Truth.MAYBE if freezes(cls) else Truth.NO,
            parts=_parts(frame, arguments),
            rateless=is_without_rates(cls, _zeros(cls, arguments), frame.run.lookup),
        )
        if not trains(cls):
            return v.just(Obj(site))
    else:
        frame.state.heap[site] = r.Instance(cls)
    init = cls.method("__init__")
    if init is None:
        for part in _parts(frame, _generated(frame, event, cls, site, arguments)):
            modes.blur_mode(frame, part)
    if init is not None and not (frame.run.plain(cls.code) is not None and not _parts(frame, arguments)):
        calls.call_method(frame, event, init, site, arguments)
    if cls.is_module:
        record = frame.state.heap.get(site)
        if isinstance(record, r.Module) and not record.chosen:
            frame.state.heap[site] = replace(record, mode=Mode.TRAIN, why=frozenset({frame.point(event)}))
    return v.just(Obj(site))


def _zeros(cls: Class, arguments: Arguments) -> frozenset[ev.Variable]:
    """The parameters of a constructor that are zero in a call."""
    if arguments.rest:
        return frozenset()
    given: dict[int | str, object] = {i: v.constant(value, None) for i, value in enumerate(arguments.positional)}
    given |= {name: v.constant(value, None) for name, value in arguments.keywords.items()}
    return zero_parameters(cls, given)


def _generated(frame: Frame, event: Event, cls: Class, site: v.Site, arguments: Arguments) -> Arguments:
    """What a generated constructor does, as of a dataclass: fill the annotated fields. Returns what is left over."""
    fields = [
        field.variable.name
        for one in reversed(list(cls.line()))
        for block in one.code.blocks
        for field in block.events
        if isinstance(field, ev.Annotate) and field.annotation not in ("ClassVar", "typing.ClassVar")
    ]
    if cls.is_module or not fields:
        return arguments
    names = list(dict.fromkeys(fields))
    given = dict(zip(names, arguments.positional, strict=False))
    given |= {name: value for name, value in arguments.keywords.items() if name in names}
    frame.state.attrs.update({(site, name): value for name, value in given.items()})
    after = cls.method("__post_init__")
    if after is not None:
        calls.call_method(frame, event, after, site, Arguments())
    left = {name: value for name, value in arguments.keywords.items() if name not in names}
    return Arguments(arguments.positional[len(names) :], left, arguments.rest)


def _parts(frame: Frame, arguments: Arguments) -> frozenset[v.Identity]:
    return frozenset(
        atom.id
        for value in arguments.all()
        for atom in frame.reach(value)
        if isinstance(atom, Obj) and isinstance(frame.state.heap.get(atom.id), r.Module)
    )


def _given_dependence(frame: Frame, arguments: Arguments) -> Truth:
    """Whether any of the arguments is a module that depends on the mode."""
    answers = {Truth.NO}
    for value in arguments.all():
        for atom in frame.reach(value):
            match atom:
                case v.Const() | v.Tensor() | v.Tup():
                    continue
                case Obj(identity) if isinstance(record := frame.state.heap.get(identity), r.Module):
                    answers.add(modes.dependence_of(frame.run.lookup, record))
                case Obj(identity) if isinstance(frame.state.heap.get(identity), (r.Sequence, r.Mapping)):
                    continue
                case _:
                    answers.add(Truth.MAYBE)
    return strongest(answers)


def trains(cls: Class) -> bool:
    """Whether a module's class also drives the protocol, so that its constructor must be followed."""
    return drives(cls) or any(
        not _SWITCHING_ITSELF.isdisjoint(glance(atom.code).called)
        for atom in cls.method("__init__") or ()
        if isinstance(atom, Func)
    )


def drives(cls: Class) -> bool:
    """Whether a class, or one that it inherits from, makes moves of training itself."""
    for one in cls.line():
        if one.trains_itself is None:
            one.trains_itself = makes_moves(one.code)
        if one.trains_itself:
            return True
    return False


def makes_moves(code: Code) -> bool:
    """Whether a code makes moves of training."""
    return any(name.rpartition(".")[2] in _TRAINING for name in glance(code).called)


def freezes(cls: Class) -> bool:
    """Whether a class's constructor sets what of itself requires grad."""
    return any(
        (isinstance(event, ev.SetAttribute) and event.name == "requires_grad")
        or (isinstance(event, ev.Attribute) and event.name == "requires_grad_")
        or (isinstance(event, ev.Call) and any(argument.keyword == "requires_grad" for argument in event.arguments))
        for atom in cls.method("__init__") or ()
        if isinstance(atom, Func)
        for block in atom.code.blocks
        for event in block.events
    )
