"""Whether a part of a module depends on the mode: what the constructors of its class put into the attribute.

Not modelled: parts that are made by functions of the project or of local variables, and parts of parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from torchmode_lint.analysis.classes import Class
from torchmode_lint.analysis.dependence import constants, dependence, layer_dependence, own_dependence, strongest
from torchmode_lint.analysis.glance import dotted_names
from torchmode_lint.flow import events as ev
from torchmode_lint.protocol import Truth
from torchmode_lint.torch_api import effect_of
from torchmode_lint.torch_effects import Effect

if TYPE_CHECKING:
    from torchmode_lint.flow.cfg import Code

Lookup: TypeAlias = "Callable[[Code, str], str | Class | Code | None]"

_LAYERS = {
    *(Effect.LAYER, Effect.STATELESS, Effect.DEPENDENT, Effect.DROPPED, Effect.DROPPING, Effect.RUNNING),
    Effect.FACTORY,
}


def part_dependence(cls: Class, name: str, lookup: Lookup) -> Truth:
    """Whether what modules of a class hold under a name computes differently by mode; MAYBE where that is not known."""
    if name not in cls.parts:
        cls.parts[name] = Truth.MAYBE  # what a class that contains itself says
        inits = [_Made(code, lookup) for one in cls.line() for code in one.code.codes if code.name == "__init__"]
        answers = {made.dependence(src) for made in inits for src in made.parts.get(name, ())}
        cls.parts[name] = answers.pop() if len(answers) == 1 else Truth.MAYBE
    return cls.parts[name]


@dataclass(slots=True)
class _Made:
    """What the registers of a constructor hold, by its text alone."""

    code: Code
    lookup: Lookup
    names: dict[int, str] = field(init=False)
    parts: dict[str, list[int]] = field(default_factory=dict)
    by: dict[int, list[ev.Event]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = dotted_names(self.code)
        for event in (event for block in self.code.blocks for event in block.events):
            match event:
                case ev.SetAttribute(obj=obj, name=name, src=src) if self.names.get(obj) == "self":
                    self.parts.setdefault(name, []).append(src)
                case ev.Call(dst=at) | ev.Build(dst=at) | ev.Copy(dst=at) | ev.Grow(container=at):
                    self.by.setdefault(at, []).append(event)
                case ev.Unpack(src=src, targets=targets, star=None):
                    for position, target in enumerate(targets):
                        items = [e.items for e in self.by.get(src, ()) if isinstance(e, ev.Build)]
                        if len(items) == 1 and len(items[0]) == len(targets):
                            self.by[target] = self.by.get(items[0][position].src, [])

    def dependence(self, register: int) -> Truth:
        events = self.by.get(register, [])
        if events and all(isinstance(event, ev.Build | ev.Grow) for event in events):  # a list, as it is written
            return _of_all(self._of(event) for event in events)
        answers = {self._of(event) for event in events}
        return answers.pop() if len(answers) == 1 else Truth.MAYBE

    def _of(self, event: ev.Event) -> Truth:
        match event:
            case ev.Build(items=items):
                return _of_all(self.dependence(item.src) for item in items)
            case ev.Grow(src=src) | ev.Copy(src=src):
                return self.dependence(src)
            case ev.Call():
                return self._of_call(event)
            case _:
                return Truth.MAYBE

    def _of_call(self, call: ev.Call) -> Truth:
        target = self.lookup(self.code, self.names.get(call.func, "?"))
        if isinstance(target, Class):
            return dependence(target, own_dependence(target, self.lookup)) if target.is_module else Truth.MAYBE
        if not isinstance(target, str):
            return Truth.MAYBE
        effect = effect_of(target)
        if effect is Effect.CONTAINER or (effect is Effect.SHARING and call.arguments):
            held = call.arguments if effect is Effect.CONTAINER else call.arguments[:1]
            return _of_all(self.dependence(argument.src) for argument in held)
        return layer_dependence(target, call, constants(self.code)) if effect in _LAYERS else Truth.MAYBE


def _of_all(answers: Iterable[Truth]) -> Truth:
    return strongest({Truth.NO, *answers})
