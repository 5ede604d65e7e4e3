"""What a code object names, and whether that can be of the protocol: screens by words, before any interpretation."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from torchmode_lint.analysis.classes import Class
from torchmode_lint.flow import events as ev
from torchmode_lint.torch_api import Effect, effect_of, told_moves

if TYPE_CHECKING:
    from torchmode_lint.flow.cfg import Code


_MAX_CODES = 200
_MAX_FOLLOWED = 20
_BUILTINS = frozenset(dir(builtins))


def named_callees(code: Code, *, inside: bool = True) -> Iterator[tuple[str, ev.Call | None]]:
    """Every dotted name that a code object mentions; calls with their event.

    `inside`: with the codes inside it.
    """
    yield from _own_names(code)
    if inside:
        for inner in code.codes:
            yield from named_callees(inner)


@lru_cache(maxsize=1 << 12)
def _own_names(code: Code) -> tuple[tuple[str, ev.Call | None], ...]:
    names = dotted_names(code)
    found: list[tuple[str, ev.Call | None]] = []
    for block in code.blocks:
        for event in block.events:
            match event:
                case ev.Load(dst=dst) | ev.Attribute(dst=dst):
                    found.append((names[dst], None))
                case ev.Call(func=func):
                    found.append((names.get(func, "?"), event))
    return tuple(found)


def forget_names() -> None:
    """Drop what was looked up, and with it the programs that it holds on to."""
    _own_names.cache_clear()


def dotted_names(code: Code) -> dict[int, str]:
    """The dotted names that the registers of a code object stand for; `?` is whatever is no name."""
    names: dict[int, str] = {}
    for block in code.blocks:
        for event in block.events:
            match event:
                case ev.Load(dst=dst, variable=variable):
                    names[dst] = variable.name
                case ev.Attribute(dst=dst, obj=obj, name=name):
                    names[dst] = f"{names.get(obj, '?')}.{name}"
                case ev.Copy(dst=dst, src=src) if src in names:
                    names[dst] = names[src]
    return names


# What moves or shows a state of the protocol: code that names none of these has nothing to report.
_ALONE = frozenset(
    "backward eval no_grad inference_mode enable_grad set_grad_enabled zero_grad requires_grad_ autograd "
    "optim Adam AdamW SGD RMSprop Adagrad LBFGS".split()
)
_GRAD_MODES = frozenset({"no_grad", "inference_mode", "enable_grad", "set_grad_enabled"})
_NAMESPACES = frozenset({"optim", "jit", "export"})  # nor any of their parts
_MOVES = frozenset({"grad", "step", "train"})  # these where they stand, not where they are called from
_NUMBERS = frozenset({"detach", "cpu", "numpy", "item", "tolist"})  # and these, which take numbers out of a graph
_RETURNING = frozenset({"to", "cuda", "cpu", "clone", "detach"})  # and these where what they return is dropped
_CALLS_BASE = "?.__init__"  # `super().__init__(..)`
_COUNTERS = frozenset({"step", "train"})  # which are numbers and data sets, too, unless they are called
_SWITCHES = frozenset({"grad", "requires_grad", "training", "data"})
_ATTRIBUTES = (_ALONE | _MOVES | {"apply", "training", "detach"}) - {"optim"}


def moves(code: Code) -> bool:
    """Whether a code object itself names a move of the protocol, or applies something that it was given."""
    alone = _ALONE | told_moves()
    for name, call in named_callees(code):
        *first, last = name.split(".")
        if last in alone or last in _MOVES or _NAMESPACES.intersection(first):
            return True
        if call is not None and (name.startswith("self.") or name in {p.name for p in code.parameters}):
            return True
    return False


class Relevance:
    """Which functions of a file are worth a look: they, or what they may call by name, name the protocol.

    `by_name` are all functions of the file. `in_module`: it is asked for methods of modules, which may be in any mode,
    so that neither a forward of a part nor a grad mode says anything by itself.
    """

    def __init__(self, by_name: dict[str, list[Code]], names: Names, *, in_module: bool) -> None:
        self._by_name = by_name
        self._names = names
        self._own = _MOVES - _COUNTERS if in_module else _MOVES | _NUMBERS
        self._alone = (_ALONE - _GRAD_MODES if in_module else _ALONE) | told_moves()
        self._steps: dict[Code, frozenset[Code] | None] = {}
        self._outside: dict[Code, tuple[str, ...]] = {}
        self._nothing: set[Code] = set()  # lead nowhere
        self._nothing_here: set[Code] = set()  # lead nowhere within the file

    def of(self, code: Code) -> bool:
        dropped = {e.src for inner in code.walk() for b in inner.blocks for e in b.events if isinstance(e, ev.Discard)}
        for name, call in named_callees(code):
            last = name.rpartition(".")[2]
            if last in self._own or (last in _RETURNING | _GRAD_MODES and call is not None and call.dst in dropped):
                return True
        return self._leads_there(code)

    def _leads_there(self, code: Code) -> bool:
        seen = {code}
        pending = [code]
        looked_at = 0
        while pending:
            at = pending.pop()
            steps = self._steps_of(at)
            if steps is None:
                return True
            looked_at += 1
            if looked_at <= _MAX_FOLLOWED:
                found = (self._names.elsewhere(at, name) for name in self._outside[at])
                steps |= {one for one in found if one is not None}
            new = steps - (self._nothing if looked_at < _MAX_FOLLOWED else self._nothing_here) - seen
            seen |= new
            pending += new
        self._nothing_here |= seen
        if looked_at <= _MAX_FOLLOWED:  # all that is there has been seen
            self._nothing |= seen
        return False

    def _steps_of(self, code: Code) -> frozenset[Code] | None:
        """The functions of the file that a code may call by name; None where it names the protocol itself."""
        if code not in self._steps:
            steps: set[Code] = set()
            outside: dict[str, None] = {}
            alone = any(self._alone.intersection(decorator.split(".")) for decorator in code.decorators)
            for name, call in () if alone else named_callees(code):
                *first, last = name.split(".")
                if last in self._alone or _NAMESPACES.intersection(first):
                    alone = True
                    break
                if name == _CALLS_BASE:  # of some class or other: all of them would be taken for called
                    continue
                if last in self._by_name:
                    steps.update(self._by_name[last])
                elif call is not None:
                    outside[name] = None
            self._steps[code] = None if alone else frozenset(steps)
            self._outside[code] = tuple(outside)
        return self._steps[code]


class Names(Protocol):
    """Who knows what a name means: `Codes`."""

    def lookup(self, code: Code, name: str) -> str | Class | Code | None: ...

    def elsewhere(self, code: Code, name: str) -> Code | None:
        """The function or class of another file that a name means, if that file makes moves of the protocol."""
        ...

    def methods(self, code: Code, name: str) -> list[Code]:
        """The methods that `self.name` may mean in a method of a class."""
        ...


_MEANT = frozenset(
    {
        *(Effect.LAYER, Effect.DEPENDENT, Effect.DROPPED, Effect.DROPPING, Effect.RUNNING, Effect.CONTAINER),
        *(Effect.SHARING, Effect.FACTORY, Effect.PRETRAINED, Effect.OPTIMIZER, Effect.LOADER, Effect.LIBRARY),
        *(Effect.GRAD_OFF, Effect.GRAD_ON, Effect.GRAD_FLAG, Effect.PARAMETER, Effect.VARIABLE, Effect.BACKWARD),
        *(Effect.GRADIENT, Effect.FUNCTIONAL, Effect.EXPORT, Effect.TRACE, Effect.COPY, Effect.STATELESS),
        *(Effect.TO_TRAIN, Effect.TO_EVAL, Effect.ZERO_GRADIENTS),
    }
)


@dataclass(frozen=True, slots=True)
class Plain:
    """What a code object that is nothing of the protocol, with all it may call, does to its arguments.

    `reads` and `writes` are the names of the attributes that it mentions and sets; `events` is its size; `applies`:
    it calls what cannot be seen and is none of its arguments, which may be a module.
    """

    reads: frozenset[str]
    writes: frozenset[str]
    events: int
    applies: bool


def plain(code: Code, names: Names) -> Plain | None:
    """What a code object does if neither it nor anything it may call names the protocol; None if one does."""
    alone = _ALONE | told_moves()
    seen: set[Code] = set()
    reads: set[str] = set()
    writes: set[str] = set()
    events = 0
    applies = False
    pending = [code]
    while pending:
        at = pending.pop()
        if at in seen:
            continue
        seen.add(at)
        if len(seen) > _MAX_CODES or at.is_generator:
            return None
        asked = sum(map(_asked_about, at.walk()), Counter[str]())
        for name, call in named_callees(at):
            last = name.rpartition(".")[2]
            if last in alone or ("." in name and last in _ATTRIBUTES and (call is not None or last not in _COUNTERS)):
                return None
            reads.add(last)
            if call is not None:
                applies = applies or _may_apply(at, name, names)
                continue
            target = names.lookup(at, name)
            if isinstance(target, str):
                if asked[name]:
                    asked[name] -= 1
                elif effect_of(target) in _MEANT:
                    return None
            elif isinstance(target, Class):
                pending.append(target.code)
            elif target is not None:
                pending.append(target)
            elif name.startswith("self.") and "." not in name[5:]:
                pending += names.methods(at, name[5:])
        for inner in at.walk():
            for block in inner.blocks:
                events += len(block.events)
                writes.update(event.name for event in block.events if isinstance(event, ev.SetAttribute))
    return None if writes & _SWITCHES else Plain(frozenset(reads), frozenset(writes), events, applies)


def _asked_about(code: Code) -> Counter[str]:
    """How often a name only stands in a question: `isinstance(layer, nn.Conv2d)`."""
    names = dotted_names(code)
    asked: list[int] = []
    tuples: dict[int, list[int]] = {}
    for block in code.blocks:
        for event in block.events:
            match event:
                case ev.Build(dst=dst, items=items):
                    tuples[dst] = [item.src for item in items]
                case ev.Call(func=func, arguments=arguments) if names.get(func) in ("isinstance", "issubclass"):
                    asked += [argument.src for argument in arguments]
    asked += [src for register in asked for src in tuples.get(register, ())]
    return Counter(names[register] for register in asked if register in names)


def _may_apply(code: Code, name: str, names: Names) -> bool:
    """Whether what is called may be a module that is not among the arguments: an attribute, a global variable."""
    if name.startswith("self.") and "." not in name[5:]:
        return not names.methods(code, name[5:])
    return (
        name.isidentifier() and name not in code.locals and name not in _BUILTINS and names.lookup(code, name) is None
    )
