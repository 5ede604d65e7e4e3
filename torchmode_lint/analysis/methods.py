"""Methods of things that are not the project's code: modules, optimizers, tensors, containers, unknowns.

What a method does is decided by what its receiver is known to be; where the receiver is unknown, by the
few names that belong to the protocol, and then the use is remembered as evidence of what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint import torch_api as api
from torchmode_lint.analysis import calls, library, tracking
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.frame import Arguments
from torchmode_lint.analysis.iteration import part
from torchmode_lint.analysis.values import (
    Atom,
    Cls,
    Const,
    Expression,
    Ext,
    Func,
    Identity,
    Obj,
    Param,
    Path,
    Tensor,
    Tup,
    Value,
)
from torchmode_lint.protocol import Gradients, Mode, Truth

if TYPE_CHECKING:
    from torchmode_lint.analysis.frame import Frame
    from torchmode_lint.flow.events import Event

# names that mean the protocol on whatever they are called
SHARED_NAMES = frozenset({"eval", "train", "zero_grad", "step", "backward", "parameters", "to", "cuda", "cpu"})


def call(frame: Frame, event: Event, owner: Atom, name: str, arguments: Arguments, dst: int | None = None) -> Value:
    """`owner.name(arguments)`."""
    match owner:
        case Tensor():
            return tensor_method(frame, event, owner, name, arguments)
        case Param():
            return _param_method(frame, event, owner, name, arguments)
        case Obj(identity):
            record = frame.state.heap.get(identity)
            method = _METHODS.get(type(record))
            if method is not None:
                return method(frame, event, identity, record, name, arguments)
            return unknown_method(frame, event, identity, name, arguments, dst)
        case Cls(cls):
            for base in cls.external_bases():
                return library.call(frame, event, f"{base}.{name}", arguments, dst)
            return calls.unknown_call(frame, event, arguments)
        case Ext(qualified):
            return library.call(frame, event, f"{qualified}.{name}", arguments, dst)
        case Const(_, str()) if name == "format":
            return frame.unknown(event)
        case Tup() | Const():
            return calls.unknown_call(frame, event, arguments, neutral=True)
        case _:
            if name in api.BACKWARD_METHODS:
                tracking.backward(frame, event, arguments.first, Truth.MAYBE)
            return calls.unknown_call(frame, event, arguments)


# --- modules -----------------------------------------------------------------------------------------


def _module_method(
    frame: Frame, event: Event, identity: Identity, record: object, name: str, arguments: Arguments
) -> Value:
    assert isinstance(record, r.Module)
    me = v.just(Obj(identity))
    if name in ("eval", "train"):
        _switch(frame, event, identity, name, arguments)
        return me
    if name in api.MODULE_SELF:
        if name == "requires_grad_":
            tracking.freeze(frame, identity, calls.truth_of(arguments.get(0, "requires_grad"), Truth.YES))
        if name == "apply":
            tracking.blur_mode(frame, identity)
            calls.unknown_call(frame, event, Arguments(tuple(arguments.all())), neutral=True)
        return me
    if name in api.MODULE_PARAMETERS:
        return frame.make(event, r.Parameters(frozenset({identity}), named=name.startswith("named")))
    if name in api.MODULE_CHILDREN:
        return frame.make(event, r.Parameters(frozenset({identity}), named=name.startswith("named"), modules=True))
    if name == "zero_grad":
        tracking.zero(frame, event, None, identity)
        return v.NONE
    if name == "backward":  # an engine that wraps the module
        tracking.backward(frame, event, arguments.first, Truth.MAYBE)
        _leave_to_engine(frame)
        return v.NONE
    if name in ("forward", "__call__"):
        method = record.cls.method(name) if record.cls is not None else None
        if method is not None and calls.trains(record.cls) and name == "__call__":  # type: ignore[arg-type]
            return calls.call_method(frame, event, method, identity, arguments)
        return tracking.forward(frame, event, identity, arguments)
    if name == "step" or name in api.MODULE_NEUTRAL:
        if name == "step":
            _leave_to_engine(frame)
        if name in ("append", "add_module", "register_module", "extend", "insert"):
            _add_part(frame, identity, arguments)
            return me
        return frame.unknown(event)
    if name == "named_parameters":
        return frame.unknown(event)
    if name == "module":
        return tracking.forward(frame, event, identity, arguments)
    return _module_forward_method(frame, event, identity, record, name, arguments)


def _module_forward_method(
    frame: Frame, event: Event, identity: Identity, record: r.Module, name: str, arguments: Arguments
) -> Value:
    """`model.generate(x)`, `model.encode(x)`: a forward if it is given data."""
    given = [value for value in arguments.all() if not isinstance(v.single(value), Const)]
    if not given:
        return frame.unknown(event)
    return tracking.forward(frame, event, identity, arguments, by_method=name)


def _switch(frame: Frame, event: Event, identity: Identity, name: str, arguments: Arguments) -> None:
    if name == "eval":
        tracking.set_mode(frame, identity, Mode.EVAL, event)
        return
    flag = arguments.get(0, "mode")
    truth = calls.truth_of(flag, Truth.YES)
    if truth is not Truth.MAYBE:
        tracking.set_mode(frame, identity, Mode.TRAIN if truth is Truth.YES else Mode.EVAL, event)
        return
    assert flag is not None
    atom = v.single(flag)
    if isinstance(atom, Obj) and isinstance(atom.id, Path) and atom.id.step == "training":
        tracking.set_mode(frame, identity, Mode.ENTRY, event)  # the mode it had before is restored
        return
    _split(frame, flag, lambda one, yes: tracking.set_mode(one, identity, Mode.TRAIN if yes else Mode.EVAL, event))


def _split(frame: Frame, flag: Value, do: Callable[[Frame, bool], None]) -> None:
    """Go on along both truths of a flag, each remembered, so that later conditions on it agree."""
    from torchmode_lint.analysis.branches import assume, possible

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


def _add_part(frame: Frame, identity: Identity, arguments: Arguments) -> None:
    record = frame.state.heap.get(identity)
    parts = [
        atom.id
        for value in arguments.all()
        for atom in frame.reach(value)
        if isinstance(atom, Obj) and isinstance(frame.state.heap.get(atom.id), r.Module)
    ]
    if isinstance(record, r.Module):
        frame.state.heap[identity] = replace(record, parts=record.parts | frozenset(parts))


def _leave_to_engine(frame: Frame) -> None:
    tracking.touch_gradients(frame)


# --- optimizers --------------------------------------------------------------------------------------


def _optimizer_method(
    frame: Frame, event: Event, identity: Identity, record: object, name: str, arguments: Arguments
) -> Value:
    assert isinstance(record, r.Optimizer)
    if name == "zero_grad":
        tracking.zero(frame, event, identity)
        return v.NONE
    if name == "step":
        closure = [atom for value in arguments.all() for atom in value if isinstance(atom, Func)]
        for func in closure:
            calls.inline(frame, event, func, Arguments())
        if not closure and any(frame.tensors(value) for value in arguments.all()):
            tracking.backward(frame, event, arguments.first, Truth.MAYBE)
            tracking.blur_mode(frame, identity)
            return frame.unknown(event)
        tracking.step(frame, event, identity)
        return frame.unknown(event)
    if name == "backward":
        tracking.backward(frame, event, arguments.first, Truth.MAYBE)
        tracking.blur_mode(frame, identity)
        return v.NONE
    if name == "add_param_group":
        frame.state.heap[identity] = replace(record, owns=None)
        return v.NONE
    if name in ("state_dict", "load_state_dict", "__repr__"):
        return frame.unknown(event)
    tracking.blur_mode(frame, identity)
    calls.unknown_call(frame, event, arguments)
    return frame.unknown(event)


# --- tensors -----------------------------------------------------------------------------------------


def tensor_method(frame: Frame, event: Event, t: Tensor, name: str, arguments: Arguments) -> Value:
    """A method of a tensor, or of a structure of tensors that something unknown returned."""
    if name == "backward":
        gave = arguments.get(1, "retain_graph")
        retain = calls.truth_of(gave, calls.truth_of(arguments.get(2, "create_graph"), Truth.NO))
        old_name = arguments.get(99, "retain_variables")
        if old_name is not None:
            retain = calls.truth_of(old_name, Truth.NO)
        tracking.backward(frame, event, v.just(t), retain)
        return v.NONE
    if name in ("detach",):
        return v.just(replace(v.detached(t), made=event))
    if name == "detach_":
        frame.state.replace_tensor(t, v.detached(t))
        return v.just(v.detached(t))
    if name == "requires_grad_":
        wants = calls.truth_of(arguments.get(0, "requires_grad"), Truth.YES)
        return v.just(set_requires_grad(frame, t, wants))
    if name == "retain_grad":
        frame.state.replace_tensor(t, replace(t, retains=Truth.YES))
        return v.NONE
    if name in api.TENSOR_NUMBER:
        return v.just(Tensor(data=t.data, leaf=Truth.YES, grad=Truth.NO, exact=t.exact))
    if name in api.TENSOR_NO_GRAPH:
        return v.just(replace(v.detached(t), synthetic=t.synthetic))
    if name in api.TENSOR_SAME or name in api.TENSOR_NEUTRAL:
        return v.just(t)
    if name in api.TENSOR_DEVICE:
        return v.just(_moved(t, name, arguments))
    if name in api.TENSOR_IN_PLACE_DATA:
        others = [u for value in arguments.all() for u in frame.tensors(value)]
        if not others:
            return v.just(t)
        changed = v.derived([t, *others])
        changed = replace(changed, leaf=t.leaf if not changed.may else changed.leaf)
        frame.state.replace_tensor(t, changed)
        return v.just(changed)
    if not t.exact and name in ("items", "values", "keys", "update", "append", "get", "split", "chunk", "unbind"):
        return v.just(part(t))
    functions = [a for value in arguments.all() for a in value if isinstance(a, (Func, Obj))]
    if not t.exact and any(
        isinstance(frame.state.heap.get(a.id), r.Optimizer) for a in functions if isinstance(a, Obj)
    ):
        return calls.unknown_call(frame, event, arguments, receiver=v.just(t))
    result = calls.operation(frame, Arguments((v.just(t), *arguments.positional), arguments.keywords, arguments.rest))
    return frozenset(replace(a, made=event) if isinstance(a, Tensor) else a for a in result)


def _moved(t: Tensor, name: str, arguments: Arguments) -> Tensor:
    """`to` and its kin: the same tensor where nothing changes, else a new one, which is no leaf.

    Whether a move to a device that only runs elsewhere changes anything depends on the machine.
    """
    if t.grad is not Truth.YES or t.leaf is not Truth.YES:
        return t
    if name in ("double", "half"):
        return replace(t, leaf=Truth.NO)
    device = v.constant(arguments.first, None)
    if name == "cuda" or (name == "to" and isinstance(device, str) and device.startswith("cuda")):
        return replace(t, leaf=Truth.MAYBE, moved=True)
    if name == "to" and not (isinstance(device, str)):
        return replace(t, leaf=Truth.MAYBE)
    return t


def set_requires_grad(frame: Frame, t: Tensor, wants: Truth) -> Tensor:
    """`t.requires_grad_(wants)`: on a leaf it makes a leaf that requires grad; on a non-leaf nothing."""
    if t.leaf is Truth.NO:
        return t
    frame.state.asked = True
    new = replace(t, grad=wants, moved=False, asked=wants is not Truth.NO)
    frame.state.replace_tensor(t, new)
    return new


def _param_method(frame: Frame, event: Event, owner: Param, name: str, arguments: Arguments) -> Value:
    if owner.gradient:
        if name in ("zero_", "detach_") or (name == "fill_" and not v.constant(arguments.first, 1)):
            if name != "detach_":
                zero_owner(frame, event, owner.owner)
        elif name.endswith("_"):
            tracking.touch_gradients(frame)
        return v.just(owner)
    if name == "requires_grad_":
        tracking.freeze_owner(frame, owner.owner, calls.truth_of(arguments.get(0, "requires_grad"), Truth.YES))
        return v.just(owner)
    if name == "grad":
        return v.just(Param(owner.owner, True))
    if name.endswith("_") and any(mentions_gradient(value) for value in arguments.all()):
        tracking.step_by_hand(frame, event, owner.owner)
    calls.unknown_call(frame, event, arguments, neutral=True)
    return v.just(owner)


def mentions_gradient(value: Value) -> bool:
    """Whether the gradient of a parameter goes into a value."""
    return any(
        (isinstance(atom, Param) and atom.gradient)
        or (
            isinstance(atom, Obj)
            and isinstance(atom.id, Expression)
            and any(mentions_gradient(operand) for operand in atom.id.operands)
        )
        for atom in value
    )


def zero_owner(frame: Frame, event: Event, identity: Identity) -> None:
    """The gradient of a parameter is cleared by hand: of an optimizer's groups, or of a module."""
    if isinstance(frame.state.heap.get(identity), r.Optimizer):
        tracking.zero(frame, event, identity)
    else:
        tracking.zero(frame, event, None, identity)


