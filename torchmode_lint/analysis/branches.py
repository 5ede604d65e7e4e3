"""Where control goes from a block, and what is then known: conditions, loop heads, unrolled loops.

A condition on unknown values is a symbol; the state remembers which way it went, so that a later
condition on the same symbol goes the same way. A loop over unknown data runs at least once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.iteration import elements
from torchmode_lint.analysis.relations import relation
from torchmode_lint.analysis.state import State, truths
from torchmode_lint.analysis.values import Const, Expression, Obj, Value
from torchmode_lint.flow import cfg
from torchmode_lint.flow.events import Caught
from torchmode_lint.protocol import Gradients, Mode, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.cfg import Block

MAX_UNROLLED = 6


def ways(frame: Frame, block: Block) -> Iterator[tuple[Block, State]]:
    """The successors that may be reached from the end of a block, each with its own state."""
    match block.end:
        case cfg.Jump(target):
            yield target, frame.state
        case cfg.Branch(condition, then, otherwise):
            yield from _branch(frame, block, frame.get(condition), then, otherwise)
        case cfg.Next():
            yield from _next(frame, block, block.end)
        case cfg.Suppress(enter, resume):
            manager = frame.state.env.get((frame.context.code.scope, enter.manager), v.EMPTY)
            if any(isinstance(a, Obj) and frame.state.heap.get(a.id) == r.Library("suppress") for a in manager):
                yield resume, frame.state.copy()
            for handler in block.handlers:
                yield handler, frame.state.copy()
        case cfg.Raise():
            for handler in block.handlers:
                yield handler, frame.state.copy()
        case _:
            return


def guarded(frame: Frame, block: Block) -> bool:
    """Whether an exception from this block may be caught: by an except clause, or by an unknown manager."""
    for handler in block.handlers:
        if any(isinstance(event, Caught) for event in handler.events):
            return True
        if isinstance(handler.end, cfg.Suppress):
            managers = frame.state.env.get((frame.context.code.scope, handler.end.enter.manager), v.EMPTY)
            known = (r.GradSwitch, r.Resumable)
            for atom in managers:
                record = frame.state.heap.get(atom.id) if isinstance(atom, Obj) else None
                if not isinstance(record, known) and record != r.Library("manager"):
                    return True
        if handler is not block and guarded(frame, handler):
            return True
    return False


def _branch(frame: Frame, block: Block, value: Value, then: Block, otherwise: Block) -> Iterator[tuple[Block, State]]:
    may_true, may_false = possible(frame.state, value)
    # a while loop whose condition cannot be told runs at least once
    if may_true and may_false and block in block.loops and frame.state.loops.get(block) == 0:
        if block not in otherwise.loops:
            may_false = False
        elif block not in then.loops:
            may_true = False
    if may_true:
        state = frame.state.copy() if may_false else frame.state
        assume(state, value, True)
        yield then, state
    if may_false:
        assume(frame.state, value, False)
        yield otherwise, frame.state


def possible(state: State, value: Value) -> tuple[bool, bool]:
    """Whether a value may be true, and whether it may be false."""
    known = state.facts.get(value)
    if known is not None:
        return known, not known
    true, false = truths(value)
    for atom in value:
        if isinstance(atom, Obj) and isinstance(state.heap.get(atom.id), (r.Module, r.Optimizer, r.Instance)):
            false = false - {atom}
    negated = _negation(value)
    if negated is not None:
        was = state.facts.get(negated)
        if was is not None:
            return not was, was
    return bool(true), bool(false)


def _negation(value: Value) -> Value | None:
    """`x` for a value that is the symbol `not x`; the equality for an inequality."""
    atom = v.single(value)
    if isinstance(atom, Obj) and isinstance(atom.id, Expression):
        operator, operands = atom.id.operator, atom.id.operands
        if operator == "not":
            return operands[0]
        opposite = {"!=": "==", "is not": "is", "not in": "in"}.get(operator)
        if opposite is not None:
            return v.just(Obj(Expression(opposite, operands, atom.id.kind, atom.id.depth)))
    return None


def assume(state: State, value: Value, truth: bool) -> None:
    """From here on `value` is known to be true (or false)."""
    atom = v.single(value)
    if isinstance(atom, Obj) and atom.id not in state.heap:
        negated = _negation(value)
        if negated is not None:
            assume(state, negated, not truth)
            return
        state.facts[value] = truth
        if isinstance(atom.id, v.Path) and atom.id.step == "training":
            _assume_mode(state, atom.id.base, truth)
        if isinstance(atom.id, Expression) and atom.id.operator == "is" and v.NONE in atom.id.operands:
            subject = next((o for o in atom.id.operands if o != v.NONE), None)
            if subject is not None:
                _assume_none(state, subject, truth)
        return
    true, false = truths(value)
    keep = true if truth else false
    if keep and keep != value and len(value) > 1:
        state.refine(value, keep)


def split(frame: Frame, flag: Value, do: Callable[[Frame, bool], None]) -> None:
    """Go on along both truths of a flag, each remembered, so that later conditions on it agree."""
    may_true, may_false = possible(frame.state, flag)
    if may_true and may_false:
        other = frame.fork(frame.state.copy())
        assume(other.state, flag, False)
        do(other, False)
    if may_true:
        if may_false:
            assume(frame.state, flag, True)
        do(frame, True)
    else:
        do(frame, False)


def _assume_mode(state: State, module: v.Identity, training: bool) -> None:
    """`if self.training:` tells the mode that the caller had."""
    record = state.heap.get(module)
    if isinstance(record, r.Module) and record.mode is Mode.ENTRY:
        state.heap[module] = replace(record, mode=Mode.TRAIN if training else Mode.EVAL)


def _assume_none(state: State, subject: Value, is_none: bool) -> None:
    if is_none:
        for atom in subject:
            if isinstance(atom, v.Param) and atom.gradient:
                _no_gradient(state, atom.owner)
    none = v.NONE & subject
    if none and subject != none:
        state.refine(subject, none if is_none else subject - none)


def _no_gradient(state: State, owner: v.Identity) -> None:
    """Parameters whose `.grad` is None hold nothing to clear."""
    for key, record in list(state.heap.items()):
        if isinstance(record, r.Optimizer) and (key == owner or relation(record.owns, [owner]) is not Truth.NO):
            state.heap[key] = replace(record, grads=Gradients.CLEAN, doubted=True)


def _next(frame: Frame, block: Block, end: cfg.Next) -> Iterator[tuple[Block, State]]:
    iterator = frame.get(end.iterator)
    turn = frame.state.loops.get(block, 0)
    items = unrolled(frame.state, iterator)
    if items is not None:
        if turn < len(items):
            state = frame.state.copy()
            state.env[frame.context.code.scope, end.dst] = items[turn]
            yield end.body, state
        else:
            yield end.done, frame.state
        return
    if turn > 0:
        yield end.done, frame.state.copy()
    element = elements(frame, iterator, end)
    for atom in frame.reach(element):
        if isinstance(atom, Obj) and atom.id not in frame.state.heap:
            frame.state.forget(atom.id)
    state = frame.state
    state.env[frame.context.code.scope, end.dst] = element
    yield end.body, state


def unrolled(state: State, iterator: Value) -> tuple[Value, ...] | None:
    """The elements of a short literal sequence that are worth a turn of their own each."""
    atom = v.single(iterator)
    if not isinstance(atom, Obj):
        return None
    record = state.heap.get(atom.id)
    if not isinstance(record, r.Sequence) or record.items is None or not 0 < len(record.items) <= MAX_UNROLLED:
        return None
    return record.items if all(_distinct(state, item) for item in record.items) else None


def _distinct(state: State, item: Value) -> bool:
    atom = v.single(item)
    match atom:
        case Const() | v.Func() | v.Cls() | v.Bound():
            return True
        case v.Tup(items):
            return any(_distinct(state, one) for one in items)
        case Obj(identity):
            return isinstance(state.heap.get(identity), (r.Module, r.Optimizer, r.Instance, r.Loader))
        case _:
            return False


def items_of(state: State, scope: int) -> frozenset[tuple[Block, int]]:
    """The unrolled loops around this point, with which of their elements it is that they have come to."""
    return frozenset((head, turn) for head, turn in state.loops.items() if last_turn(state, head, scope) > 1)


def last_turn(state: State, head: Block, scope: int) -> int:
    """The turn of a loop from which on turns are not told apart."""
    if isinstance(head.end, cfg.Next):
        items = unrolled(state, state.env.get((scope, head.end.iterator), v.EMPTY))
        if items is not None:
            return len(items)
    return 1
