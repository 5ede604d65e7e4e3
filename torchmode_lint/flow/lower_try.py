"""try and with: where exceptions go, and what runs on each way out.

Not modelled: which of several except clauses catches (an exception in the body goes to each of them,
and past them unless one catches everything), the unbinding of `except ... as name` on abrupt exits, and
abrupt exits through `finally` bodies nested deeper than `DEEPEST` in one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import libcst as cst

from torchmode_lint.flow import events as ev
from torchmode_lint.flow.annotations import dotted
from torchmode_lint.flow.build import Builder, CleanupFrame
from torchmode_lint.flow.cfg import Block, Branch, Raise, Suppress
from torchmode_lint.flow.dispatch import STATEMENTS, expression, suite
from torchmode_lint.flow.events import Register
from torchmode_lint.flow.lower_assign import assign, delete

DEEPEST = 3  # each level of `finally` inside `finally` multiplies the copies


def _try(b: Builder, node: cst.Try | cst.TryStar) -> None:
    if node.finalbody is None:
        _clauses(b, node)
        return
    body = node.finalbody.body

    def cleanup() -> None:
        b.cleanups += 1
        suite(b, body)
        b.cleanups -= 1

    if b.cleanups >= DEEPEST:
        _clauses(b, node)
        cleanup()
        return
    exceptional = b.fresh()
    after = b.fresh()
    frame = CleanupFrame(cleanup, b)
    b.frames.append(frame)
    b.handlers = (exceptional,)
    _clauses(b, node)
    b.frames.pop()
    b.handlers = frame.handlers
    b.proceed()
    cleanup()
    b.go(after, exceptional)
    cleanup()
    b.end(Raise(None), after)


def _clauses(b: Builder, node: cst.Try | cst.TryStar) -> None:
    """The body, else and except clauses; goes on where they end normally."""
    handlers: Sequence[cst.ExceptHandler | cst.ExceptStarHandler] = node.handlers
    heads = [b.fresh() for _ in handlers]
    after = b.fresh()
    uncaught = () if any(_catches_all(handler) for handler in handlers) else b.handlers
    with b.guarded((*heads, *uncaught)):
        b.proceed()
        suite(b, node.body)
    b.proceed()
    if node.orelse is not None:
        suite(b, node.orelse.body)
    b.go(after)
    for position, (head, handler) in enumerate(zip(heads, handlers, strict=True)):
        b.block = head
        caught = _clause(b, handler)
        if isinstance(handler, cst.ExceptStarHandler) and position + 1 < len(heads):
            rest = b.register()  # whether the group holds more, for the next clause
            b.emit(ev.Test(b.index(), handler, rest, caught))
            b.end(Branch(rest, heads[position + 1], after), after)
        else:
            b.go(after)


def _clause(b: Builder, handler: cst.ExceptHandler | cst.ExceptStarHandler) -> Register:
    kinds: list[cst.BaseExpression] = []
    if isinstance(handler.type, cst.Tuple):
        kinds = [element.value for element in handler.type.elements]
    elif handler.type is not None:
        kinds = [handler.type]
    types = tuple([expression(b, kind) for kind in kinds])
    caught = b.register()
    b.emit(ev.Caught(b.index(), handler, caught, types))
    if handler.name is not None:
        assign(b, handler.name.name, caught)
    suite(b, handler.body)
    if handler.name is not None:
        delete(b, handler.name.name)
    return caught


def _catches_all(handler: cst.ExceptHandler | cst.ExceptStarHandler) -> bool:
    if handler.type is None:
        return True
    names = [element.value for element in handler.type.elements] if isinstance(handler.type, cst.Tuple) else None
    return any(dotted(name) in ("BaseException", "builtins.BaseException") for name in names or [handler.type])


def _with(b: Builder, node: cst.With) -> None:
    opened: list[tuple[CleanupFrame, Block, Block, ev.Enter]] = []
    for item in node.items:
        manager = expression(b, item.item)
        entered = b.register()
        enter = ev.Enter(b.index(), item, entered, manager)
        b.emit(enter)
        exceptional, after = b.fresh(), b.fresh()
        frame = CleanupFrame(partial(_leave, b, enter), b)
        opened.append((frame, exceptional, after, enter))
        b.frames.append(frame)
        b.handlers = (exceptional,)
        b.proceed()
        if item.asname is not None:
            assign(b, item.asname.name, entered)
    suite(b, node.body)
    for frame, exceptional, after, enter in reversed(opened):
        b.frames.pop()
        b.handlers = frame.handlers
        b.proceed()
        _leave(b, enter)
        b.go(after, exceptional)
        _leave(b, enter)
        b.end(Suppress(enter, after), after)


def _leave(b: Builder, enter: ev.Enter) -> None:
    b.emit(ev.Leave(b.index(), enter.node, enter.manager, enter))


STATEMENTS.update({cst.Try: _try, cst.TryStar: _try, cst.With: _with})