# --- containers and the rest ---------------------------------------------------------------------------


def _sequence_method(
    frame: Frame, event: Event, identity: Identity, record: object, name: str, arguments: Arguments
) -> Value:
    assert isinstance(record, r.Sequence)
    if name in ("append", "add", "insert", "appendleft"):
        added = arguments.get(1, "") if name == "insert" else arguments.first
        grow(frame, identity, added or v.TOP)
        return v.NONE
    if name in ("extend", "update"):
        from torchmode_lint.analysis.iteration import elements

        grow(frame, identity, elements(frame, arguments.first, event))
        return v.NONE
    if name == "clear":
        frame.state.heap[identity] = r.Sequence(v.EMPTY, ())
        return v.NONE
    if name in ("pop", "popleft"):
        return record.element or (v.join_all(record.items) if record.items else v.TOP)
    if name == "copy":
        return frame.make(event, record)
    return frame.unknown(event)


def grow(frame: Frame, identity: Identity, value: Value) -> None:
    """A container gets another element."""
    record = frame.state.heap.get(identity)
    if isinstance(record, r.Sequence):
        turn = max(frame.state.loops.values(), default=-1)
        element = v.join(record.element, value)
        if turn < 0 and record.items is not None and len(record.items) < r.MAX_ITEMS:
            frame.state.heap[identity] = r.Sequence(element, (*record.items, value))
        else:
            frame.state.heap[identity] = r.Sequence(element)
    elif isinstance(record, r.Mapping):
        frame.state.heap[identity] = replace(record, element=v.join(record.element, value))


