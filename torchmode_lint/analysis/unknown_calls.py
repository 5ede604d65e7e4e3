"""Calls of what cannot be seen: what they may do to their arguments, and what they return.

Methods of unknown receivers that have a name of the protocol are in `unknowns`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint.analysis import doubts, forwards, gradients, inlining, modes, tracking
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Func, Obj, Path, Tensor, Value
from torchmode_lint.flow.events import MakeFunction
from torchmode_lint.protocol import Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event


def call(
    frame: Frame,
    event: Event,
    arguments: Arguments,
    *,
    receiver: Value = v.EMPTY,
    neutral: bool = False,
    made: object = None,
) -> Value:
    """A call whose body cannot be seen. `neutral`: it is known to leave modes and gradients alone.

    `made` stands for the result, where the event itself stands for something else (a constructed object).

    A module among the arguments may be applied; tensors may be part of the result; an optimizer beside
    a tensor may mean that a loss is taken backward and a step is made.
    """
    program = frame.run.program
    values = [*arguments.all(), *([receiver] if receiver else [])]
    reached = [atom for value in values for atom in frame.reach(value)]
    tensors = [atom for atom in reached if isinstance(atom, Tensor)]
    objects = list(dict.fromkeys(atom.id for atom in reached if isinstance(atom, Obj)))
    modules = [i for i in objects if isinstance(frame.state.heap.get(i), r.Module)]
    optimizers = [i for i in objects if isinstance(frame.state.heap.get(i), r.Optimizer)]
    functions = [atom for atom in reached if isinstance(atom, Func)]
    tracking.mark(frame, program.passed, values)
    if not neutral:
        tracking.leave(frame, values, program.entrusted)
    if neutral:
        doubts.of_gradients(frame, reached)
        return _unknown_result(frame, made or event, tensors)
    if tensors and optimizers:
        gradients.backward(frame, event, frozenset(tensors), Truth.MAYBE)
    data_given = bool(tensors) or any(isinstance(a, Obj) and a.id not in frame.state.heap for a in reached)
    result: Value
    if modules and data_given and len(modules) <= 3:
        result = forwards.forward(frame, event, modules[0], arguments, direct=False, extra=modules)
    else:
        result = _unknown_result(frame, made or event, tensors)
    for identity in (*modules, *optimizers):
        modes.blur_mode(frame, identity)
    doubts.handed(frame, reached, result)
    _note_optimizer(frame, reached, result)
    for func in functions:
        _call_back(frame, event, func)
    return result


def _unknown_result(frame: Frame, event: object, tensors: list[Tensor]) -> Value:
    if any(t.data or t.may or t.grad is Truth.YES for t in tensors):
        return v.just(replace(v.derived(tensors, exact=False), made=event))
    return frame.unknown(event)


def _note_optimizer(frame: Frame, reached: list[v.Atom], result: Value) -> None:
    """What is made of parameters, and then stepped, is an optimizer, whoever made it."""
    made = v.single(result)
    records = [frame.state.heap.get(a.id) for a in reached if isinstance(a, Obj)]
    owners = [one.owners for one in records if isinstance(one, r.Parameters)]
    if isinstance(made, Obj) and made.id not in frame.state.heap and owners:
        frame.run.learn(made.id, "of parameters")
        frame.run.given_parameters[made.id] = frozenset().union(*owners)


def _call_back(frame: Frame, event: Event, func: Func) -> None:
    """A function handed to something unknown is called by it, on arguments that are not known."""
    code = func.code
    if isinstance(event, MakeFunction):
        return  # it is only being decorated
    if func.kind or not frame.run.may_enter(frame.context, code) or code.is_generator:
        return
    count = len([p for p in code.parameters if p.kind in ("normal", "positional")]) - (func.owner is not None)
    context = frame.context
    given = tuple(v.just(Obj(Path(context, f"{code.qualname}({i})"))) for i in range(max(count, 0)))
    inlining.inline(frame, event, func, Arguments(given))
