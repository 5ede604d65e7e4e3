"""A function as it runs in eval mode: what is reached where `training` is False, and what decides on it there.

One code object is looked at by itself, without its callers: conditions and values are followed through its
registers and local names, in whatever order they are assigned. Not followed: exceptions, and what is kept in
containers.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from torchmode_lint.flow import events as ev
from torchmode_lint.flow.cfg import Branch, Next, Return
from torchmode_lint.flow.shared import reads, writes

if TYPE_CHECKING:
    from torchmode_lint.flow.cfg import Block, Code
    from torchmode_lint.flow.events import Event, Register, Variable


class Origin(NamedTuple):
    """Where a value comes from.

    `kind` is "constant" (`what` is its value), "attribute" of self or "parameter" (its name), "mode" (it tells the
    mode), "number" (computed), "element" (of a loop), "name" (of the file) or "unknown".
    """

    kind: str
    what: object = None


Origins: TypeAlias = "frozenset[Origin]"
MODE = Origin("mode")
NUMBER = Origin("number")
UNKNOWN = Origin("unknown")

_MODE_ATTRIBUTE = "training"
_ARITHMETIC = frozenset({"float", "int", "abs", "min", "max", "round", "len"})
_QUESTIONS = frozenset({"isinstance", "len", "hasattr", "callable"})
_ORDER = frozenset({"<", "<=", ">", ">="})
_SAME = {"==": True, "is": True, "!=": False, "is not": False}


class _Through(enum.IntEnum):
    """What is left of the origins of a value on the way: all, all but literals, whether it tells the mode."""

    SAME = 0
    COMPUTED = 1
    CALL = 2


def _passes(origin: Origin, through: _Through) -> bool:
    if through is _Through.CALL:
        return origin == MODE
    return through is _Through.SAME or origin.kind != "constant"


class InEval:
    """`selves` are the variables that hold the module whose mode it is."""

    def __init__(self, code: Code, selves: frozenset[Variable] = frozenset()) -> None:
        self.code = code
        self.selves = selves
        self._definitions: dict[Register, list[tuple[Block, Event | None]]] = {}
        self._stores: dict[Variable, list[tuple[Block, ev.Store]]] = {}
        self._known: dict[Register, Origins] = {}
        self._parameters = {parameter.name for parameter in code.parameters}
        for block in code.blocks:
            for event in block.events:
                for register in writes(event):
                    self._definitions.setdefault(register, []).append((block, event))
                if isinstance(event, ev.Store):
                    self._stores.setdefault(event.variable, []).append((block, event))
            if isinstance(block.end, Next):
                self._definitions.setdefault(block.end.dst, []).append((block, None))
        self.reached: set[Block] = {code.entry}
        self._propagate()
        self._returning = self._leading_to(block for block in self.reached if isinstance(block.end, Return))

    # --- control -------------------------------------------------------------------------------------

    def _propagate(self) -> None:
        """The blocks that are reached; the more of them, the less is known of a condition."""
        grew = True
        while grew:
            grew = False
            for block in list(self.reached):
                new = set(self._successors(block)) - self.reached
                if new:
                    self.reached |= new
                    grew = True

    def _successors(self, block: Block) -> Iterator[Block]:
        if isinstance(block.end, Branch):
            truths = self.truth(block.end.condition)
            if truths != {False}:
                yield block.end.then
            if truths != {True}:
                yield block.end.otherwise
        else:
            yield from block.successors()

    def _leading_to(self, ends: Iterable[Block]) -> set[Block]:
        """The reached blocks from which one of these is reached in the same turn of all loops."""
        before: dict[Block, list[Block]] = {}
        for block in self.reached:
            for after in self._successors(block):
                if after not in block.loops:
                    before.setdefault(after, []).append(block)
        pending = list(ends)
        found = set(pending)
        while pending:
            for block in before.get(pending.pop(), ()):
                if block not in found:
                    found.add(block)
                    pending.append(block)
        return found

    def conditions(self, block: Block) -> list[Register]:
        """What decides on whether a block is reached; a condition whose other way only raises does not count."""
        leading = self._leading_to([block])
        decided = []
        for at in leading - {block}:
            if isinstance(at.end, Branch):
                ways = [way for way in self._successors(at) if way in self._returning or way in leading]
                if len({way in leading for way in ways}) == 2:
                    decided.append(at.end.condition)
        return decided

    def truth(self, condition: Register) -> set[bool | None]:
        """What a condition may be; None where nothing is known."""
        result: set[bool | None] = set()
        seen: set[tuple[Register, bool]] = set()
        pending = [(condition, True)]
        while pending:
            at = pending.pop()
            if at not in seen:
                seen.add(at)
                for event in self._reached_definitions(at[0]):
                    truth, further = self._truth(event, at[1])
                    result |= truth
                    pending += further
        return result

    def _truth(self, event: Event | None, kept: bool) -> tuple[set[bool | None], list[tuple[Register, bool]]]:
        """The truth of what an event makes, and the registers that have it (or, not `kept`, its opposite)."""
        match event:
            case ev.Constant(value=value):
                return {bool(value) is kept}, []
            case ev.Attribute(name=name) if name == _MODE_ATTRIBUTE:
                return {not kept}, []
            case ev.Unary(operator="not", operand=operand):
                return set(), [(operand, not kept)]
            case ev.Copy(src=src):
                return set(), [(src, kept)]
            case ev.Compare(operator=operator, left=left, right=right) if operator in _SAME:
                wanted = self._constant(right)
                if isinstance(wanted, bool):
                    return set(), [(left, kept is (wanted is _SAME[operator]))]
            case ev.Load(variable=variable) if variable in self._stores and not self._is_parameter(variable):
                return set(), [(src, kept) for src in self._stored(variable)]
        return {None}, []

    # --- values --------------------------------------------------------------------------------------

    def _reached_definitions(self, register: Register) -> Iterator[Event | None]:
        for block, event in self._definitions.get(register, ()):
            if block in self.reached:
                yield event

    def definition(self, register: Register) -> Event | None:
        """The one event that writes a register."""
        found = list(self._reached_definitions(register))
        return found[0] if len(found) == 1 else None

    def _is_parameter(self, variable: Variable) -> bool:
        return variable.scope == self.code.scope and variable.name in self._parameters

    def _constant(self, register: Register) -> object:
        event = self.definition(register)
        return event.value if isinstance(event, ev.Constant) else None

    def dotted(self, register: Register, depth: int = 0) -> str | None:
        """The dotted name of what a register holds, seen from the file; "self" for the module itself."""
        event = self.definition(register)
        match event:
            case ev.Load(variable=variable):
                if variable in self.selves:
                    return "self"
                stored = self._stores.get(variable, ())
                if len(stored) == 1 and depth < 5 and not self._is_parameter(variable):
                    return self.dotted(stored[0][1].src, depth + 1)
                return variable.name if variable.scope == self.code.file.scope else None
            case ev.Attribute(obj=obj, name=name):
                base = self.dotted(obj, depth)
                return None if base is None else f"{base}.{name}"
            case ev.Copy(src=src):
                return self.dotted(src, depth)
        return None

    def origins(self, register: Register) -> Origins:
        """Where the value of a register comes from."""
        known = self._known.get(register)
        if known is None:
            result: set[Origin] = set()
            seen: set[tuple[Register, _Through]] = set()
            pending = [(register, _Through.SAME)]
            while pending:
                at = pending.pop()
                if at not in seen:
                    seen.add(at)
                    for event in self._reached_definitions(at[0]):
                        found, through, further = self._origins(event)
                        through = max(at[1], through)
                        result |= {one for one in found if _passes(one, at[1])}
                        pending += [(each, through) for each in further]
            known = self._known[register] = frozenset(result)
        return known

    def _origins(self, event: Event | None) -> tuple[set[Origin], _Through, list[Register]]:
        """What an event adds, and the registers it comes from, through what."""
        match event:
            case None:
                return {Origin("element")}, _Through.SAME, []
            case ev.Constant(value=value):
                return {Origin("constant", value)}, _Through.SAME, []
            case ev.Load(variable=variable):
                return self._variable_origins(variable)
            case ev.Attribute(name=name) if name == _MODE_ATTRIBUTE:
                return {MODE}, _Through.SAME, []
            case ev.Attribute(obj=obj, name=name):
                if self.dotted(obj) == "self":
                    return {Origin("attribute", name)}, _Through.SAME, []
                return set(), _Through.SAME, [obj]
            case ev.Copy(src=src) | ev.Item(obj=src):
                return set(), _Through.SAME, [src]
            case ev.Unary() | ev.Binary() | ev.InPlace() | ev.Compare():
                return {NUMBER}, _Through.COMPUTED, reads(event)
            case ev.Call(func=func):
                if self.dotted(func) in _ARITHMETIC:
                    return {NUMBER}, _Through.COMPUTED, reads(event)
                return {UNKNOWN}, _Through.CALL, reads(event)
            case _:
                return {UNKNOWN}, _Through.SAME, []

    def _variable_origins(self, variable: Variable) -> tuple[set[Origin], _Through, list[Register]]:
        stored = self._stored(variable)
        if self._is_parameter(variable):
            return {Origin("parameter", variable.name)}, _Through.SAME, stored
        if stored or variable in self.selves:
            return set(), _Through.SAME, stored
        return {Origin("name") if variable.scope == self.code.file.scope else UNKNOWN}, _Through.SAME, []

    def _stored(self, variable: Variable) -> list[Register]:
        return [store.src for block, store in self._stores.get(variable, ()) if block in self.reached]

    # --- what conditions are about ---------------------------------------------------------------------

    def is_plain(self, condition: Register, rate: Origins) -> bool:
        """Whether a condition surely is no flag for the mode: about numbers, types, None, or the rate itself."""
        events = list(self._reached_definitions(condition))
        return bool(events) and all(self._is_plain(event, condition, rate) for event in events)

    def _is_plain(self, event: Event | None, condition: Register, rate: Origins) -> bool:
        match event:
            case ev.Unary(operator="not", operand=operand):
                return self.is_plain(operand, rate)
            case ev.Compare(operator=operator, left=left, right=right):
                return operator in _ORDER or (operator in _SAME and self._about_numbers(left, right))
            case ev.Call(func=func):
                return self.dotted(func) in _QUESTIONS
            case ev.Binary():
                return True
            case ev.Copy(src=src):
                return self.is_plain(src, rate)
        return bool(rate) and self.origins(condition) <= rate

    def _about_numbers(self, left: Register, right: Register) -> bool:
        """Whether an equality is one of numbers, or with None."""
        every = self.origins(left) | self.origins(right)
        constants = [one.what for one in every if one.kind == "constant"]
        if any(isinstance(one, (str, bool)) for one in constants):
            return False
        return bool(constants) or any(one.kind in ("number", "element") for one in every)
