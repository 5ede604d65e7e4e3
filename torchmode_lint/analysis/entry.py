"""The state that a root starts from: unknown arguments, and an object as its constructor may have left it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchmode_lint.analysis import construction
from torchmode_lint.analysis import records as r
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.activations import joined
from torchmode_lint.analysis.budget import OverBudget
from torchmode_lint.analysis.classes import Class
from torchmode_lint.analysis.frame import Frame
from torchmode_lint.analysis.glance import glance
from torchmode_lint.analysis.interpreter import Interpreter, Made
from torchmode_lint.analysis.state import State
from torchmode_lint.analysis.values import Func, Obj
from torchmode_lint.flow.events import Variable
from torchmode_lint.protocol import Gradients, GradMode, Mode
from torchmode_lint.torch_methods import SWITCHES

if TYPE_CHECKING:
    from torchmode_lint.flow.cfg import Code


def blurred(state: State, settled: frozenset[v.Identity] = frozenset()) -> State:
    """What is left of a state when any code may have run since: who is who, but no modes, no gradients.

    `settled`: the modules that nobody is there to switch.
    """
    new = state.copy()
    new.grad, new.grad_why = GradMode.ENTRY, frozenset()
    new.facts, new.loops, new.saved = {}, {}, {}
    new.graphs = {}
    for key, record in new.heap.items():
        if isinstance(record, r.Module) and key not in settled:
            new.heap[key] = replace(record, mode=Mode.ENTRY, why=frozenset())
        elif isinstance(record, r.Optimizer):
            new.heap[key] = replace(record, grads=Gradients.ENTRY)
    return new


def receiver(run: Interpreter, frame: Frame, cls: Class, code: Code, after: State) -> v.Value:
    """`self`: an object as the constructor of its class made it, some time ago, in the state `after` the file."""
    if cls.is_framework:
        frame.state.heap[cls] = r.Library("framework self")
        return v.just(Obj(cls))
    if cls.is_module:
        frame.state.heap[cls] = r.Module(Mode.ENTRY, cls=cls)
    else:
        frame.state.heap[cls] = r.Instance(cls)
    init = next((a for a in (cls.method("__init__") or ()) if isinstance(a, Func)), None)
    if init is None or init.code is code or (cls.is_module and not construction.trains(cls)):
        return v.just(Obj(cls))
    key = (cls, id(after))
    made = run.made.get(key)
    if made is None or any(run.knows(*asked) for asked in made.asked):
        made = run.made[key] = _made(run, frame, cls, init.code)
    run.take(made)
    if made.state is not None:
        frame.state = made.state.copy()
    return v.just(Obj(cls))


def _made(run: Interpreter, frame: Frame, cls: Class, init: Code) -> Made:
    """What a constructor leaves behind; no state where it costs too much."""
    context = run.enter(None, None, init)
    inner = Frame(run, context, frame.state.copy())
    bind(inner, init, [v.just(Obj(cls))])
    run.budget.allow(idle=False)
    state = None
    try:
        activation = run.solve(context, inner.state)
    except OverBudget:
        run.active.clear()
    else:
        if activation.outcomes:
            made = joined(activation.outcomes)
            _rebound(run, cls, made)
            state = blurred(made, _settled(cls, made))
    return run.given(state)


def _settled(cls: Class, made: State) -> frozenset[v.Identity]:
    """The modules whose mode is what the constructor of their class left it in: no method switches them.

    In a class that trains, only eval mode is taken for meant so.
    """
    called = {name for one in cls.line() for name in glance(one.code).called}
    ways = {first for first, _, last in (name.rpartition(".") for name in called) if last in SWITCHES}
    if not any(name.rpartition(".")[2] == "train" for name in called):
        settled = {key for key, one in made.heap.items() if isinstance(one, r.Module) and one.mode is Mode.EVAL}
    else:
        settled = set()
    if construction.trains(cls) or not all(way.startswith("self.") for way in ways):
        return frozenset(settled)
    for (owner, name), value in made.attrs.items():
        if owner is cls and f"self.{name}" not in ways:
            settled |= {atom.id for atom in v.objects_in(value) if isinstance(atom.id, v.Site)}
    return frozenset(settled)


def _rebound(run: Interpreter, cls: Class, state: State) -> None:
    """Attributes that other methods rebind are not surely what the constructor put there."""
    again: set[str] = set()
    for one in cls.line():
        for method in one.code.codes:
            if method.name != "__init__":
                again |= glance(method).writes
    for pair in list(state.attrs):
        if pair[0] is cls and pair[1] in again:
            del state.attrs[pair]


def bind(frame: Frame, code: Code, arguments: list[v.Value]) -> None:
    """Unknown arguments, each a symbol of its own; annotations say what they are."""
    context = frame.context
    for position, parameter in enumerate(code.parameters):
        variable = Variable(code.scope, parameter.name)
        if position < len(arguments):
            frame.state.env[variable] = arguments[position]
            continue
        identity = v.Path(context, parameter.name)
        frame.state.env[variable] = v.just(Obj(identity))
        record = _annotated(frame, code, parameter.annotation)
        if record is not None:
            frame.state.heap[identity] = record


def _annotated(frame: Frame, code: Code, annotation: str | None) -> r.Record | None:
    if annotation is None:
        return None
    target = frame.run.lookup(code, annotation)
    if isinstance(target, Class):
        if target.is_module:
            return r.Module(Mode.ENTRY, cls=target)
        return None if target.is_framework else r.Instance(target)
    if not isinstance(target, str):
        return None
    if target in ("torch.nn.Module", "torch.nn.modules.Module", "torch.nn.DataParallel"):
        return r.Module(Mode.ENTRY)
    if target.startswith("torch.optim.") and "lr_scheduler" not in target:
        return r.Optimizer(None, Gradients.ENTRY, made=True)
    if target.startswith("torch.utils.data.") and target.endswith("DataLoader"):
        return r.Loader()
    return None