def _mapping_method(
    frame: Frame, event: Event, identity: Identity, record: object, name: str, arguments: Arguments
) -> Value:
    assert isinstance(record, r.Mapping)
    every = v.join_all([record.element, *(value for _, value in record.items)])
    if name in ("get", "pop", "setdefault"):
        known = record.get(v.constant(arguments.first, Ellipsis))
        return known if known is not None else (every or frame.unknown(event))
    if name == "values":
        return frame.make(
            event, r.Sequence(every, tuple(value for _, value in record.items) if not record.element else None)
        )
    if name == "items":
        pairs = tuple(v.just(Tup((v.const(key), value))) for key, value in record.items)
        if record.element or not pairs:
            return frame.make(event, r.Sequence(v.just(Tup((v.TOP, every or v.TOP)))))
        return frame.make(event, r.sequence(pairs))
    if name == "keys":
        return frame.make(event, r.sequence(v.const(key) for key, _ in record.items))
    if name == "update":
        for value in arguments.all():
            grow(frame, identity, v.join_all(v.just(a) for a in frame.reach(value) if isinstance(a, Tensor)))
    return frame.unknown(event)


def _library_method(
    frame: Frame, event: Event, identity: Identity, record: object, name: str, arguments: Arguments
) -> Value:
    assert isinstance(record, r.Library)
    if name in api.BACKWARD_METHODS:
        tracking.backward(frame, event, arguments.first, Truth.MAYBE)
        return v.NONE
    if name == "scale":
        return arguments.first
    if name in ("prepare", "setup", "setup_module", "setup_optimizers", "prepare_model"):
        given = arguments.positional
        return given[0] if len(given) == 1 else v.just(Tup(given))
    if name == "enter_context":
        for atom in arguments.first:
            entered = frame.state.heap.get(atom.id) if isinstance(atom, Obj) else None
            if isinstance(entered, r.GradSwitch):
                library.set_grad(frame, event, entered.mode)
        return arguments.first
    if name in ("unwrap_model", "gather", "reduce", "gather_for_metrics"):
        return arguments.first
    if name == "step":
        return _step_through(frame, event, arguments)
    if name in ("autocast", "no_sync", "accumulate", "join_uneven_inputs", "main_process_first", "no_backward_sync"):
        return frame.make(event, r.Library("manager"))
    return calls.unknown_call(frame, event, arguments)


