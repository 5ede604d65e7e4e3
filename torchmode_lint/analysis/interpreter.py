"""The fixpoint: code objects are interpreted block by block, per calling context, until nothing changes.

A state that reaches a block joins the one partition of that block with the same signature, or opens a
new one, up to a bound. After the fixpoint a second pass over the solved blocks records what rules read,
so that no observation comes from a state that was still growing.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchmode_lint.analysis import branches, imports, tracking, transfer
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.classes import plain
from torchmode_lint.analysis.frame import Frame
from torchmode_lint.analysis.program import Program
from torchmode_lint.analysis.state import State
from torchmode_lint.analysis.values import Context, Site, Value
from torchmode_lint.flow import cfg
from torchmode_lint.flow import events as ev

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torchmode_lint.analysis.classes import Class
    from torchmode_lint.analysis.project import Project
    from torchmode_lint.flow.cfg import Block, Code
    from torchmode_lint.flow.events import Call, Variable
    from torchmode_lint.source import SourceFile

MAX_PARTITIONS = 8
MAX_OUTCOMES = 4
MAX_FRAMES = 6
MAX_DEPTH = 10
MAX_STEPS = 40_000
MAX_FILE_STEPS = 160_000
MAX_MEMO = 12

# A file without any of these words neither knows torch nor touches modes and gradients.
_WORDS = ("torch", "backward", ".eval()", ".train()", "zero_grad", "no_grad", "set_grad_enabled")


class OverBudget(Exception):
    """The analysis of one root costs too much: it is given up, and counted."""


@dataclass(slots=True)
class Outcome:
    """One way out of a code object: the state there and the value returned (or yielded, at `block`)."""

    state: State
    value: Value
    block: Block | None = None

    def join(self, other: Outcome) -> None:
        """Cover the other way out too; the values are joined as a variable of the states would be."""
        slot = (-1, 0)
        self.state.env[slot], other.state.env[slot] = self.value, other.value
        self.state.join(other.state)
        self.value = self.state.env.pop(slot)
        del other.state.env[slot]


@dataclass(slots=True, eq=False)
class Activation:
    """A code object solved from one entry state in one context."""

    context: Context
    entry: State
    start: Block
    to_yield: bool
    table: dict[Block, list[State]] = field(default_factory=dict)
    signatures: dict[Block, list[tuple[object, ...]]] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    yielded: Value = v.EMPTY
    made: set[Site] = field(default_factory=set)
    recorded: bool = False


class Interpreter:
    """Everything that outlives a single root of the analysis of one file."""

    def __init__(self, program: Program, project: Project) -> None:
        self.program = program
        self.project = project
        self.recording = False
        self.steps = 0
        self.spent = 0
        self.born: set[Site] = set()
        self.visited: set[Code] = set()
        self.globals: dict[Variable, Value] = {}
        self.defaults: dict[Code, tuple[Value | None, ...]] = {}
        self.classes: dict[Code, Class] = {}
        self.class_of: dict[Code, Class] = {}
        self.evidence: dict[object, set[str]] = {}
        self.grew = False
        self.grew_shared = False
        self.owners: dict[tuple[object, Context], frozenset[v.Identity]] = {}
        self.dropped: dict[tuple[Context, int], tuple[str, str]] = {}
        self.files: dict[str, imports.Loaded] = {}
        self.sources: dict[Code, SourceFile] = {}
        self.scopes: dict[int, imports.Loaded] = {}
        self.active: list[Activation] = []
        self._matters: dict[Code, bool] = {}
        self._scopes: dict[Code, frozenset[int]] = {}
        self._plain: dict[Code, bool] = {}
        self._reads: dict[Code, frozenset[str]] = {}
        self._contexts: dict[tuple[Context | None, object, Code], Context] = {}
        self._memo: dict[tuple[Context, Block, bool], list[Activation]] = {}

    def enter(self, parent: Context | None, call: Call | None, code: Code) -> Context:
        """The one context object for a call of `code`."""
        key = (parent, call, code)
        context = self._contexts.get(key)
        if context is None:
            context = Context(parent, call, code, 0 if parent is None else parent.depth + 1)
            self._contexts[key] = context
        return context

    def load(self, source: SourceFile, path: Path) -> imports.Loaded:
        """Interpret the body of a file of the project, recording only for the file being checked."""
        from torchmode_lint.analysis.roots import execute

        code = source.code
        context = self.enter(None, None, code)
        loaded = imports.Loaded(source, path, context)
        self.files[str(path)] = loaded
        self.scopes[code.scope] = loaded
        self.sources[code] = source
        self.program.sources = self.sources
        if source is self.program.source:
            loaded.state = execute(self, context, State())
            return loaded
        recording, steps, active = self.recording, self.steps, self.active
        self.recording, self.steps, self.active = False, 0, []
        try:
            activation = self.solve(context, State())
            if activation.outcomes:
                loaded.state = activation.outcomes[0].state.copy()
                for outcome in activation.outcomes[1:]:
                    loaded.state.join(outcome.state)
        except OverBudget:
            self.program.degraded.append(source.path)
        finally:
            self.recording, self.steps, self.active = recording, steps, active
        return loaded

    def forget(self) -> None:
        """Start over: what was learnt of the code stays, what was solved and recorded goes."""
        self._memo.clear()
        self.dropped.clear()
        self.born.clear()
        self.steps = 0

    def learn(self, identity: object, what: str) -> None:
        """Remember, for the whole file, how something unknown is used."""
        known = self.evidence.setdefault(identity, set())
        if what not in known:
            known.add(what)
            self.grew = True
            if not _is_local(identity):
                self.grew_shared = True

    def is_file_scope(self, scope: int) -> bool:
        return scope in self.scopes

    def star_imported(self, scope: int) -> bool:
        """Whether a name of the file may come from a star import that cannot be followed."""
        return scope in self.scopes and self.scopes[scope].open_star

    def scope_key(self, scope: int) -> Context:
        """The identity on which unknown names of a scope hang."""
        loaded = self.scopes.get(scope)
        return loaded.context if loaded is not None else next(iter(self.scopes.values())).context

    def note_global(self, variable: Variable, value: Value) -> bool:
        """Remember, whatever the order of execution, what a name of a file may hold.

        True where that says it all: a function, a class or an import, and the only thing the name ever holds.
        """
        known = self.globals.get(variable)
        joined = self.globals[variable] = value if known is None else v.join(known, value)
        return joined == value and all(
            isinstance(atom, (v.Func, v.Cls, v.Ext, v.File)) and getattr(atom, "owner", None) is None for atom in value
        )

    def lookup(self, code: Code, name: str) -> str | Class | Code | None:
        """What a dotted name means in a code object, seen from the names of its file."""
        at = code
        while at.parent is not None:
            at = at.parent
        first, *rest = name.split(".")
        value = self.globals.get(ev.Variable(at.scope, first))
        atom = None if value is None else v.single(value)
        for step in rest:
            if isinstance(atom, v.File):
                value = self.globals.get(ev.Variable(atom.scope, step))
                atom = None if value is None else v.single(value)
            elif isinstance(atom, v.Ext):
                atom = v.Ext(f"{atom.name}.{step}")
            else:
                return None
        match atom:
            case v.Ext(qualified):
                return qualified
            case v.Cls(cls):
                return cls
            case v.Func(found, _, _, _):
                return found
            case _:
                return None

    def matters(self, code: Code) -> bool:
        """Whether the file of a code object can hold anything of the protocol at all, by its words."""
        at = code
        while at.parent is not None:
            at = at.parent
        known = self._matters.get(at)
        if known is None:
            loaded = self.scopes.get(at.scope)
            text = loaded.source.text if loaded is not None else ""
            known = self._matters[at] = loaded is None or any(word in text for word in _WORDS)
        return known

    def is_plain(self, code: Code) -> bool:
        """Whether neither a code object nor what it calls names anything of the protocol."""
        known = self._plain.get(code)
        if known is None:
            known = self._plain[code] = plain(code, self.lookup)
        return known

    def own_scopes(self, code: Code) -> frozenset[int]:
        """The scope of a code object and those of its comprehensions."""
        known = self._scopes.get(code)
        if known is None:
            around = set()
            at = code.parent
            while at is not None:
                around.add(at.scope)
                at = at.parent
            stored = {e.variable.scope for b in code.blocks for e in b.events if isinstance(e, ev.Store)}
            known = self._scopes[code] = frozenset({code.scope} | (stored - around))
        return known

    def reads(self, code: Code) -> frozenset[str]:
        """The names of a code's own scope that the codes inside it read."""
        known = self._reads.get(code)
        if known is None:
            names: set[str] = set()
            pending = list(code.codes)
            while pending:
                at = pending.pop()
                pending += at.codes
                for block in at.blocks:
                    for event in block.events:
                        if isinstance(event, (ev.Load, ev.Store)) and event.variable.scope == code.scope:
                            names.add(event.variable.name)
            known = self._reads[code] = frozenset(names)
        return known

    def may_enter(self, context: Context, code: Code) -> bool:
        return context.depth < MAX_DEPTH and all(at.code is not code for at in context.chain())

    def solve(self, context: Context, entry: State, start: Block | None = None, to_yield: bool = False) -> Activation:
        """The fixpoint of a code object from `entry`; `to_yield` stops at each yield."""
        start = context.code.entry if start is None else start
        known = self._memo.setdefault((context, start, to_yield), [])
        for activation in known:
            if activation.entry.same(entry):
                if self.active:
                    self.active[-1].made |= activation.made
                if self.recording:
                    self.record(activation)
                return activation
        activation = Activation(context, entry.copy(), start, to_yield)
        was = self.recording
        self.recording = False
        self.visited.add(context.code)
        self._fixpoint(activation)
        self.recording = was
        if len(known) >= MAX_MEMO:
            del known[0]
        known.append(activation)
        if self.recording:
            self.record(activation)
        return activation

    def record(self, activation: Activation) -> None:
        """The second pass: interpret each solved block once more and record what is seen."""
        if activation.recorded:
            return
        activation.recorded = True
        self.active.append(activation)
        for block in list(activation.table):
            for state in list(activation.table[block]):
                for _ in self._run_block(activation, block, state):
                    pass
        self.active.pop()

    def _fixpoint(self, activation: Activation) -> None:
        queue: list[tuple[int, int]] = []
        blocks = {block.number: block for block in activation.context.code.blocks}
        first = activation.entry.copy()
        first.loops = dict.fromkeys(activation.start.loops, 0)
        self._arrive(activation, activation.start, first, queue)
        self.active.append(activation)
        while queue:
            number, index = heapq.heappop(queue)
            block = blocks[number]
            state = activation.table[block][index]
            for target, after in self._run_block(activation, block, state):
                self._arrive(activation, target, after, queue)
        self.active.pop()
        if self.active:
            self.active[-1].made |= activation.made

    def _arrive(self, activation: Activation, block: Block, state: State, queue: list[tuple[int, int]]) -> None:
        """A state reaches a block: join a partition, or open one; queue it if it says anything new."""
        states = activation.table.setdefault(block, [])
        signatures = activation.signatures.setdefault(block, [])
        signature = state.signature()
        if signature in signatures:
            index = signatures.index(signature)
        elif len(states) < MAX_PARTITIONS:
            states.append(state)
            signatures.append(signature)
            heapq.heappush(queue, (block.number, len(states) - 1))
            return
        else:
            turns = frozenset(state.loops.items())
            index = next((i for i, one in enumerate(states) if frozenset(one.loops.items()) == turns), len(states) - 1)
        if states[index].join(state):
            signatures[index] = states[index].signature()
            if (block.number, index) not in queue:
                heapq.heappush(queue, (block.number, index))

    def _run_block(self, activation: Activation, block: Block, entry: State) -> Iterator[tuple[Block, State]]:
        scope = activation.context.code.scope
        frames = [Frame(self, activation.context, entry.copy())]
        frames[0].guarded = self.recording and branches.guarded(frames[0], block)
        # leaving a with block does not fail: only the state after it reaches a handler
        if block.handlers and not (block.events and isinstance(block.events[0], ev.Leave)):
            for handler in block.handlers:
                yield handler, _moved(entry.copy(), block, handler, scope)
        for event in block.events:
            self.steps += len(frames)
            self.spent += len(frames)
            if self.steps > MAX_STEPS or self.spent > MAX_FILE_STEPS:
                raise OverBudget
            if activation.to_yield and isinstance(event, ev.Yield):
                after = block.successors()[0] if block.successors() else None
                for frame in frames:
                    self._leave(activation, Outcome(frame.state, frame.get(event.src), after))
                return
            running = []
            for frame in frames:
                transfer.step(frame, event)
                running += [one for one in (frame, *frame.forks) if not one.dead]
                frame.forks = []
            frames = running if len(running) <= MAX_FRAMES else _merged(running)
        shared = activation.context.code.shared
        for frame in frames:
            for register, value in frame.regs.items():
                if register in shared:
                    frame.state.env[activation.context.code.scope, register] = value
            if block.handlers:
                for handler in block.handlers:
                    yield handler, _moved(frame.state.copy(), block, handler, scope)
            if isinstance(block.end, cfg.Return):
                value = v.NONE if block.end.value is None else frame.get(block.end.value)
                tracking.keep(frame, value)
                self._leave(activation, Outcome(frame.state, value))
                continue
            for target, state in branches.ways(frame, block):
                yield target, _moved(state, block, target, scope)

    def _leave(self, activation: Activation, outcome: Outcome) -> None:
        outcome.state.loops = {}
        if self.recording:
            return
        signature = outcome.state.signature()
        for known in activation.outcomes:
            if known.block is outcome.block and known.state.signature() == signature:
                known.join(outcome)
                return
        if len(activation.outcomes) < MAX_OUTCOMES:
            activation.outcomes.append(outcome)
        else:
            last = next((o for o in reversed(activation.outcomes) if o.block is outcome.block), None)
            if last is not None:
                last.join(outcome)


