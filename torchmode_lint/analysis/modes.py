"""Modules: which mode they are in, with their parts, and whether their parameters require grad."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from torchmode_lint.analysis import calls
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.dependence import constants, dependence, evaluates_itself, own_dependence, strongest
from torchmode_lint.analysis.glance import dotted_names
from torchmode_lint.analysis.parts import part_dependence
from torchmode_lint.analysis.values import Identity, Obj, Path, Value
from torchmode_lint.flow.cfg import Next
from torchmode_lint.flow.events import Call, SetAttribute
from torchmode_lint.protocol import Gradients, Mode, Truth
from torchmode_lint.torch_api import effect_of
from torchmode_lint.torch_effects import Effect

if TYPE_CHECKING:
    from torchmode_lint.analysis.dependence import Lookup
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.cfg import Block, Code
    from torchmode_lint.flow.events import Event


def module_of(frame: Frame, identity: Identity) -> r.Module | None:
    """What is known of a module; a part of a module that nobody touched has the mode of the whole."""
    record = frame.state.heap.get(identity)
    if isinstance(record, r.Module):
        return record
    if record is None and isinstance(identity, Path):
        whole = module_of(frame, identity.base)
        if whole is not None:
            if identity.step.startswith("["):  # it was put in, in a mode of its own, or switched with all the others
                every = frame.state.heap.get(Path(identity.base, "*"))
                whole = every if isinstance(every, r.Module) else in_effect(frame, whole)
            dependent = _dependence_of_part(frame, identity)
            return r.Module(whole.mode, whole.why, dependent, None, whole.frozen, chosen=whole.chosen)
    return None


def _dependence_of_part(frame: Frame, part: Path) -> Truth:
    """What the class of the whole says of a part; where that is nothing, whether any of what the whole was given is."""
    whole, step = part.base, part.step
    record = frame.state.heap.get(whole)
    if isinstance(record, r.Module) and record.cls is not None:
        told = part_dependence(record.cls, step, frame.run.lookup)
        if told is not Truth.MAYBE:
            return told
    while not isinstance(record, r.Module) and isinstance(whole, Path):
        whole = whole.base
        record = frame.state.heap.get(whole)
    return Truth.NO if isinstance(record, r.Module) and record.dependent is Truth.NO else Truth.MAYBE


def ensure_module(frame: Frame, identity: Identity) -> r.Module:
    """The record of something that is used as a module, made if it has none."""
    known = module_of(frame, identity)
    if known is None:
        known = r.Module(Mode.ENTRY)
    if frame.state.heap.get(identity) is None:
        frame.state.heap[identity] = known
    return known


def set_mode(frame: Frame, identity: Identity, mode: Mode, event: Event, chosen: bool = True) -> None:
    """Put a module and all its parts into a mode; in a loop over the modules of another, that other module."""
    if isinstance(identity, Path) and _stands_for_all(frame, identity, event):
        identity = identity.base
    ensure_module(frame, identity)
    seen: set[Identity] = set()
    pending: list[tuple[Identity, Mode]] = [(identity, mode)]
    why = frozenset({frame.point(event)})
    heap = frame.state.heap
    while pending:
        at, asked = pending.pop()
        record = heap.get(at)
        told = _told(frame, at, record, asked)
        if at in seen or told is None:
            continue
        seen.add(at)
        held: list[Identity] = []
        if isinstance(record, r.Module):
            heap[at] = replace(record, mode=told, why=why, chosen=chosen)
            held += record.parts
        elif isinstance(record, (r.Sequence, r.Mapping)):
            held += [a.id for a in frame.reach(v.just(Obj(at))) if isinstance(a, Obj)]
        for key, other in heap.items():
            if isinstance(key, Path) and key.base == at and isinstance(other, r.Module):
                held.append(key)
        for (owner, _), value in frame.state.attrs.items():
            if owner == at:
                held += [a.id for a in v.objects_in(value) if a.id in heap]
        pending += [(one, told) for one in held]


def _told(frame: Frame, identity: Identity, record: r.Record | None, asked: Mode) -> Mode | None:
    """The mode that a module passes on when it is asked for one; None where its own `train` does nothing."""
    if (identity, "train") in frame.state.attrs:
        return None
    cls = record.cls if isinstance(record, r.Module) else None
    method = v.single((cls.method("train") if cls is not None else None) or v.EMPTY)
    if not isinstance(method, v.Func):
        return asked
    names, literals = dotted_names(method.code), constants(method.code)
    events = [event for block in method.code.blocks for event in block.events]
    if not any(isinstance(event, (Call, SetAttribute)) for event in events):
        return None
    flags = {
        literals.get(event.arguments[0].src) if len(event.arguments) == 1 else None
        for event in events
        if isinstance(event, Call) and names.get(event.func, "?").endswith(".train")
    }
    return Mode.EVAL if flags == {False} else asked


def _stands_for_all(frame: Frame, element: Path, event: Event) -> bool:
    """Whether an event in a loop over the modules of a module happens to each of them."""
    if element.step != "*":
        return False
    block = next((block for block in frame.context.code.blocks if event in block.events), None)
    if block is None or not block.loops or not isinstance(drawn := block.loops[-1].end, Next):
        return False
    return all(_yields_all(frame, a, element.base) for a in frame.get(drawn.iterator)) and _in_every_turn(
        frame.context.code, block
    )


def _yields_all(frame: Frame, atom: v.Atom, owner: Identity) -> bool:
    """Whether something to iterate over yields all modules of a module."""
    record = frame.state.heap.get(atom.id) if isinstance(atom, Obj) else None
    if isinstance(record, r.Parameters):
        return record.modules and owner in record.owners
    return isinstance(record, r.Module) and atom == Obj(owner)


def _in_every_turn(code: Code, block: Block) -> bool:
    """Whether no turn of the innermost loop around a block goes past it, and none is the last before its time."""
    head = block.loops[-1]
    inside = [other for other in code.blocks if head in other.loops and other is not head]
    if any(head not in after.loops for other in inside for after in other.successors()):
        return False
    assert isinstance(head.end, Next)
    past: set[Block] = {block}
    pending = [head.end.body]
    while pending:
        at = pending.pop()
        if at is head:
            return False
        if at not in past:
            past.add(at)
            pending += at.successors()
    return True


def blur_mode(frame: Frame, identity: Identity) -> None:
    """An unseen function had the module: it may have switched the mode, or frozen it."""
    record = frame.state.heap.get(identity)
    frame.run.handed.add(identity)
    if isinstance(record, r.Module) and Mode.ENTRY not in record.mode:
        frame.state.heap[identity] = replace(record, mode=record.mode | Mode.ENTRY)
    elif isinstance(record, r.Optimizer):
        frame.state.heap[identity] = replace(record, grads=Gradients.ENTRY)


def dependence_of(lookup: Lookup, record: r.Module) -> Truth:
    """Whether the module computes differently by mode, its class followed."""
    if record.cls is None:
        return record.dependent
    if evaluates_itself(record.cls):
        return Truth.NO
    own = Truth.NO if record.rateless else own_dependence(record.cls, lookup)
    return own if own is Truth.NO and record.dependent is Truth.NO else dependence(record.cls, own)


def in_effect(frame: Frame, record: r.Module) -> r.Module:
    """The module in the mode that its result depends on: where no layer of its own does, that of its parts."""
    if not record.parts or _has_own_layers(frame, record):
        return record
    deciding = list(_deciding(frame, record))
    if not deciding:
        return record
    training = [part for part in deciding if part.mode is Mode.TRAIN] or deciding
    sure = any(dependence_of(frame.run.lookup, part) is Truth.YES for part in training)
    return replace(
        record,
        mode=reduce(or_, (part.mode for part in training)),
        why=reduce(r.join_points, (part.why for part in training)),
        dependent=record.dependent if sure else Truth.MAYBE,
        chosen=record.chosen or any(part.chosen for part in training),
    )


def _deciding(frame: Frame, record: r.Module) -> Iterator[r.Module]:
    """The parts, and parts of those that only hold others, whose mode may make a difference."""
    seen: set[Identity] = set()
    pending = list(record.parts)
    while pending:
        at = pending.pop()
        part = frame.state.heap.get(at)
        if at in seen or not isinstance(part, r.Module):
            continue
        seen.add(at)
        if part.parts and not _has_own_layers(frame, part):
            pending += part.parts
        elif dependence_of(frame.run.lookup, part) is not Truth.NO:
            yield part


def _has_own_layers(frame: Frame, record: r.Module) -> bool:
    """Whether a module may depend on the mode by itself, whatever parts it was given."""
    if record.cls is None:
        return effect_of(record.name) is not Effect.CONTAINER
    return not record.rateless and own_dependence(record.cls, frame.run.lookup) is not Truth.NO


def adopt(frame: Frame, identity: Identity, value: Value) -> None:
    """What of `value` is a module becomes a part of another, which then depends on the mode if the part does."""
    heap = frame.state.heap
    whole = heap.get(identity)
    parts = {
        atom.id: part
        for atom in frame.reach(value)
        if isinstance(atom, Obj) and isinstance(part := heap.get(atom.id), r.Module) and atom.id != identity
    }
    if not isinstance(whole, r.Module) or not parts:
        return
    thaws = whole.frozen is Truth.YES and any(part.frozen is not Truth.YES for part in parts.values())
    heap[identity] = replace(
        whole,
        parts=whole.parts | frozenset(parts),
        frozen=Truth.MAYBE if thaws else whole.frozen,
        dependent=strongest({whole.dependent, *(dependence_of(frame.run.lookup, part) for part in parts.values())}),
    )


def freeze(frame: Frame, identity: Identity, requires: Truth) -> None:
    """All parameters of a module are set to require grad, or not to."""
    record = ensure_module(frame, identity)
    frozen = {Truth.YES: Truth.NO, Truth.NO: Truth.YES}.get(requires, Truth.MAYBE)
    frame.state.heap[identity] = replace(record, frozen=frozen)
    if frozen is not Truth.YES:
        thaw_around(frame, identity)


def thaw_around(frame: Frame, identity: Identity) -> None:
    """Of the modules that something is a part of, not all parameters are frozen any more."""
    heap = frame.state.heap
    while isinstance(identity, Path):
        identity = identity.base
        whole = heap.get(identity)
        if isinstance(whole, r.Module) and whole.frozen is Truth.YES:
            heap[identity] = replace(whole, frozen=Truth.MAYBE)


def freeze_owner(frame: Frame, identity: Identity, requires: Truth) -> None:
    """The parameters of a module, one by one in a loop, are set to require grad, or not to."""
    if not isinstance(frame.state.heap.get(identity), r.Optimizer):
        freeze(frame, identity, requires)


def ask(frame: Frame, identity: Identity) -> None:
    """Something unknown is made to require grad, or may be."""
    element = calls.element_of(Obj(identity))
    if element is not None:
        frame.run.program.asked.add(element)