def _step_through(frame: Frame, event: Event, arguments: Arguments) -> Value:
    """`scaler.step(optimizer)`: the optimizer steps."""
    for atom in list(frame.reach(arguments.first)):
        if isinstance(atom, Obj) and (
            isinstance(frame.state.heap.get(atom.id), r.Optimizer) or _note_optimizer(frame, atom.id, "step")
        ):
            tracking.step(frame, event, atom.id)
    return frame.unknown(event)


def _switch_method(
    frame: Frame, event: Event, identity: Identity, record: object, name: str, arguments: Arguments
) -> Value:
    """A grad mode entered and left by hand."""
    assert isinstance(record, r.GradSwitch)
    if name == "__enter__":
        frame.state.saved[identity] = (frame.state.grad, frame.state.grad_why)
        library.set_grad(frame, event, record.mode)
    elif name == "__exit__" and identity in frame.state.saved:
        frame.state.grad, frame.state.grad_why = frame.state.saved[identity]
    return frame.unknown(event)


def _neutral_method(
    frame: Frame, event: Event, identity: Identity, record: object, name: str, arguments: Arguments
) -> Value:
    return calls.unknown_call(frame, event, arguments, neutral=True)


# --- unknown receivers ---------------------------------------------------------------------------------


def unknown_method(
    frame: Frame, event: Event, identity: Identity, name: str, arguments: Arguments, dst: int | None
) -> Value:
    """A method of something unknown: the names of the protocol mean what they always mean."""
    run, me = frame.run, v.just(Obj(identity))
    plain = not arguments.positional and not arguments.rest
    if name == "eval" and plain and not arguments.keywords:
        run.learn(identity, "module")
        tracking.set_mode(frame, identity, Mode.EVAL, event)
        return me
    if name == "train" and (plain or _is_flag(arguments)) and set(arguments.keywords) <= {"mode"}:
        run.learn(identity, "switched")
        _switch(frame, event, identity, name, arguments)
        return me
    if name == "zero_grad":
        return _unknown_zero_grad(frame, event, identity)
    if name == "step":
        return _unknown_step(frame, event, identity, arguments)
    if name in api.BACKWARD_METHODS:
        tracking.backward(frame, event, arguments.first if not plain else me, _retains(arguments))
        if not plain:
            tracking.touch_gradients(frame)
        return v.NONE
    if name in api.MODULE_EVIDENCE and name != "load_state_dict":
        run.learn(identity, "module")
        tracking.ensure_module(frame, identity)
        return call(frame, event, Obj(identity), name, arguments, dst)
    if name in ("to", "cuda", "cpu", "float", "double", "half") and _is_placed(identity):
        return me
    if name == "load_state_dict":
        run.learn(identity, "loaded")
        return frame.unknown(event)
    if name == "requires_grad_":
        return me
    if name == "scale":
        return arguments.first
    if name == "prepare" and arguments.positional:
        return arguments.positional[0] if len(arguments.positional) == 1 else v.just(Tup(arguments.positional))
    if "module" in run.evidence.get(identity, ()):
        record = tracking.ensure_module(frame, identity)
        return _module_method(frame, event, identity, record, name, arguments)
    if _is_open_self(frame, identity):
        _blur_self(frame, identity)
    return calls.unknown_call(frame, event, arguments)