def _is_local(identity: object) -> bool:
    """Whether only one root can speak of it: what a root was given or made."""
    while isinstance(identity, v.Path):
        identity = identity.base
    if isinstance(identity, v.Site):
        return next(iter(reversed(list(identity.context.chain())))).code.kind != "file"
    return isinstance(identity, Context) and identity.code.kind != "file"


def _moved(state: State, source: Block, target: Block, scope: int) -> State:
    """The state on the edge: which turn of each loop around the target this is."""
    loops: dict[Block, int] = {}
    for head in target.loops:
        turn = state.loops.get(head, 0)
        if head is target:
            turn = min(turn + 1, branches.last_turn(state, head, scope)) if head in source.loops else 0
        loops[head] = turn
    state.loops = loops
    return state


def _merged(frames: list[Frame]) -> list[Frame]:
    """As many frames as signatures, or one."""
    by_signature: dict[tuple[object, ...], Frame] = {}
    for frame in frames:
        signature = frame.state.signature()
        kept = by_signature.get(signature)
        if kept is None and len(by_signature) >= MAX_FRAMES:
            kept = next(iter(by_signature.values()))
        if kept is None:
            by_signature[signature] = frame
            continue
        kept.state.join(frame.state)
        for register, value in frame.regs.items():
            kept.regs[register] = v.join(kept.regs.get(register, v.EMPTY), value)
    return list(by_signature.values())
