"""Whether modules of a class depend on the mode: which layers its methods name, and whether they read the mode.

Not modelled: layers that are only put in from outside after construction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from torchmode_lint.analysis.classes import Class
from torchmode_lint.analysis.glance import dotted_names, glance
from torchmode_lint.analysis.mentions import named_callees
from torchmode_lint.analysis.values import Func
from torchmode_lint.flow import events as ev
from torchmode_lint.protocol import Truth
from torchmode_lint.torch_api import effect_of
from torchmode_lint.torch_effects import Effect
from torchmode_lint.torch_methods import SWITCHES

if TYPE_CHECKING:
    from torchmode_lint.flow.cfg import Code, Parameter


Lookup: TypeAlias = "Callable[[Code, str], str | Class | Code | None]"
_Seen: TypeAlias = "set[tuple[Code, frozenset[ev.Variable]]]"
_NONE: frozenset[ev.Variable] = frozenset()
_SELF_TRAINING = "self.training"
_MAX_CLASSES = 200
_OF_OBJECTS = ("self.", "?", "super")  # names that begin so are of no definition
_OF_LAYERS = frozenset(
    {Effect.DEPENDENT, Effect.FACTORY, Effect.PRETRAINED, Effect.DROPPED, Effect.DROPPING, Effect.RUNNING}
)
_UNSURE = object()  # a rate that is zero unless somebody gives another


def constants(code: Code) -> dict[int, object]:
    """The registers of a code object that hold a literal."""
    return {event.dst: event.value for block in code.blocks for event in block.events if isinstance(event, ev.Constant)}


def is_without_rates(cls: Class, zeros: frozenset[ev.Variable], lookup: Lookup) -> bool:
    """Whether modules of a class would depend on the mode, but do not where these parameters are zero."""
    if not zeros or own_dependence(cls, lookup) is Truth.NO:
        return False
    if zeros not in cls.without:
        cls.without[zeros] = _dependence(cls, lookup, {(cls.code, zeros)}, given=False, zeros=zeros)
    return cls.without[zeros] is Truth.NO


def dependence(cls: Class, own: Truth) -> Truth:
    """Whether a module of this class computes differently by mode, whatever it was given; `own` without that."""
    if own is Truth.NO and any(_takes_modules(one.code) for one in cls.line()):
        return Truth.MAYBE
    return own


def own_dependence(cls: Class, lookup: Lookup) -> Truth:
    """Whether modules of a class compute differently by mode, but for what their constructor is given."""
    if cls.dependent is None:
        cls.dependent = Truth.NO  # what a class that contains itself adds
        cls.dependent = _dependence(cls, lookup, {(cls.code, _NONE)}, given=False)
    return cls.dependent


def _dependence(
    cls: Class, lookup: Lookup, seen: _Seen, *, given: bool = True, zeros: frozenset[ev.Variable] = _NONE
) -> Truth:
    """`zeros` are the parameters of constructors that are zero."""
    answers = {Truth.NO}
    for one in cls.line():
        answers.add(_code_dependence(one.code, lookup, seen, zeros))
        if given and _takes_modules(one.code):
            answers.add(Truth.MAYBE)
    for base in cls.external_bases():
        if base not in ("torch.nn.Module", "builtins.object", "torch.nn.Sequential", "abc.ABC"):
            known = base.startswith(("torchvision.", "timm.", "transformers.", "diffusers."))
            answers.add(Truth.YES if known else Truth.NO if base.startswith("torch.nn.") else Truth.MAYBE)
    return strongest(answers)


def evaluates_itself(cls: Class) -> bool:
    """Whether the forward of a module puts what it applies into eval mode itself, whatever mode it is in."""
    switches = {
        name.rpartition(".")[2]
        for atom in cls.method("forward") or ()
        if isinstance(atom, Func)
        for name in glance(atom.code).called
        if name.startswith("self.")
    }
    return switches & SWITCHES == {"eval"}


def strongest(answers: set[Truth]) -> Truth:
    """Of the parts of a module: YES if one surely depends, else MAYBE if one may."""
    if Truth.YES in answers:
        return Truth.YES
    return Truth.MAYBE if Truth.MAYBE in answers else Truth.NO


def _takes_modules(cls_code: Code) -> bool:
    """Whether a constructor keeps an argument that the class later calls, or puts one into a container."""
    kept: set[str] = set()
    for init in (code for code in cls_code.codes if code.name == "__init__"):
        parameters = {parameter.name for parameter in init.parameters[1:]}
        given: set[int] = set()
        names = dotted_names(init)
        for block in init.blocks:
            for event in block.events:
                match event:
                    case ev.Load(dst=dst, variable=variable):
                        if variable.name in parameters and variable.scope == init.scope:
                            given.add(dst)
                    case ev.SetAttribute(name=name, src=src) if src in given:
                        kept.add(name)
                    case ev.Call(func=func, arguments=arguments):
                        last = names.get(func, "?").rpartition(".")[2]
                        if last in ("ModuleList", "ModuleDict", "Sequential") and any(
                            a.src in given for a in arguments
                        ):
                            return True
    return bool(kept) and not {f"self.{name}" for name in kept}.isdisjoint(glance(cls_code).called)


def _code_dependence(code: Code, lookup: Lookup, seen: _Seen, zeros: frozenset[ev.Variable]) -> Truth:
    functions = list(_functions(code))
    if any(name.endswith(_SELF_TRAINING) for one in functions for name, _ in glance(one).names):
        return Truth.YES
    if zeros or any(one.name == "__init__" and "eval" in glance(one).lasts for one in functions):
        return _dependence_by_calls(code, list(_naming_layers(code, lookup)), lookup, seen, zeros)
    answers = {Truth.NO}
    called: list[Code] = list(_classes(code))
    for function in functions:  # how it calls what it names is only found out where it matters
        answer = _dependence_by_names(function, lookup, seen)
        if answer is Truth.YES:
            return Truth.YES
        if answer is None:
            called += _naming_layers(function, lookup)
        else:
            answers.add(answer)
    answers.add(_dependence_by_calls(code, called, lookup, seen, zeros))
    return strongest(answers)


def _functions(code: Code) -> Iterator[Code]:
    """A function itself; those of a class and of the classes in it that are not class methods.

    What class methods make is no part of the module.
    """
    if code.kind != "class":
        yield code
        return
    for inner in code.codes:
        if "classmethod" not in inner.decorators:
            yield from _functions(inner)


def _classes(code: Code) -> Iterator[Code]:
    if code.kind == "class":
        yield code
        for inner in code.codes:
            yield from _classes(inner)


def _dependence_by_names(function: Code, lookup: Lookup, seen: _Seen) -> Truth | None:
    """What the names in a function say; None where it takes more."""
    answers = {Truth.NO}
    more = False
    for name, is_called in dict.fromkeys(glance(function).names):
        target = None if name.startswith(_OF_OBJECTS) else lookup(function, name)
        answer = Truth.NO
        if isinstance(target, str):
            effect = effect_of(target)
            if effect is Effect.DEPENDENT or (is_called and effect in (Effect.FACTORY, Effect.PRETRAINED)):
                return Truth.YES
            more = more or (is_called and (effect in _OF_LAYERS or _is_unknown_class(target)))
        elif target is not None:
            answer = _dependence_of(target, lookup, seen, _NONE)
        if answer is Truth.YES:
            return Truth.YES
        answers.add(answer)
    return None if more else strongest(answers)


def _dependence_of(target: Class | Code, lookup: Lookup, seen: _Seen, handed: frozenset[ev.Variable]) -> Truth:
    """What a module of a class, or what a function makes, adds to what it is a part of, unless that has been `seen`."""
    code = target.code if isinstance(target, Class) else target
    if (code, handed) in seen or len(seen) >= _MAX_CLASSES:
        return Truth.NO
    seen.add((code, handed))
    if not isinstance(target, Class):
        return _code_dependence(target, lookup, seen, handed)
    return _dependence(target, lookup, seen, zeros=handed) if target.is_module else Truth.NO


def _dependence_by_calls(
    code: Code, codes: list[Code], lookup: Lookup, seen: _Seen, zeros: frozenset[ev.Variable]
) -> Truth:
    """What code objects within `code` say by how they call what they name."""
    answers = {Truth.NO}
    settled = {name for inner in codes if inner.name == "__init__" for name in _made_for_eval(inner)}
    called = {name for inner in codes for name, call in named_callees(inner) if call is not None} if zeros else set()
    for inner in codes:
        compared = set(_compared(inner))
        literals = constants(inner) | _zero_unless_given(inner) | _loads(inner, zeros)
        for name, call in named_callees(inner):
            if name in settled or call in compared or name.startswith(_OF_OBJECTS):
                continue
            if call is None and name in called:
                continue  # with what it is given, it comes again
            target = lookup(code, name)
            if isinstance(target, str):
                answers.add(layer_dependence(target, call, literals))
            elif target is not None:
                handed = _handed(target, _given(inner, call, zeros)) if zeros else _NONE
                answers.add(_dependence_of(target, lookup, seen, handed))
            if Truth.YES in answers:
                return Truth.YES
    return strongest(answers)


def _naming_layers(code: Code, lookup: Lookup) -> Iterator[Code]:
    """A code object and those in it that may name layers, or the mode, themselves; others are not even lowered.

    Class methods do not count: what they make is no part of the module.
    """
    if code.kind == "class" or any(_may_count(name, code, lookup) for name in dict(glance(code).names)):
        yield code
        for inner in code.codes:
            if "classmethod" not in inner.decorators:
                yield from _naming_layers(inner, lookup)


def _may_count(name: str, code: Code, lookup: Lookup) -> bool:
    if name.endswith(_SELF_TRAINING):
        return True
    target = None if name.startswith(_OF_OBJECTS) else lookup(code, name)
    if isinstance(target, str):
        return effect_of(target) in _OF_LAYERS or _is_unknown_class(target)
    return target is not None


def _compared(code: Code) -> Iterator[ev.Call]:
    """The calls whose result is compared with another: versions, not layers."""
    events = [event for block in code.blocks for event in block.events]
    operands = {at for event in events if isinstance(event, ev.Compare) for at in (event.left, event.right)}
    yield from (event for event in events if isinstance(event, ev.Call) and event.dst in operands)


def _made_for_eval(init: Code) -> set[str]:
    """What a constructor calls to make the parts that it puts into eval mode itself."""
    events = [event for block in init.blocks for event in block.events]
    names = dotted_names(init)
    switched = [call for call in events if isinstance(call, ev.Call) and names.get(call.func, "").endswith(".eval")]
    parts = {names[call.func].removesuffix(".eval") for call in switched}
    pending = {call.func for call in switched}
    made: set[str] = set()
    traced: set[int] = set()
    while pending - traced:
        traced |= pending
        for event in events:
            match event:
                case ev.SetAttribute(name=name, src=src) if f"self.{name}" in parts:
                    pending.add(src)
                case ev.Store(variable=variable, src=src) if variable.name in parts:
                    pending.add(src)
                case ev.Call(dst=dst, func=func) if dst in traced:
                    pending.add(func)
                    made.add(names.get(func, "?"))
                case ev.Attribute(dst=dst, obj=obj) | ev.Item(dst=dst, obj=obj) if dst in traced:
                    pending.add(obj)
                case ev.Unpack(src=src, targets=targets) if traced.intersection(targets):
                    pending.add(src)
    return made


def _loads(code: Code, zeros: frozenset[ev.Variable]) -> dict[int, object]:
    """The registers of a code object that hold a parameter that is zero."""
    events = (event for block in code.blocks for event in block.events) if zeros else ()
    return {event.dst: 0 for event in events if isinstance(event, ev.Load) and event.variable in zeros}


def _given(code: Code, call: ev.Call | None, zeros: frozenset[ev.Variable]) -> dict[int | str, object] | None:
    """The constants that a call gives, by position and name, and None for the rest; None where that cannot be told."""
    if call is None or any(argument.star for argument in call.arguments):
        return None
    literals = constants(code) | _loads(code, zeros)
    return {one.keyword or position: literals.get(one.src) for position, one in enumerate(call.arguments)}


def zero_parameters(cls: Class, given: Mapping[int | str, object] | None) -> frozenset[ev.Variable]:
    """The parameters of a constructor that are zero, by what it is given or by their defaults."""
    inits = [atom.code for atom in cls.method("__init__") or () if isinstance(atom, Func)]
    return _NONE.union(*(_zeros(init, init.parameters[1:], given) for init in inits))


def _handed(target: Class | Code, given: Mapping[int | str, object] | None) -> frozenset[ev.Variable]:
    """The parameters of what is called that are zero."""
    if isinstance(target, Class):
        return zero_parameters(target, given)
    return _zeros(target, target.parameters, given)


def _zeros(
    function: Code, parameters: Sequence[Parameter], given: Mapping[int | str, object] | None
) -> frozenset[ev.Variable]:
    if given is None:
        return _NONE
    found: set[ev.Variable] = set()
    defaults = _zero_defaults(function)
    events = [event for block in function.blocks for event in block.events]
    rebound = {event.variable for event in events if isinstance(event, ev.Store)}
    for position, parameter in enumerate(parameters):
        value = given.get(parameter.name, given.get(position, 0 if parameter.name in defaults else None))
        if isinstance(value, (int, float)) and value == 0:
            found.add(ev.Variable(function.scope, parameter.name))
    return frozenset(found - rebound)


def _zero_defaults(function: Code) -> set[str]:
    """The parameters of a function whose default is a literal zero."""
    around = function.parent
    if around is None:
        return set()
    literals = constants(around)
    events = (event for block in around.blocks for event in block.events)
    made = next((one for one in events if isinstance(one, ev.MakeFunction) and one.code is function), None)
    pairs = () if made is None else zip(function.parameters, made.defaults, strict=False)
    return {parameter.name for parameter, default in pairs if default is not None and literals.get(default) == 0}


def _zero_unless_given(code: Code) -> dict[int, object]:
    """The registers of a function that hold a parameter whose default is zero."""
    zero = {ev.Variable(code.scope, name) for name in _zero_defaults(code)} if code.kind == "function" else set()
    events = [event for block in code.blocks for event in block.events] if zero else []
    return {event.dst: _UNSURE for event in events if isinstance(event, ev.Load) and event.variable in zero}


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
    return Truth.MAYBE if call is not None and _is_unknown_class(name) else Truth.NO


def _is_unknown_class(name: str) -> bool:
    """Whether an external name looks like that of a class, of which nothing is known."""
    return effect_of(name) is Effect.UNKNOWN and name.rpartition(".")[2][:1].isupper()


def _switch(effect: Effect, name: str, call: ev.Call, literals: dict[int, object]) -> Truth:
    keyword = {Effect.DROPPED: "dropout", Effect.DROPPING: "dropout", Effect.RUNNING: "track_running_stats"}[effect]
    if "Dropout" in name:
        keyword = "p"
    for position, argument in enumerate(call.arguments):
        if argument.keyword == keyword or (keyword == "p" and position == 0 and argument.keyword is None):
            if literals.get(argument.src) is _UNSURE:
                return Truth.MAYBE
            if argument.src in literals:
                return Truth.YES if literals[argument.src] else Truth.NO
            return Truth.YES
        if argument.star == "**":
            return Truth.MAYBE
    return Truth.YES if effect is Effect.DROPPED else Truth.NO
