"""Classes of the project: their bases, their methods, and whether their modules depend on the mode.

Mode dependence is read off the events of a class's methods: which layers of torch they name and whether
they read `self.training`. Not modelled: layers that are only put in from outside after construction.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from torchmode_lint import torch_api
from torchmode_lint.analysis.values import Imported
from torchmode_lint.flow import events as ev
from torchmode_lint.protocol import Truth
from torchmode_lint.torch_api import Effect, effect_of

if TYPE_CHECKING:
    from torchmode_lint.analysis.loader import Loader
    from torchmode_lint.analysis.values import Value
    from torchmode_lint.flow.cfg import Code


@dataclass(slots=True, eq=False)
class Class:
    """A class statement that was reached. Two are the same if they are of one class body."""

    code: Code
    stated: tuple[Class | str | Imported, ...] = ()  # the bases as the class statement has them
    loader: Loader | None = None  # knows what imported bases mean
    methods: dict[str, Value] = field(default_factory=dict)
    dependent: Truth | None = None  # computed when first asked for

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Class) and self.code is other.code

    def __hash__(self) -> int:
        return hash(self.code)

    @property
    def name(self) -> str:
        return self.code.name

    @property
    def bases(self) -> tuple[Class | str, ...]:
        """Classes of the project, and external qualified names ("" where unknown)."""
        if self.loader is not None:
            self.stated = tuple(self.loader.base(one) if isinstance(one, Imported) else one for one in self.stated)
        return tuple("" if isinstance(one, Imported) or one == self else one for one in self.stated)

    def line(self) -> Iterator[Class]:
        """This class and its project bases, nearest first (depth first, each once)."""
        seen: list[Class] = []
        pending = [self]
        while pending:
            cls = pending.pop(0)
            if cls not in seen:
                seen.append(cls)
                yield cls
                pending = [base for base in cls.bases if isinstance(base, Class)] + pending

    def external_bases(self) -> Iterator[str]:
        for cls in self.line():
            for base in cls.bases:
                if isinstance(base, str):
                    yield base

    @property
    def is_module(self) -> bool:
        return any(torch_api.is_module_base(base) for base in self.external_bases()) and not self.is_framework

    @property
    def is_framework(self) -> bool:
        """Whether a framework drives this class: it switches modes, grad mode and gradients itself."""
        return any(base.startswith(torch_api.FRAMEWORK_BASES) for base in self.external_bases())

    @property
    def is_framework_module(self) -> bool:
        """Whether it is a module that a framework drives: its mode is switched for it."""
        return any(base.endswith(torch_api.FRAMEWORK_MODULES) for base in self.external_bases())

    @property
    def is_open(self) -> bool:
        """Whether a base class cannot be seen, so that an unknown attribute may be one of its methods."""
        return any(base not in ("builtins.object", "torch.nn.Module", "abc.ABC") for base in self.external_bases())

    def method(self, name: str) -> Value | None:
        for cls in self.line():
            found = cls.methods.get(name)
            if found is not None:
                return found
        return None


def named_callees(code: Code, *, inside: bool = True) -> Iterator[tuple[str, ev.Call | None]]:
    """Every dotted name that a code object mentions; calls with their event.

    `inside`: with the codes inside it.
    """
    pending = [code]
    while pending:
        at = pending.pop()
        if inside:
            pending += at.codes
        names: dict[int, str] = {}
        for block in at.blocks:
            for event in block.events:
                match event:
                    case ev.Load(dst=dst, variable=variable):
                        names[dst] = variable.name
                        yield variable.name, None
                    case ev.Attribute(dst=dst, obj=obj, name=name):
                        base = names.get(obj, "?")
                        names[dst] = f"{base}.{name}"
                        yield names[dst], None
                    case ev.Copy(dst=dst, src=src) if src in names:
                        names[dst] = names[src]
                    case ev.Call(func=func):
                        yield names.get(func, "?"), event


# What moves or shows a state of the protocol: code that names none of these has nothing to report.
_ALONE = frozenset(
    "backward eval no_grad inference_mode enable_grad set_grad_enabled zero_grad requires_grad_ autograd "
    "optim Adam AdamW SGD RMSprop Adagrad LBFGS".split()
)
_MOVES = frozenset({"grad", "step", "train"})  # these where they stand, not where they are called from
_NUMBERS = frozenset({"detach", "cpu", "numpy", "item", "tolist"})  # and these, which take numbers out of a graph
_RETURNING = frozenset({"to", "cuda", "cpu", "clone", "detach"})  # and these where what they return is dropped
_COUNTERS = frozenset({"step", "train"})  # which are numbers and data sets, too, unless they are called
_SWITCHES = frozenset({"grad", "requires_grad", "training", "data"})
_ATTRIBUTES = (_ALONE | _MOVES | {"apply", "training", "detach"}) - {"optim"}


def moves(code: Code) -> bool:
    """Whether a code object itself names a move of the protocol, or applies something that it was given."""
    for name, call in named_callees(code):
        *first, last = name.split(".")
        if last in _ALONE or last in _MOVES or "optim" in first:
            return True
        if call is not None and (name.startswith("self.") or name in {p.name for p in code.parameters}):
            return True
    return False


def relevant(code: Code, by_name: dict[str, list[Code]], names: Names) -> bool:
    """Whether a code object, or one that it may call by name, names anything of the protocol."""
    seen: set[Code] = set()
    pending = [code]
    while pending:
        at = pending.pop()
        if at in seen:
            continue
        seen.add(at)
        if any(_ALONE.intersection(decorator.split(".")) for decorator in at.decorators):
            return True
        dropped = {e.src for inner in at.walk() for b in inner.blocks for e in b.events if isinstance(e, ev.Discard)}
        for name, call in named_callees(at):
            *first, last = name.split(".")
            if "optim" in first or last in _ALONE:
                return True
            if len(seen) == 1 and (
                last in _MOVES or last in _NUMBERS or (last in _RETURNING and call is not None and call.dst in dropped)
            ):
                return True
            if last in by_name:
                pending += by_name[last]
            elif call is not None and len(seen) <= _MAX_FOLLOWED:
                elsewhere = names.elsewhere(at, name)
                pending += [elsewhere] if elsewhere is not None else ()
    return False


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
        *(Effect.GRADIENT, Effect.FUNCTIONAL, Effect.EXPORT, Effect.COPY, Effect.STATELESS),
    }
)


@dataclass(frozen=True, slots=True)
class Plain:
    """What a code object that is nothing of the protocol, with all it may call, does to its arguments.

    `reads` and `writes` are the names of the attributes that it mentions and sets; `events` is its size.
    """

    reads: frozenset[str]
    writes: frozenset[str]
    events: int


def plain(code: Code, names: Names) -> Plain | None:
    """What a code object does if neither it nor anything it may call names the protocol; None if one does."""
    seen: set[Code] = set()
    reads: set[str] = set()
    writes: set[str] = set()
    events = 0
    pending = [code]
    while pending:
        at = pending.pop()
        if at in seen:
            continue
        seen.add(at)
        if len(seen) > _MAX_CLASSES or at.is_generator:
            return None
        for name, call in named_callees(at):
            last = name.rpartition(".")[2]
            if last in _ALONE or ("." in name and last in _ATTRIBUTES and (call is not None or last not in _COUNTERS)):
                return None
            reads.add(last)
            if call is not None:
                if _may_apply(at, name, names):
                    return None
                continue
            target = names.lookup(at, name)
            if isinstance(target, str):
                if effect_of(target) in _MEANT:
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
    return None if writes & _SWITCHES else Plain(frozenset(reads), frozenset(writes), events)


def _may_apply(code: Code, name: str, names: Names) -> bool:
    """Whether what is called may be a module that is not among the arguments: an attribute, a global variable."""
    if name.startswith("self.") and "." not in name[5:]:
        return not names.methods(code, name[5:])
    return (
        name.isidentifier() and name not in code.locals and name not in _BUILTINS and names.lookup(code, name) is None
    )


def constants(code: Code) -> dict[int, object]:
    """The registers of a code object that hold a literal."""
    return {event.dst: event.value for block in code.blocks for event in block.events if isinstance(event, ev.Constant)}


_SELF_TRAINING = "self.training"
_MAX_CLASSES = 200
_MAX_FOLLOWED = 20
_BUILTINS = frozenset(dir(builtins))


def dependence(cls: Class, lookup: Callable[[Code, str], str | Class | Code | None]) -> Truth:
    """Whether a module of this class computes differently by mode."""
    if cls.dependent is None:
        cls.dependent = Truth.NO  # what a class that contains itself adds
        cls.dependent = _dependence(cls, lookup, {cls.code})
    return cls.dependent


def _dependence(cls: Class, lookup: Callable[[Code, str], str | Class | Code | None], seen: set[Code]) -> Truth:
    answers = {Truth.NO}
    for one in cls.line():
        answers.add(_code_dependence(one.code, lookup, seen))
        if _takes_modules(one.code):
            answers.add(Truth.MAYBE)
    for base in cls.external_bases():
        if base not in ("torch.nn.Module", "builtins.object", "torch.nn.Sequential", "abc.ABC"):
            known = base.startswith(("torchvision.", "timm.", "transformers.", "diffusers."))
            answers.add(Truth.YES if known else Truth.NO if base.startswith("torch.nn.") else Truth.MAYBE)
    return strongest(answers)


def strongest(answers: set[Truth]) -> Truth:
    """Of the parts of a module: YES if one surely depends, else MAYBE if one may."""
    if Truth.YES in answers:
        return Truth.YES
    return Truth.MAYBE if Truth.MAYBE in answers else Truth.NO


def _takes_modules(cls_code: Code) -> bool:
    """Whether a constructor keeps an argument that the class later calls, or puts one into a container."""
    called = {name for name, event in named_callees(cls_code) if event is not None}
    for init in (code for code in cls_code.codes if code.name == "__init__"):
        parameters = {parameter.name for parameter in init.parameters[1:]}
        given: set[int] = set()
        names: dict[int, str] = {}
        for block in init.blocks:
            for event in block.events:
                match event:
                    case ev.Load(dst=dst, variable=variable):
                        names[dst] = variable.name
                        if variable.name in parameters and variable.scope == init.scope:
                            given.add(dst)
                    case ev.Attribute(dst=dst, obj=obj, name=name):
                        names[dst] = f"{names.get(obj, '?')}.{name}"
                    case ev.SetAttribute(name=name, src=src) if src in given and f"self.{name}" in called:
                        return True
                    case ev.Call(func=func, arguments=arguments):
                        last = names.get(func, "?").rpartition(".")[2]
                        if last in ("ModuleList", "ModuleDict", "Sequential") and any(
                            a.src in given for a in arguments
                        ):
                            return True
    return False


def _code_dependence(code: Code, lookup: Callable[[Code, str], str | Class | Code | None], seen: set[Code]) -> Truth:
    answers = {Truth.NO}
    literals: dict[int, object] | None = None
    for name, call in named_callees(code):
        if name.endswith(_SELF_TRAINING):
            return Truth.YES
        if name.startswith(("self.", "?", "super")):
            continue
        target = lookup(code, name)
        if isinstance(target, str):
            if literals is None:
                literals = {}
                for inner in code.walk():
                    literals.update(constants(inner))
            answers.add(layer_dependence(target, call, literals))
        elif isinstance(target, Class):
            if target.code not in seen and len(seen) < _MAX_CLASSES:
                seen.add(target.code)
                if target.is_module:
                    answers.add(_dependence(target, lookup, seen) if target.dependent is None else target.dependent)
        elif target is not None:
            if target not in seen and len(seen) < _MAX_CLASSES:
                seen.add(target)
                answers.add(_code_dependence(target, lookup, seen))
        if Truth.YES in answers:
            return Truth.YES
    return strongest(answers)


def layer_dependence(name: str, call: ev.Call | None, literals: dict[int, object]) -> Truth:
    """What naming (`call` None) or calling an external name adds to the module that does it."""
    effect = effect_of(name)
    if effect is Effect.DEPENDENT:
        return Truth.YES
    if effect in (Effect.FACTORY, Effect.PRETRAINED):
        return Truth.YES if call is not None else Truth.NO
    if effect in (Effect.DROPPED, Effect.DROPPING, Effect.RUNNING):
        if call is None:
            return Truth.NO  # what is only named is called elsewhere, with its arguments
        return _switch(effect, name, call, literals)
    if effect is Effect.UNKNOWN and call is not None and name.rpartition(".")[2][:1].isupper():
        return Truth.MAYBE
    return Truth.NO


def _switch(effect: Effect, name: str, call: ev.Call, literals: dict[int, object]) -> Truth:
    keyword = {Effect.DROPPED: "dropout", Effect.DROPPING: "dropout", Effect.RUNNING: "track_running_stats"}[effect]
    if "Dropout" in name:
        keyword = "p"
    for position, argument in enumerate(call.arguments):
        if argument.keyword == keyword or (keyword == "p" and position == 0 and argument.keyword is None):
            if argument.src in literals:
                return Truth.YES if literals[argument.src] else Truth.NO
            return Truth.YES
        if argument.star == "**":
            return Truth.MAYBE
    return Truth.YES if effect is Effect.DROPPED else Truth.NO
