"""Methods of things that are not the project's code, by what the receiver is known to be; those of modules.

Methods of the project's own classes are found by `attributes` and inlined by `calls`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchmode_lint import torch_api as api
from torchmode_lint import torch_methods as named
from torchmode_lint.analysis import (
    branches,
    calls,
    construction,
    containers,
    doubts,
    forwards,
    grad_modes,
    gradients,
    library,
    modes,
    optimizers,
    parameters,
    tensors,
    unknown_calls,
    unknowns,
)
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.values import Atom, Cls, Const, Ext, Identity, Obj, Param, Path, Tensor, Tup, Value
from torchmode_lint.protocol import Mode, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event

# names that mean the protocol on whatever they are called
SHARED_NAMES = frozenset({"eval", "train", "zero_grad", "step", "backward", "parameters", "to", "cuda", "cpu"})


def call(frame: Frame, event: Event, owner: Atom, name: str, arguments: Arguments, dst: int | None = None) -> Value:
    """`owner.name(arguments)`."""
    match owner:
        case Tensor() if name in named.MODULE_EVIDENCE:  # no tensor, but a module that was taken for one
            return frame.unknown(event)
        case Tensor():
            return tensors.method(frame, event, owner, name, arguments)
        case Param():
            return parameters.method(frame, event, owner, name, arguments)
        case Obj(identity):
            return _object_method(frame, event, identity, name, arguments, dst)
        case Cls(cls):
            for base in cls.external_bases():
                return library.call(frame, event, f"{base}.{name}", arguments, dst)
            return unknown_calls.call(frame, event, arguments)
        case Ext(qualified):
            return library.call(frame, event, f"{qualified}.{name}", arguments, dst)
        case Const(_, str()) if name == "format":
            return frame.unknown(event)
        case Tup() | Const():
            return unknown_calls.call(frame, event, arguments, neutral=True)
        case _:
            if name in named.BACKWARD_METHODS:
                gradients.backward(frame, event, arguments.first, Truth.MAYBE)
            return unknown_calls.call(frame, event, arguments)


def _object_method(
    frame: Frame, event: Event, identity: Identity, name: str, arguments: Arguments, dst: int | None
) -> Value:
    record = frame.state.heap.get(identity)
    match record:
        case None:
            return unknowns.method(frame, event, identity, name, arguments, dst)
        case r.Module():
            return module_method(frame, event, identity, record, name, arguments)
        case r.Optimizer():
            return optimizers.method(frame, event, identity, record, name, arguments)
        case r.Sequence():
            return containers.sequence_method(frame, event, identity, record, name, arguments)
        case r.Mapping():
            return containers.mapping_method(frame, event, identity, record, name, arguments)
        case r.Library(r.FOREIGN):
            unknown_calls.call(frame, event, arguments)
            return frame.make(event, record)
        case r.Library():
            doubts.through_library(frame, record)
            if f"{record.kind}.{name}" in api.HANDED_BACK:
                return library.handed_back(frame, event, f"{record.kind}.{name}", arguments)
            return optimizers.library_method(frame, event, name, arguments)
        case r.Instance():
            return unknowns.instance_method(frame, event, identity, record, name, arguments)
        case r.GradSwitch():
            return grad_modes.method(frame, event, identity, record, name)
        case _:
            return unknown_calls.call(frame, event, arguments, neutral=True)


def module_method(
    frame: Frame, event: Event, identity: Identity, record: r.Module, name: str, arguments: Arguments
) -> Value:
    me = v.just(Obj(identity))
    if name in ("eval", "train"):
        switch(frame, event, identity, name, arguments)
        return me
    if name in named.MODULE_SELF:
        if name == "requires_grad_":
            modes.freeze(frame, identity, calls.truth_of(arguments.get(0, "requires_grad"), Truth.YES))
        if name == "apply":
            modes.blur_mode(frame, identity)
            unknown_calls.call(frame, event, Arguments(tuple(arguments.all())), neutral=True)
        return me
    if name in named.MODULE_PARAMETERS:
        return frame.make(event, r.Parameters(frozenset({identity}), named=name.startswith("named")))
    if name in named.MODULE_CHILDREN:
        return frame.make(event, r.Parameters(frozenset({identity}), named=name.startswith("named"), modules=True))
    if name in ("values", "items") and record.cls is None and not arguments.positional:  # a ModuleDict
        return frame.make(event, r.Parameters(frozenset({identity}), named=name == "items", modules=True))
    if name in named.CLEARING:
        gradients.zero(frame, event, None, identity)
        return v.NONE
    if name == "backward":  # an engine that wraps the module
        gradients.backward(frame, event, arguments.first, Truth.MAYBE)
        _leave_to_engine(frame)
        return v.NONE
    if name in ("forward", "__call__"):
        method = record.cls.method(name) if record.cls is not None else None
        if method is not None and construction.trains(record.cls) and name == "__call__":  # type: ignore[arg-type]
            return calls.call_method(frame, event, method, identity, arguments)
        return forwards.forward(frame, event, identity, arguments)
    if name == "step" or name in named.MODULE_NEUTRAL:
        if name == "step":
            _leave_to_engine(frame)
        if name in ("append", "add_module", "register_module", "extend", "insert"):
            modes.adopt(frame, identity, v.join_all(arguments.all()))
            return me
        return frame.unknown(event)
    if name == "module":
        return forwards.forward(frame, event, identity, arguments)
    return _module_forward_method(frame, event, identity, record, name, arguments)


def _module_forward_method(
    frame: Frame, event: Event, identity: Identity, record: r.Module, name: str, arguments: Arguments
) -> Value:
    """`model.generate(x)`, `model.encode(x)`: a forward if it is given data."""
    given = [value for value in arguments.all() if not isinstance(v.single(value), (Const, v.Func, v.Cls, v.Ext))]
    frame.run.handed.add(identity)
    if not given or name.startswith(("_", *named.MODULE_NEUTRAL_VERBS)):
        return frame.unknown(event)
    if record.cls is None or record.cls.is_open:
        doubts.doubt(frame)  # what cannot be seen may train: `model.learn(batch)`
    return forwards.forward(frame, event, identity, arguments, by_method=name)


def switch(frame: Frame, event: Event, identity: Identity, name: str, arguments: Arguments) -> None:
    if name == "eval":
        modes.set_mode(frame, identity, Mode.EVAL, event)
        return
    flag = arguments.get(0, "mode")
    truth = calls.truth_of(flag, Truth.YES)
    if truth is not Truth.MAYBE:
        modes.set_mode(frame, identity, Mode.TRAIN if truth is Truth.YES else Mode.EVAL, event)
        return
    assert flag is not None
    atom = v.single(flag)
    if isinstance(atom, Obj) and isinstance(atom.id, Path) and atom.id.step == "training":
        modes.set_mode(frame, identity, Mode.ENTRY, event)  # the mode it had before is restored
        return
    branches.split(frame, flag, lambda one, yes: modes.set_mode(one, identity, Mode.TRAIN if yes else Mode.EVAL, event))


def _leave_to_engine(frame: Frame) -> None:
    gradients.touch_gradients(frame)
