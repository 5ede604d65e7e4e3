"""A function as it runs in eval mode: what is reached where `training` is False, and what decides on it there.

One code object is looked at by itself, without its callers: conditions and values are followed through its
registers and local names, in whatever order they are assigned. Not followed: exceptions, and what is kept in
containers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from torchmode_lint.flow import events as ev
from torchmode_lint.flow.cfg import Branch, Next, Return
from torchmode_lint.flow.shared import writes

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


class InEval:
    """`selves` are the variables that hold the module whose mode it is."""

    def __init__(self, code: Code, selves: frozenset[Variable] = frozenset()) -> None:
        self.code = code
        self.selves = selves
        self._definitions: dict[Register, list[tuple[Block, Event | None]]] = {}
        self._stores: dict[Variable, list[tuple[Block, ev.Store]]] = {}
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

    def truth(self, register: Register, depth: int = 0) -> set[bool | None]:
        """What a condition may be; None where nothing is known."""
        if depth > 20:
            return {None}
        result: set[bool | None] = set()
        for event in self._reached_definitions(register):
            result |= self._truth(event, depth + 1)
        return result

    def _truth(self, event: Event | None, depth: int) -> set[bool | None]:
        match event:
            case ev.Constant(value=value):
                return {bool(value)}
            case ev.Attribute(name=name) if name == _MODE_ATTRIBUTE:
                return {False}
            case ev.Unary(operator="not", operand=operand):
                return {None if truth is None else not truth for truth in self.truth(operand, depth)}
            case ev.Copy(src=src):
                return self.truth(src, depth)
            case ev.Compare(operator=operator, left=left, right=right) if operator in _SAME:
                wanted = self._constant(right)
                if isinstance(wanted, bool):
                    agree = wanted is _SAME[operator]
                    return {None if truth is None else truth is agree for truth in self.truth(left, depth)}
            case ev.Load(variable=variable) if variable in self._stores and not self._is_parameter(variable):
                stored = [store for block, store in self._stores[variable] if block in self.reached]
                return set().union(*(self.truth(store.src, depth) for store in stored)) or {None}
        return {None}

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

    def origins(self, register: Register, depth: int = 0) -> Origins:
        """Where the value of a register comes from."""
        if depth > 20:
            return frozenset({UNKNOWN})
        return frozenset().union(*(self._origins(event, depth + 1) for event in self._reached_definitions(register)))

    def _origins(self, event: Event | None, depth: int) -> Origins:
        match event:
            case None:
                return frozenset({Origin("element")})
            case ev.Constant(value=value):
                return frozenset({Origin("constant", value)})
            case ev.Load(variable=variable):
                return self._variable_origins(variable, depth)
            case ev.Attribute(name=name) if name == _MODE_ATTRIBUTE:
                return frozenset({MODE})
            case ev.Attribute(obj=obj, name=name):
                return self._attribute_origins(obj, name, depth)
            case ev.Copy(src=src):
                return self.origins(src, depth)
            case ev.Unary(operand=operand):
                return self._computed([operand], depth)
            case ev.Binary(left=left, right=right) | ev.InPlace(left=left, right=right):
                return self._computed([left, right], depth)
            case ev.Compare(left=left, right=right):
                return self._computed([left, right], depth)
            case ev.Item(obj=obj):
                return self.origins(obj, depth)
            case ev.Call(func=func, arguments=arguments):
                given = self._computed([func, *(argument.src for argument in arguments)], depth)
                return given if self.dotted(func) in _ARITHMETIC else (given & {MODE}) | {UNKNOWN}
            case _:
                return frozenset({UNKNOWN})

    def _computed(self, operands: list[Register], depth: int) -> Origins:
        every = frozenset().union(*(self.origins(operand, depth) for operand in operands))
        return frozenset(one for one in every if one.kind != "constant") | {NUMBER}

    def _variable_origins(self, variable: Variable, depth: int) -> Origins:
        result = {Origin("parameter", variable.name)} if self._is_parameter(variable) else set()
        for block, store in self._stores.get(variable, ()):
            if block in self.reached:
                result |= self.origins(store.src, depth)
        if result:
            return frozenset(result)
        return frozenset({Origin("name") if variable.scope == self.code.file.scope else UNKNOWN})

    def _attribute_origins(self, obj: Register, name: str, depth: int) -> Origins:
        if self.dotted(obj) == "self":
            return frozenset({Origin("attribute", name)})
        return self.origins(obj, depth)

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
