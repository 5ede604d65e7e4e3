"""The pen that lowering draws a CFG with: the open block, what surrounds it, and the ways out of it.

A builder belongs to one `Code`. There is always an open block; after a jump out (`return`, `break`) it
is one without predecessors, so that dead statements still bind their names; `finish` drops such blocks.

The frames are the loops, with blocks and `finally` clauses around the open block, outermost first. A
`return` or `break` goes through them by `exit`, which makes one copy of each frame's cleanup for each
kind of exit, shared by all statements that leave that way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torchmode_lint.flow.cfg import Block, Code, Jump, Return, Terminator
from torchmode_lint.flow.shared import shared_registers
from torchmode_lint.flow.tidy import tidy

if TYPE_CHECKING:
    from torchmode_lint.flow.events import Event, Register, Variable
    from torchmode_lint.flow.lower import Lowering, Part
    from torchmode_lint.flow.scopes import Scope


class LoopFrame:
    """Where `break` and `continue` go."""

    __slots__ = ("targets",)

    def __init__(self, after: Block, head: Block) -> None:
        self.targets = {"break": after, "continue": head}


class CleanupFrame:
    """A with block or a `finally`: `cleanup` lowers what runs on the way out, in the surroundings kept here."""

    __slots__ = ("cleanup", "copies", "handlers", "loops")

    def __init__(self, cleanup: Callable[[], None], builder: Builder) -> None:
        self.cleanup = cleanup
        self.handlers = builder.handlers
        self.loops = builder.loops
        self.copies: dict[str, Block] = {}


class Builder:
    __slots__ = (
        "block",
        "cleanups",
        "code",
        "exit_block",
        "file",
        "frames",
        "handlers",
        "loops",
        "part",
        "registers",
        "returned",
        "scope",
    )

    def __init__(self, code: Code, scope: Scope, file: Lowering, part: Part) -> None:
        self.code = code
        self.scope = scope
        self.file = file
        self.part = part
        self.handlers: tuple[Block, ...] = ()
        self.loops: tuple[Block, ...] = ()
        self.frames: list[LoopFrame | CleanupFrame] = []
        self.cleanups = 0  # how many `finally` bodies are being lowered around here
        self.registers = 0
        self.returned: Register | None = None  # holds the value on its way through cleanups
        self.exit_block: Block | None = None
        self.block = self.fresh()
        code.blocks.append(self.block)  # the entry, until `finish` knows all blocks

    def register(self) -> Register:
        self.registers += 1
        return self.registers - 1

    def index(self) -> int:
        self.part.events += 1
        return self.part.events - 1

    def emit(self, event: Event) -> None:
        self.block.events.append(event)

    def use(self, name: str) -> Variable:
        return self.scope.use(name)

    def bind(self, name: str) -> Variable:
        return self.scope.bind(name)

    def fresh(self) -> Block:
        """A block in the present surroundings, not yet reached from anywhere."""
        return Block(-1, [], None, self.handlers, self.loops)

    def end(self, end: Terminator, then: Block | None = None) -> None:
        """Ends the open block; the next events go to `then`, or to a block nobody reaches."""
        self.block.end = end
        self.block = self.fresh() if then is None else then

    def go(self, target: Block, then: Block | None = None) -> None:
        """Jumps to `target` and goes on there, or in `then`."""
        self.block.end = Jump(target)
        self.block = target if then is None else then

    def proceed(self) -> None:
        """Goes on in a new block, because the surroundings have changed."""
        self.go(self.fresh())

    @contextmanager
    def loop(self, head: Block) -> Iterator[None]:
        """The surroundings inside a loop; `head` itself is inside."""
        outer = self.loops
        head.loops = self.loops = (*outer, head)
        yield
        self.loops = outer

    @contextmanager
    def guarded(self, handlers: tuple[Block, ...]) -> Iterator[None]:
        """The surroundings where exceptions go to `handlers`."""
        outer = self.handlers
        self.handlers = handlers
        yield
        self.handlers = outer

    def leave(self, kind: str) -> None:
        """`return` (the value is in `returned`), `break` or `continue` from the open block."""
        self.go(self._exit(kind, len(self.frames)), self.fresh())

    def _exit(self, kind: str, depth: int) -> Block:
        """Where a jump of this kind goes from inside the first `depth` frames."""
        for position in range(depth - 1, -1, -1):
            frame = self.frames[position]
            if isinstance(frame, CleanupFrame):
                return frame.copies.get(kind) or self._cleanup_copy(kind, frame, position)
            if kind in frame.targets:
                return frame.targets[kind]
        if kind != "return":
            return Block(-1, [], Return(None))  # a break outside any loop: Python refuses such a file
        if self.exit_block is None:
            self.exit_block = Block(-1, [], Return(self.returned))
        return self.exit_block

    def _cleanup_copy(self, kind: str, frame: CleanupFrame, position: int) -> Block:
        present = self.block, self.frames, self.handlers, self.loops
        self.frames, self.handlers, self.loops = self.frames[:position], frame.handlers, frame.loops
        frame.copies[kind] = self.block = self.fresh()
        frame.cleanup()
        self.leave(kind)
        self.block, self.frames, self.handlers, self.loops = present
        return frame.copies[kind]

    def finish(self) -> None:
        """Ends the code where it falls off its end, and numbers the blocks that can be reached."""
        self.end(Return(None))
        self.code.blocks = tidy(self.code.blocks[0])
        self.code.shared = shared_registers(self.code)
