"""Dropout that does not ask for the mode: in what modules of the file call in their forward, in eval mode.

Methods that `forward` calls on its module, and functions of the same file, are followed. What modules hold
(layers made in `__init__`) switches by itself and is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from torchmode_lint import torch_api as api
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.glance import glance
from torchmode_lint.analysis.in_eval import MODE, InEval, Origin, Origins
from torchmode_lint.analysis.program import Unswitched
from torchmode_lint.analysis.records import Point
from torchmode_lint.diagnostic import Confidence
from torchmode_lint.flow import events as ev
from torchmode_lint.flow.cfg import Code
from torchmode_lint.flow.events import Variable
from torchmode_lint.flow.shared import reads

if TYPE_CHECKING:
    from torchmode_lint.analysis.classes import Class
    from torchmode_lint.analysis.interpreter import Interpreter
    from torchmode_lint.flow.cfg import Block
    from torchmode_lint.source import SourceFile

MAX_CALLS = 8

_Given: TypeAlias = "Mapping[str, Origins]"


def find(run: Interpreter, source: SourceFile) -> None:
    """Write what is found in the modules of a file into its program."""
    search = _Search(run, source.code, _written(source.code))
    for code in list(source.code.walk_lowered()):
        cls = run.classes.get(code) if code.kind == "class" else None
        if cls is None or not (cls.is_module or cls.is_framework_module):
            continue
        for name in api.FORWARD_METHODS:
            for func in _functions(cls.method(name)):
                search.visit(_Visit(func, cls))
    run.program.unswitched += search.found.values()


def _functions(value: v.Value | None) -> Iterator[Code]:
    for atom in value or ():
        if isinstance(atom, v.Func) and atom.kind in ("", "class"):
            yield atom.code


def _written(code: Code) -> frozenset[str]:
    """The attributes that are set outside of constructors: what holds them may differ by mode."""
    if code.kind == "function":
        return frozenset() if code.name == "__init__" else glance(code).writes
    events = (event for block in code.blocks for event in block.events)
    own = {event.name for event in events if isinstance(event, ev.SetAttribute)}
    return frozenset(own).union(*map(_written, code.codes))


@dataclass(frozen=True, slots=True)
class _Visit:
    """A code object that runs in the forward of a module; `given` says where its arguments come from."""

    code: Code
    cls: Class
    sure: Confidence = Confidence.CERTAIN
    given: _Given = field(default_factory=dict)
    calls: tuple[Point, ...] = ()
    selves: frozenset[Variable] = frozenset()


@dataclass(slots=True)
class _Search:
    run: Interpreter
    file: Code
    written: frozenset[str]
    found: dict[ev.Event, Unswitched] = field(default_factory=dict)
    _worlds: dict[tuple[Code, frozenset[Variable]], InEval] = field(default_factory=dict)
    _seen: dict[object, Confidence] = field(default_factory=dict)
    _droppers: dict[tuple[Code, Class], bool] = field(default_factory=dict)

    def visit(self, at: _Visit) -> None:
        if at.code.file is not self.file or len(at.calls) > MAX_CALLS or not self._may_drop(at.code, at.cls):
            return
        key = (at.code, at.cls.code, frozenset(at.given.items()))
        if key in self._seen and self._seen[key] >= at.sure:
            return
        self._seen[key] = at.sure
        selves = at.selves
        if self.run.class_of.get(at.code) is not None and at.code.parameters:
            selves |= {Variable(at.code.scope, at.code.parameters[0].name)}
        world = self._worlds.get((at.code, selves))
        if world is None:
            world = self._worlds[at.code, selves] = InEval(at.code, selves)
        for block in at.code.blocks:
            if block in world.reached:
                for event in block.events:
                    if isinstance(event, ev.Call):
                        self._call(at, world, block, event)
                    elif isinstance(event, ev.MakeFunction):
                        self._inner(at, world, block, event)

    def _may_drop(self, code: Code, cls: Class) -> bool:
        """Whether a function, or one of the file that it names, names dropout; others need not be lowered."""
        known = self._droppers.get((code, cls))
        if known is not None:
            return known
        pending = [code]
        seen = set(pending)
        while pending:
            at = pending.pop()
            for name in dict(glance(at).names):
                target = self.run.lookup(at, name)
                if isinstance(target, str) and (target in api.DROPPING or api.is_dropout_layer(target)):
                    self._droppers[code, cls] = True
                    return True
                found = [*_functions(cls.method(name.partition(".")[2]))]
                found += [target] if isinstance(target, Code) else []
                new = {one for one in found if one.file is self.file} - seen
                seen |= new
                pending += new
        self._droppers.update(dict.fromkeys(((one, cls) for one in seen), False))
        return False

    def _inner(self, at: _Visit, world: InEval, block: Block, event: ev.MakeFunction) -> None:
        sure = self._sure(at, world, block, frozenset())
        if sure is not None:
            sure = min(sure, Confidence.LIKELY)  # it is there to be called
            self.visit(_Visit(event.code, at.cls, sure, {}, at.calls, world.selves))

    def _call(self, at: _Visit, world: InEval, block: Block, event: ev.Call) -> None:
        name = world.dotted(event.func)
        if name is None:
            return
        if name.startswith("self."):
            targets = list(_functions(at.cls.method(name[5:])))
            bound = True
        else:
            target = self.run.lookup(at.code, name)
            if isinstance(target, str):
                self._library(at, world, block, event, target)
                return
            targets = [target] if isinstance(target, Code) else []
            bound = False
        sure = self._sure(at, world, block, frozenset()) if targets else None
        if sure is None:
            return
        calls = (*at.calls, Point(event, self.run.enter(None, None, at.code)))
        for code in targets:
            given = self._arguments(at, world, event, code, bound)
            self.visit(_Visit(code, at.cls, sure, given, calls))

    def _arguments(self, at: _Visit, world: InEval, event: ev.Call, code: Code, bound: bool) -> dict[str, Origins]:
        """Where the parameters of a function that is called come from."""
        given: dict[str, Origins] = {}
        parameters = code.parameters[1:] if bound else code.parameters
        defaults = self.run.defaults.get(code) or ()
        for parameter, default in zip(code.parameters, defaults, strict=False):
            constant = None if default is None else v.single(default)
            if isinstance(constant, v.Const):
                given[parameter.name] = frozenset({Origin("constant", constant.value)})
        if any(argument.star for argument in event.arguments):
            return {}
        for position, argument in enumerate(event.arguments):
            origins = _resolved(world.origins(argument.src), at.given)
            if argument.keyword is not None:
                given[argument.keyword] = origins
            elif position < len(parameters):
                given[parameters[position].name] = origins
        return given

    def _library(self, at: _Visit, world: InEval, block: Block, event: ev.Call, name: str) -> None:
        if api.is_dropout_layer(name):
            if _is_applied(at.code, event):
                rate = self._rate(at, world, event, 0, "p", 0.5)
                self._note(at, world, block, event, name, "built", rate, Confidence.CERTAIN)
            return
        told = api.DROPPING.get(name)
        if told is None or any(argument.star for argument in event.arguments):
            return
        rate = self._rate(at, world, event, told.rate, told.rate_name, told.default_rate)
        form, sure = "rate", Confidence.CERTAIN
        if told.flag is not None:
            given = _argument(event, told.flag, told.flag_name)
            if given is None:
                form = "default" if told.default else "never"
            elif _resolved(world.origins(given), at.given) == {Origin("constant", True)}:
                form, sure = "explicit", Confidence.POSSIBLE
            else:
                return
        self._note(at, world, block, event, name, form, rate, sure)

    def _note(
        self,
        at: _Visit,
        world: InEval,
        block: Block,
        event: ev.Call,
        name: str,
        form: str,
        rate: Origins,
        sure: Confidence,
    ) -> None:
        reached = self._sure(at, world, block, rate)
        drops = self._drops(at.cls, rate)
        if reached is None or drops is None:
            return
        sure = min(sure, reached, drops)
        known = self.found.get(event)
        if known is None or known.confidence < sure:
            context = self.run.enter(None, None, at.code)
            self.found[event] = Unswitched(event, context, name, form, sure, at.calls)

    def _sure(self, at: _Visit, world: InEval, block: Block, rate: Origins) -> Confidence | None:
        """How sure it is that a block is reached in eval mode; None where the mode may well decide on it."""
        sure = at.sure
        for condition in world.conditions(block):
            if MODE in _resolved(world.origins(condition), at.given):
                return None
            sure = min(sure, Confidence.LIKELY if world.is_plain(condition, rate) else Confidence.POSSIBLE)
        return sure

    def _rate(
        self, at: _Visit, world: InEval, event: ev.Call, position: int, name: str, default: float | None
    ) -> Origins:
        given = _argument(event, position, name)
        if given is None:
            return frozenset({Origin("constant", default)})
        return _resolved(world.origins(given), at.given)

    def _drops(self, cls: Class, rate: Origins) -> Confidence | None:
        """How sure it is that something is dropped at this rate; None where nothing is, or the mode decides."""
        constants = [bool(one.what) for one in rate if one.kind == "constant"]
        if MODE in rate or (constants and len(constants) == len(rate) and not any(constants)):
            return None
        if not all(constants):
            return Confidence.POSSIBLE
        for kind, what in rate:
            if kind in ("parameter", "unknown"):
                return Confidence.POSSIBLE
            if kind == "attribute" and (what in self.written or any(_functions_or_properties(cls, what))):
                return Confidence.POSSIBLE
        # a rate that is not written there may be zero
        return Confidence.CERTAIN if constants and len(constants) == len(rate) else Confidence.LIKELY


def _functions_or_properties(cls: Class, name: object) -> Iterator[bool]:
    for atom in cls.method(str(name)) or ():
        yield isinstance(atom, v.Func)


def _argument(event: ev.Call, position: int, keyword: str) -> ev.Register | None:
    for at, argument in enumerate(event.arguments):
        if argument.keyword == keyword or (argument.keyword is None and not argument.star and at == position):
            return argument.src
    return None


def _resolved(origins: Origins, given: _Given) -> Origins:
    """The origins of a value, with the arguments of this call in place of the parameters."""
    result: set[Origin] = set()
    for one in origins:
        result |= given.get(str(one.what), {one}) if one.kind == "parameter" else {one}
    return frozenset(result)


def _is_applied(code: Code, made: ev.Call) -> bool:
    """Whether what a call makes is only ever called, at once or by a local name."""
    names: set[Variable] = set()
    loaded: set[ev.Register] = set()
    used = False
    for inner in code.walk():
        for block in inner.blocks:
            for event in block.events:
                if isinstance(event, ev.Store) and event.src == made.dst and inner is code:
                    if event.variable.scope != code.scope:
                        return False
                    names.add(event.variable)
                elif isinstance(event, ev.Load) and event.variable in names:
                    if inner is not code:
                        return False
                    loaded.add(event.dst)
                elif inner is code and (touched := set(reads(event)) & {made.dst, *loaded}):
                    if not (isinstance(event, ev.Call) and touched == {event.func}):
                        return False
                    used = True
    return used