def _retains(arguments: Arguments) -> Truth:
    return calls.truth_of(arguments.keywords.get("retain_graph"), Truth.NO)


def _is_flag(arguments: Arguments) -> bool:
    if len(arguments.positional) != 1 or arguments.rest:
        return False
    atom = v.single(arguments.positional[0])
    return (isinstance(atom, Const) and isinstance(atom.value, bool)) or isinstance(atom, Obj)


def _is_placed(identity: Identity) -> bool:
    return not isinstance(identity, Expression)


def _is_open_self(frame: Frame, identity: Identity) -> bool:
    record = frame.state.heap.get(identity)
    return isinstance(record, (r.Instance, r.Module)) and record.cls is not None and record.cls.is_open


def _blur_self(frame: Frame, identity: Identity) -> None:
    for (owner, _), value in list(frame.state.attrs.items()):
        if owner == identity:
            for atom in frame.reach(value):
                if isinstance(atom, Obj):
                    tracking.blur_mode(frame, atom.id)
    for key in list(frame.state.heap):
        if isinstance(key, Path) and key.base == identity:
            tracking.blur_mode(frame, key)


def _instance_method(
    frame: Frame, event: Event, identity: Identity, record: object, name: str, arguments: Arguments
) -> Value:
    assert isinstance(record, r.Instance)
    if record.cls.is_open or name in api.BACKWARD_METHODS:
        if name in api.BACKWARD_METHODS:
            tracking.backward(frame, event, arguments.first, Truth.MAYBE)
        _blur_self(frame, identity)
    return calls.unknown_call(frame, event, arguments)


