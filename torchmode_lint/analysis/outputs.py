"""What a module's forward returns: a tuple or one thing, and which graphs are surely behind each part.

Bodies of modules are not interpreted where they are applied. This reads the forward once per class, for the
one question that its callers need answered: is a part of the output computed by a layer of the module, does
it hang on the graph of an input (a recurrent state), or is it cut off from all of them (`detach`)?

Not modelled: forwards that change the grad mode, decorated ones, and tensors collected in lists by a loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias

from torchmode_lint import torch_methods as named
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.classes import Class
from torchmode_lint.analysis.glance import dotted_names, glance
from torchmode_lint.analysis.mentions import named_callees
from torchmode_lint.analysis.values import Func
from torchmode_lint.flow import cfg
from torchmode_lint.flow import events as ev
from torchmode_lint.torch_api import effect_of
from torchmode_lint.torch_effects import Effect

if TYPE_CHECKING:
    from torchmode_lint.analysis.mentions import Names
    from torchmode_lint.flow.cfg import Block, Code

OWN = "."  # what the names of the module's own layers begin with; other names are those of the parameters
MAX_FOLLOWED = 4
_LEFT_ALONE = {"no_grad", "enable_grad", "set_grad_enabled", "inference_mode", "detach_"}
_INDEXED = {"max", "min", "sort", "topk", "median", "mode", "kthvalue", "cummax", "cummin"}  # tuples, some of them
_SAME = {"T", "mT", "H", "real", "imag"}
# what a recurrent layer returns beside its output: a pair of states, or one
RECURRENT = {"torch.nn.LSTM": True, "torch.nn.GRU": False, "torch.nn.RNN": False}
_MADE_OF_ONE = {*(Effect.LAYER, Effect.RUNNING, Effect.STATELESS, Effect.DEPENDENT, Effect.DROPPED, Effect.DROPPING)}


@dataclass(frozen=True, slots=True)
class Output:
    """`must`: which parameters and layers surely are behind it; `cut`: no graph is; `parts`, where it is a tuple.

    A layer goes by the place of its call: two calls of it are two parts of the graph.
    """

    must: frozenset[str] = frozenset()
    cut: bool = False
    parts: tuple[Output, ...] | None = None
    may_grow: bool = False  # a list: what is said of its parts holds where it is made

    def join(self, other: Output) -> Output:
        if self == other and not self.may_grow:
            return self
        parts = None
        if self.parts is not None and other.parts is not None and len(self.parts) == len(other.parts):
            parts = tuple(a.join(b) for a, b in zip(self.parts, other.parts, strict=True))
        return Output(self.must & other.must, self.cut and other.cut, parts)


SOMETHING = Output()
CUT = Output(cut=True)
Known: TypeAlias = "dict[object, Output]"  # what registers and variables hold


def output_of(cls: Class, names: Names) -> Output:
    """What the forward of a module of this class returns."""
    code = _forward_of(cls)
    return SOMETHING if code is None else _Reader(cls, names, _layers(cls, names)).returned(code)


def _forward_of(cls: Class) -> Code | None:
    """The code that runs when a module of the class is called, where that is one plain function of the project."""
    found = v.single(cls.method("forward") or v.EMPTY)
    if not isinstance(found, Func) or found.grad or found.kind or cls.method("__call__") is not None:
        return None
    return found.code


def _layers(cls: Class, names: Names) -> dict[str, str | Class]:
    """The attributes of a module that its constructors put layers into, with what these are."""
    found: dict[str, str | Class] = {}
    for init in (code for one in cls.line() for code in one.code.codes if code.name == "__init__"):
        made: dict[int, str | Class | Code | None] = {}
        for name, call in named_callees(init):
            if call is not None:
                made[call.dst] = names.lookup(init, name)
        for block in init.blocks:
            for event in block.events:
                if isinstance(event, ev.SetAttribute):
                    layer = made.get(event.src)
                    if isinstance(layer, str | Class) and event.name not in found:
                        found[event.name] = layer
    return found


@dataclass(slots=True)
class _Reader:
    cls: Class
    names: Names
    layers: dict[str, str | Class]
    depth: int = 0
    within: str = ""

    def returned(self, code: Code) -> Output:
        """What a function returns, in terms of its parameters."""
        left_alone = not _LEFT_ALONE.isdisjoint(glance(code).lasts)
        if code.decorators or code.is_generator or left_alone or self.depth > MAX_FOLLOWED:
            return SOMETHING
        words = _Words(code)
        method = code.parent is not None and code.parent.kind == "class"
        given = code.parameters[1:] if method else code.parameters
        first: Known = {ev.Variable(code.scope, p.name): Output(frozenset({p.name})) for p in given}
        states: dict[Block, Known] = {code.entry: first}
        pending = {code.entry}
        ways: dict[Block, Output] = {}
        while pending:
            block = min(pending, key=lambda one: one.number)  # before those that come after it
            pending.discard(block)
            known = dict(states[block])
            for event in block.events:
                self._step(words, event, known)
            if isinstance(block.end, cfg.Return):
                ways[block] = CUT if block.end.value is None else _kept(known.get(block.end.value, SOMETHING))
            known = {slot: one for slot, one in known.items() if not isinstance(slot, int) or slot in code.shared}
            ahead = [(target, known) for target in block.successors()]
            for target, after in [*ahead, *((handler, _joined(states[block], known)) for handler in block.handlers)]:
                before = states.get(target)
                joined = after if before is None else _joined(before, after)
                if joined != before:
                    states[target] = dict(joined)
                    pending.add(target)
        return reduce(Output.join, ways.values()) if ways else SOMETHING

    def _step(self, words: _Words, event: ev.Event, known: Known) -> None:
        match event:
            case ev.Load(dst=dst, variable=variable):
                known[dst] = known.get(variable, SOMETHING)
            case ev.Store(variable=variable, src=src):
                known[variable] = _kept(known.get(src, SOMETHING))
            case ev.Constant(dst=dst) | ev.Compare(dst=dst):
                known[dst] = CUT
            case ev.Copy(dst=dst, src=src) | ev.Part(dst=dst, src=src) | ev.Await(dst=dst, src=src):
                known[dst] = known.get(src, SOMETHING)
            case ev.Attribute(dst=dst, obj=obj, name=name):
                known[dst] = CUT if name == "data" else known.get(obj, SOMETHING) if name in _SAME else SOMETHING
            case ev.Unary(dst=dst, operator=operator, operand=operand):
                known[dst] = CUT if operator == "not" else _together([known.get(operand, SOMETHING)])
            case ev.Binary(dst=dst, left=left, right=right) | ev.InPlace(dst=dst, left=left, right=right):
                known[dst] = _together([known.get(left, SOMETHING), known.get(right, SOMETHING)])
            case ev.Build(dst=dst, kind="tuple" | "list", items=items) if not any(item.star for item in items):
                parts = tuple(known.get(item.src, SOMETHING) for item in items)
                known[dst] = Output(parts=parts, may_grow=event.kind == "list")
            case ev.Item(dst=dst, obj=obj, key=key):
                known[dst] = _item(known.get(obj, SOMETHING), words.literals.get(key))
            case ev.Unpack(src=src, targets=targets, star=star):
                whole = known.get(src, SOMETHING)
                for position, target in enumerate(targets):
                    fits = star is None and whole.parts is not None and len(whole.parts) == len(targets)
                    known[target] = whole.parts[position] if fits and whole.parts else Output(whole.must, whole.cut)
            case ev.Call(dst=dst, func=func):
                receiver = known.get(words.receivers.get(func), SOMETHING)
                known[dst] = self._call(words, event, receiver, known)
            case _:
                known.pop(getattr(event, "dst", None), None)

    def _call(self, words: _Words, call: ev.Call, receiver: Output, known: Known) -> Output:
        given = [known.get(argument.src, SOMETHING) for argument in call.arguments]
        name = words.names.get(call.func, "?")
        first, _, last = name.rpartition(".")
        if first == "self" and last in self.layers:
            return self._layer(self.layers[last], call, given)
        if last in _INDEXED:
            return SOMETHING
        target: str | Class | Code | None = None
        if first == "self":
            methods = [atom for atom in self.cls.method(last) or () if isinstance(atom, Func)]
            target = methods[0].code if len(methods) == 1 and not methods[0].grad and not methods[0].kind else None
        elif receiver == SOMETHING:
            target = self.names.lookup(words.code, name)
        if isinstance(target, str):
            effect = effect_of(target)
            if effect is Effect.OPERATION:
                return _together(given)
            return CUT if effect in (Effect.NO_GRAPH, Effect.CREATE, Effect.FROM_DATA) else SOMETHING
        if target is not None:
            if isinstance(target, Class) or target.kind != "function":
                return SOMETHING
            layers = self.layers if first == "self" else {}
            inner = _Reader(self.cls, self.names, layers, self.depth + 1, self._place(call))
            return _substituted(inner.returned(target), _bound(target, call.arguments, given, first == "self"))
        if last == "detach" or last in named.TENSOR_NO_GRAPH or last in named.TENSOR_NUMBER:
            return CUT
        return _together([receiver, *given]) if receiver.must else SOMETHING

    def _layer(self, layer: str | Class, call: ev.Call, given: list[Output]) -> Output:
        if isinstance(layer, Class):
            code = _forward_of(layer)
            if code is None or self.depth > MAX_FOLLOWED or layer.code is self.cls.code:
                return SOMETHING
            inner = _Reader(layer, self.names, _layers(layer, self.names), self.depth + 1, self._place(call))
            return _substituted(inner.returned(code), _bound(code, call.arguments, given, True))
        effect = effect_of(layer)
        inputs = _together(given).must
        one = Output(inputs | {self._place(call)})
        if layer in RECURRENT:
            return Output(parts=(one, Output(parts=(one, one)) if RECURRENT[layer] else one))
        if effect not in _MADE_OF_ONE or layer.endswith("MultiheadAttention"):
            return SOMETHING
        return one if effect is Effect.LAYER else Output(inputs)

    def _place(self, call: ev.Call) -> str:
        return f"{self.within}{OWN}{call.index}"


def _item(whole: Output, index: object) -> Output:
    if whole.parts is None:
        return whole
    if isinstance(index, int) and -len(whole.parts) <= index < len(whole.parts):
        return whole.parts[index]
    return reduce(Output.join, whole.parts) if whole.parts else SOMETHING


def layers_of(output: Output) -> frozenset[str]:
    """The names of the module's own layers in an output."""
    own = frozenset(name for name in output.must if name.startswith(OWN))
    return own.union(*map(layers_of, output.parts or ()))


