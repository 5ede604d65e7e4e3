"""Making modules, and what is made for them: optimizers, schedulers, loaders.

Classes of the project are constructed by `calls`; methods of modules are in `methods`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint.analysis import gradients, modes
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.dependence import strongest
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Obj, Param, Tensor, Value
from torchmode_lint.protocol import Gradients, Mode, Truth
from torchmode_lint.torch_effects import Effect

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


def _module(dependent: Truth, name: str) -> Callable[[Frame, Event, str, Arguments], Value]:
    def make(frame: Frame, event: Event, qualified: str, arguments: Arguments) -> Value:
        record = r.Module(Mode.TRAIN, frozenset({frame.point(event)}), dependent, name=name or qualified)
        return frame.make(event, record)

    return make


def _dropped(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    rate = arguments.get(0, "p") if "Dropout" in name else arguments.get(-1, "dropout")
    return _by_rate(frame, event, name, rate, Truth.YES)


def _dropping(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return _by_rate(frame, event, name, arguments.get(-1, "dropout"), Truth.NO)


def _running(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return _by_rate(frame, event, name, arguments.get(-1, "track_running_stats"), Truth.NO)


def _by_rate(frame: Frame, event: Event, name: str, rate: Value | None, default: Truth) -> Value:
    dependent = default
    if rate is not None:
        number = v.constant(rate, Ellipsis)
        dependent = Truth.MAYBE if number is Ellipsis else Truth.YES if number else Truth.NO
    return frame.make(event, r.Module(Mode.TRAIN, frozenset({frame.point(event)}), dependent, name=name))


def _container(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    """A container is in train mode when made, its parts stay as they are; it depends as they do."""
    answers: set[Truth] = {Truth.NO}
    parts: set[v.Identity] = set()
    for value in arguments.all():
        for atom in frame.reach(value):
            if isinstance(atom, Obj):
                held = frame.state.heap.get(atom.id)
                if isinstance(held, r.Parameters) and held.modules:
                    parts |= held.owners
                elif modes.module_of(frame, atom.id) is not None:
                    parts.add(atom.id)
                elif not isinstance(held, (r.Sequence, r.Mapping)):
                    answers.add(Truth.MAYBE)
            elif isinstance(atom, v.Anything):
                answers.add(Truth.MAYBE)
    records = [modes.ensure_module(frame, part) for part in parts]
    answers.update(modes.dependence_of(frame.run.lookup, part) for part in records)
    frozen = {part.frozen for part in records}
    record = r.Module(
        Mode.TRAIN,
        frozenset({frame.point(event)}),
        strongest(answers),
        frozen=frozen.pop() if len(frozen) == 1 else Truth.NO,
        parts=frozenset(parts),
        name=name,
    )
    return frame.make(event, record)


def _sharing(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    for atom in arguments.first:
        if isinstance(atom, Obj) and frame.state.heap.get(atom.id) is None and not name.startswith("torch.compile"):
            frame.run.learn(atom.id, "module")
            modes.ensure_module(frame, atom.id)
    return arguments.first or frame.unknown(event)


def _factory(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    told = "" if name.endswith("[]") else name
    return frame.make(event, r.Module(Mode.TRAIN, frozenset({frame.point(event)}), Truth.YES, name=told))


def _pretrained(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.Module(Mode.EVAL, frozenset({frame.point(event)}), Truth.YES, name=name))


def _loaded(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.Module(Mode.ENTRY, frozen=Truth.MAYBE, name=name))


def _copy(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    atom = v.single(arguments.first)
    if isinstance(atom, Obj):
        record = frame.state.heap.get(atom.id)
        if isinstance(record, r.Module):  # with parts of its own, which nobody can name
            record = replace(modes.in_effect(frame, record), parts=frozenset())
        if isinstance(record, (r.Module, r.Sequence, r.Mapping)):
            return frame.make(event, record)
        return frame.unknown(event)
    if isinstance(atom, Tensor):
        return arguments.first
    return frame.unknown(event)


def _optimizer(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    if not name.rpartition(".")[2][:1].isupper() and not name.startswith("timm."):
        return frame.unknown(event)
    owns: set[v.Identity] = set()
    known = True
    given = arguments.get(0, "params") or arguments.first
    for atom in frame.reach(given):
        match atom:
            case Param(owner, _):
                owns.add(owner)
            case Obj(identity):
                record = frame.state.heap.get(identity)
                if isinstance(record, r.Parameters):
                    owns |= record.owners
                elif isinstance(record, r.Module) or (record is None and isinstance(identity, v.Path)):
                    owns.add(identity)
                elif record is None:
                    known = False
            case Tensor():
                known = False
                gradients.read_grad(frame, event, atom, optimized=True)
            case v.Anything():
                known = False
    record = r.Optimizer(frozenset(owns) if known and owns else None, Gradients.CLEAN, made=True)
    return frame.make(event, record)


def _scheduler(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.Library("scheduler"))


def _loader(frame: Frame, event: Event, name: str, arguments: Arguments) -> Value:
    return frame.make(event, r.Loader())


EFFECTS: dict[Effect, Callable[[Frame, Event, str, Arguments], Value]] = {
    Effect.LAYER: _module(Truth.NO, ""),
    Effect.STATELESS: _module(Truth.NO, "stateless"),
    Effect.DEPENDENT: _module(Truth.YES, ""),
    Effect.DROPPED: _dropped,
    Effect.DROPPING: _dropping,
    Effect.RUNNING: _running,
    Effect.CONTAINER: _container,
    Effect.SHARING: _sharing,
    Effect.FACTORY: _factory,
    Effect.PRETRAINED: _pretrained,
    Effect.LOADED: _loaded,
    Effect.COPY: _copy,
    Effect.OPTIMIZER: _optimizer,
    Effect.SCHEDULER: _scheduler,
    Effect.LOADER: _loader,
}
