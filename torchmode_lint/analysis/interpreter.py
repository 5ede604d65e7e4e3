"""The fixpoint: code objects are interpreted block by block, per calling context, until nothing changes.

A state that reaches a block joins the one partition of that block with the same signature, or opens a
new one, up to a bound. After the fixpoint a second pass over the solved blocks records what rules read,
so that no observation comes from a state that was still growing.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchmode_lint.analysis import branches, partitions, tracking, transfer
from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.activations import Activation, Outcome
from torchmode_lint.analysis.budget import Budget, OverBudget, TooLong
from torchmode_lint.analysis.codes import Codes
from torchmode_lint.analysis.frame import Frame
from torchmode_lint.analysis.loader import Loaded
from torchmode_lint.analysis.program import Program
from torchmode_lint.analysis.state import State
from torchmode_lint.analysis.values import Context, Site
from torchmode_lint.flow import cfg
from torchmode_lint.flow import events as ev
from torchmode_lint.flow.shared import spent_registers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torchmode_lint.analysis.classes import Class
    from torchmode_lint.analysis.loader import Loader
    from torchmode_lint.analysis.sights import Watch
    from torchmode_lint.flow.cfg import Block, Code
    from torchmode_lint.flow.events import Call, Register
    from torchmode_lint.source import SourceFile

MAX_PARTITIONS = 8
MAX_OUTCOMES = 4
MAX_DEPTH = 10
LARGE = 150  # names, objects and attributes: from there on an event costs more than one step
LONG = 100  # events of a block
MAX_MEMO = 12
MAX_SOLVED = 60  # of a code that makes no move of the protocol itself, in one root


@dataclass(frozen=True, slots=True)
class Made:
    """What a constructor left: the state, None where there is none, and what was learnt and asked on the way."""

    state: State | None
    shows: bool
    born: frozenset[Site]
    carriers: frozenset[v.Identity]
    asked: frozenset[tuple[object, str]]


class Interpreter(Codes):
    """Everything that outlives a single root of the analysis of one file."""

    def __init__(self, program: Program, loader: Loader) -> None:
        super().__init__(loader)
        self.program = program
        self.recording = False
        self.watch: Watch | None = None  # is told of each event, in the recording pass
        self.shows = False  # whether this root has come to anything that can be recorded, or hangs on a forward
        self.body_shows = False
        self.budget = Budget()
        self.lazy = False  # an imported file: what it imports itself is read when somebody asks for it
        self.born: set[Site] = set()
        self.visited: set[Code] = set()
        self.costly: set[Code] = set()  # roots that were given up, which another round would not find cheaper
        self._evidence: dict[object, set[str]] = {}
        self._asked: set[tuple[object, str]] = set()  # what was to be known of whom, in this root
        self._asked_ever: set[tuple[object, str]] = set()
        self.grew = False
        self.grew_shared = False
        self.owners: dict[tuple[object, Context], frozenset[v.Identity]] = {}
        self.handed: set[v.Identity] = set()
        self.given_parameters: dict[v.Identity, frozenset[v.Identity]] = {}  # what was made of whose parameters
        self.dropped: dict[tuple[Context, int], tuple[str, bool]] = {}
        self.carriers: set[v.Identity] = set()  # what cannot be seen into and holds a model or an optimizer
        self.active: list[Activation] = []
        self.solved: Counter[Code] = Counter()
        self.made: dict[tuple[Class, int], Made] = {}  # by the class and the state that its constructor started from
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

    def open(self, source: SourceFile, path: Path) -> Loaded:
        """Make a file the one whose body is interpreted here."""
        context = self.enter(None, None, source.code)
        file, scope = source.code, source.code.scope
        self.globals.hides = lambda name: name.scope == scope
        self.class_of.hides = self.defaults.hides = self.classes.hides = lambda code: code.file is file
        self.main = Loaded(source, path, context, self.globals)
        self.scopes[source.code.scope] = self.main
        self.sources[source.code] = source
        self.program.sources = self.sources
        return self.main

    def forget(self) -> None:
        """Start over: what was learnt of the code stays, what was solved and recorded goes."""
        self._memo.clear()
        self.dropped.clear()
        self.carriers.clear()
        self.born.clear()
        self.solved.clear()
        self._asked.clear()
        self.shows = self.body_shows
        self.budget.begin()

    def show(self, *, sure: bool = True) -> None:
        """There is something to record: `sure`ly a move of the protocol."""
        self.shows = True
        if sure:
            self.budget.come_to_something()

    def learn(self, identity: object, what: str) -> None:
        """Remember, for the whole file, how something unknown is used; that counts as new where somebody has asked."""
        known = self._evidence.setdefault(identity, set())
        if what not in known:
            known.add(what)
            self.grew = self.grew or (identity, what) in self._asked
            if (identity, what) in self._asked_ever and not _is_local(identity):
                self.grew_shared = True

    def knows(self, identity: object, what: str) -> bool:
        """Whether something unknown was seen to be used like that."""
        if what in self._evidence.get(identity, ()):
            return True
        self._asked.add((identity, what))
        self._asked_ever.add((identity, what))
        return False

    def given(self, state: State | None) -> Made:
        """What has been found out since the last `forget`, to be taken up in another root."""
        return Made(state, self.shows, frozenset(self.born), frozenset(self.carriers), frozenset(self._asked))

    def take(self, made: Made) -> None:
        """Go on from what another root has found out."""
        self.shows = self.shows or made.shows
        self.born |= made.born
        self.carriers |= made.carriers
        self._asked |= made.asked

    def may_enter(self, context: Context, code: Code) -> bool:
        """Whether a call is interpreted: not too deep, not recursive, and for an imported body only so much."""
        if self.budget.spent > self.budget.calls_until:
            return False
        *through, root = (at.code for at in context.chain())
        if root.kind != "file" and self.budget.refuses(code, through):
            raise OverBudget
        if self.solved[code] > MAX_SOLVED and not self.moves(code):
            return False
        return context.depth < MAX_DEPTH and code is not root and code not in through

    def solve(self, context: Context, entry: State, start: Block | None = None, to_yield: bool = False) -> Activation:
        """The fixpoint of a code object from `entry`; `to_yield` stops at each yield."""
        start = context.code.entry if start is None else start
        known = self._memo.setdefault((context, start, to_yield), [])
        found = self._found(known, entry)
        if found is not None:
            return found
        was = self.recording
        self.recording = False
        self.visited.add(context.code)
        earlier = next((one for one in known if one.may_grow(entry)), None)
        activation = earlier or Activation(context, entry.copy(), start, to_yield)
        activation.began = self.budget.steps
        if earlier is None:
            self.solved[context.code] += 1
            self._fixpoint(activation)
            if len(known) >= MAX_MEMO:
                del known[0]
            known.append(activation)
        elif activation.entry.join(entry):
            activation.recorded = False
            self._fixpoint(activation)
        elif self.active:
            self.active[-1].made |= activation.made
        self.recording = was
        if self.recording:
            self.record(activation)
        return activation

    def solve_aside(self, context: Context, entry: State) -> Activation | None:
        """`solve` where neither the code nor what it calls names the protocol, None where that takes too long.

        What little such code does may matter, as that it applies a module. But most of all events would be of code that
        plans, counts or configures, and what it takes would be missing elsewhere.
        """
        code = context.code
        if code in self.budget.too_long:
            return self._found(self._memo.get((context, code.entry, False), []), entry)
        if self.recording or self.budget.is_aside:
            return self.solve(context, entry)
        depth, visited = len(self.active), set(self.visited)
        try:
            with self.budget.aside(code):
                return self.solve(context, entry)
        except TooLong:
            for unsolved in self.active[depth:]:
                known = self._memo[unsolved.context, unsolved.start, unsolved.to_yield]
                if unsolved in known:
                    known.remove(unsolved)
            del self.active[depth:]
            self.visited = visited  # what was called from here is still to be looked at
            return None

    def _found(self, known: list[Activation], entry: State) -> Activation | None:
        """What was solved from the same state before."""
        for activation in known:
            if activation.entry.same(entry):
                if self.active:
                    self.active[-1].made |= activation.made
                if self.recording:
                    self.record(activation)
                return activation
        return None

    def record(self, activation: Activation) -> None:
        """The second pass: interpret each solved block once more and record what is seen, if there is anything."""
        if activation.recorded or not (activation.shows or self.watch):
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
        activation.shows = self.shows
        if self.active:
            self.active[-1].made |= activation.made

    def _arrive(self, activation: Activation, block: Block, state: State, queue: list[tuple[int, int]]) -> None:
        """A state reaches a block: join a partition, or open one; queue it if it says anything new."""
        states = activation.table.setdefault(block, [])
        signatures = activation.signatures.setdefault(block, [])
        signature = state.signature()
        same = signature in signatures
        if same:
            index = signatures.index(signature)
        elif len(states) < MAX_PARTITIONS or (
            len(states) < 2 * MAX_PARTITIONS
            and all(one.turns != signature.turns or one.heap != signature.heap for one in signatures)
        ):
            states.append(state)
            signatures.append(signature)
            heapq.heappush(queue, (block.number, len(states) - 1))
            return
        else:
            index = partitions.nearest(signatures, signature)
        if states[index].join(state):
            if not same:
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
        frames = self._run_events(activation, block, frames, 1 + (entry.size() // LARGE) ** 2)
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

    def _run_events(self, activation: Activation, block: Block, frames: list[Frame], weight: int) -> list[Frame]:
        """The paths after all events of a block, each of which costs `weight`; none where it stops at a yield."""
        watch = self.watch if self.recording else None
        spent = _spent(activation.context.code, block)
        for at, event in enumerate(block.events):
            self.budget.take(weight * len(frames))
            if activation.to_yield and isinstance(event, ev.Yield):
                after = block.successors()[0] if block.successors() else None
                for frame in frames:
                    self._leave(activation, Outcome(frame.state, frame.get(event.src), after))
                return []
            for frame in frames:
                if watch is not None:
                    watch.see(frame, event)
                transfer.step(frame, event)
                for register in spent.get(at, ()):
                    frame.regs.pop(register, None)
            if any(frame.forks or frame.dead for frame in frames):
                running = [one for frame in frames for one in (frame, *frame.forks) if not one.dead]
                for frame in frames:
                    frame.forks = []
                frames = running if len(running) <= partitions.MAX_FRAMES else partitions.merged(running)
        return frames

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


def _spent(code: Code, block: Block) -> dict[int, list[Register]]:
    """The registers to give up on the way through a long block, of which each call in it looks through all."""
    if len(block.events) < LONG:
        return {}
    if block.spent is None:
        block.spent = spent_registers(block, code.shared)
    return block.spent


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