def _note_optimizer(frame: Frame, identity: Identity, what: str) -> bool:
    """Remember that something unknown is stepped or cleared; whether both are known of it."""
    if frame.state.heap.get(identity) is not None:
        return False
    frame.run.learn(identity, what)
    known = frame.run.evidence[identity]
    if {"step", "zero_grad"} <= known and "module" not in known:
        frame.state.heap[identity] = r.Optimizer(None, Gradients.ENTRY)
        return True
    return False


def _unknown_zero_grad(frame: Frame, event: Event, identity: Identity) -> Value:
    if _note_optimizer(frame, identity, "zero_grad"):
        tracking.zero(frame, event, identity)
    else:
        tracking.zero(frame, event, None)
    return v.NONE


def _unknown_step(frame: Frame, event: Event, identity: Identity, arguments: Arguments) -> Value:
    if not arguments.positional or isinstance(v.single(arguments.first), Func):
        if _note_optimizer(frame, identity, "step"):
            return _optimizer_method(frame, event, identity, frame.state.heap[identity], "step", arguments)
        for atom in arguments.first:
            if isinstance(atom, Func):
                calls.inline(frame, event, atom, Arguments())
        return frame.unknown(event)
    if any(
        isinstance(atom, Obj) and isinstance(frame.state.heap.get(atom.id), r.Optimizer)
        for atom in frame.reach(arguments.first)
    ):
        return _step_through(frame, event, arguments)
    if any(frame.tensors(value) for value in arguments.all()):
        tracking.touch_gradients(frame)
        tracking.backward(frame, event, arguments.first, Truth.MAYBE)
        return frame.unknown(event)
    return calls.unknown_call(frame, event, arguments)


_METHODS: dict[type, Callable[[Frame, Event, Identity, object, str, Arguments], Value]] = {
    r.Module: _module_method,
    r.Optimizer: _optimizer_method,
    r.Sequence: _sequence_method,
    r.Mapping: _mapping_method,
    r.Library: _library_method,
    r.Instance: _instance_method,
    r.Loader: _neutral_method,
    r.Parameters: _neutral_method,
    r.Groups: _neutral_method,
    r.GradSwitch: _switch_method,
    r.Resumable: _neutral_method,
}