def _together(sources: Iterable[Output]) -> Output:
    """What an operation makes of tensors."""
    sources = [_flat(one) for one in sources]
    return Output(frozenset().union(*(one.must for one in sources)), bool(sources) and all(one.cut for one in sources))


def _kept(one: Output) -> Output:
    """What a name that it is bound to stands for from here on."""
    if not one.may_grow:
        return one
    return Output(reduce(Output.join, map(_flat, one.parts)).must) if one.parts else SOMETHING


def _flat(one: Output) -> Output:
    return one if one.parts is None else _together(one.parts)


def _joined(before: Known, after: Known) -> Known:
    return {slot: one.join(after[slot]) for slot, one in before.items() if slot in after}


def _substituted(one: Output, given: Mapping[str, Output]) -> Output:
    """What a call returns: the callee's parameters replaced by what they were given."""
    own = (name for name in one.must if name.startswith(OWN))
    must = frozenset(own).union(*(_flat(given[name]).must for name in one.must if name in given))
    parts = None if one.parts is None else tuple(_substituted(part, given) for part in one.parts)
    return Output(must, one.cut, parts)


def _bound(code: Code, arguments: tuple[ev.Argument, ...], given: list[Output], method: bool) -> dict[str, Output]:
    free = [p.name for p in code.parameters][1 if method else 0 :]
    bound: dict[str, Output] = {}
    for argument, one in zip(arguments, given, strict=True):
        if argument.star:
            break
        if argument.keyword is not None:
            bound[argument.keyword] = one
        elif free:
            bound[free.pop(0)] = one
    return bound


class _Words:
    """What the registers of a code object stand for by its text: dotted names, what they are read of, literals."""

    def __init__(self, code: Code) -> None:
        events = [event for block in code.blocks for event in block.events]
        self.code = code
        self.names = dotted_names(code)
        self.receivers: dict[object, int] = {e.dst: e.obj for e in events if isinstance(e, ev.Attribute)}
        self.literals = {e.dst: e.value for e in events if isinstance(e, ev.Constant)}
