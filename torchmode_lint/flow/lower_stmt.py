"""Statements that steer: if, loops, return, raise, assert, and expressions on their own."""

from __future__ import annotations

import libcst as cst

from torchmode_lint.flow import events as ev
from torchmode_lint.flow.build import Builder, CleanupFrame, LoopFrame
from torchmode_lint.flow.cfg import Next, Raise, Return
from torchmode_lint.flow.dispatch import STATEMENTS, expression, suite
from torchmode_lint.flow.lower_assign import assign
from torchmode_lint.flow.lower_bool import condition, copy
from torchmode_lint.flow.lower_expr import constant


def _if(b: Builder, node: cst.If) -> None:
    after = b.fresh()
    branch: cst.If | cst.Else | None = node
    while isinstance(branch, cst.If):
        then = b.fresh()
        otherwise = after if branch.orelse is None else b.fresh()
        condition(b, branch.test, then, otherwise)
        b.block = then
        suite(b, branch.body)
        b.go(after, otherwise)
        branch = branch.orelse
    if branch is not None:
        suite(b, branch.body)
        b.go(after)


def _while(b: Builder, node: cst.While) -> None:
    after = b.fresh()
    done = after if node.orelse is None else b.fresh()
    head = b.fresh()
    b.go(head)
    with b.loop(head):
        body = b.fresh()
        condition(b, node.test, body, done)
        b.block = body
        b.frames.append(LoopFrame(after, head))
        suite(b, node.body)
        b.frames.pop()
        b.go(head, done)
    if node.orelse is not None:
        suite(b, node.orelse.body)
        b.go(after)


def _for(b: Builder, node: cst.For) -> None:
    src = expression(b, node.iter)
    iterator, element = b.register(), b.register()
    b.emit(ev.Iterate(b.index(), node, iterator, src))
    after = b.fresh()
    done = after if node.orelse is None else b.fresh()
    head = b.fresh()
    b.go(head)
    with b.loop(head):
        body = b.fresh()
        b.end(Next(iterator, element, body, done), body)
        assign(b, node.target, element)
        b.frames.append(LoopFrame(after, head))
        suite(b, node.body)
        b.frames.pop()
        b.go(head, done)
    if node.orelse is not None:
        suite(b, node.orelse.body)
        b.go(after)


def _return(b: Builder, node: cst.Return) -> None:
    value = None if node.value is None else expression(b, node.value)
    if not any(isinstance(frame, CleanupFrame) for frame in b.frames):
        b.end(Return(value))
        return
    if b.returned is None:
        b.returned = b.register()
    copy(b, node, b.returned, constant(b, node, None) if value is None else value)
    b.leave("return")


def _raise(b: Builder, node: cst.Raise) -> None:
    value = None if node.exc is None else expression(b, node.exc)
    if node.cause is not None:
        expression(b, node.cause.item)
    b.end(Raise(value))


def _assert(b: Builder, node: cst.Assert) -> None:
    holds, fails = b.fresh(), b.fresh()
    condition(b, node.test, holds, fails)
    b.block = fails
    if node.msg is not None:
        expression(b, node.msg)
    b.end(Raise(None), holds)


def _expression_statement(b: Builder, node: cst.Expr) -> None:
    value = node.value
    while isinstance(value, cst.ConcatenatedString) and isinstance(value.left, cst.SimpleString):
        value = value.right
    if not isinstance(value, cst.SimpleString | cst.Ellipsis):  # a docstring, or `...`
        src = expression(b, node.value)
        b.emit(ev.Discard(b.index(), node, src))


def _nothing(b: Builder, node: cst.Pass) -> None:
    pass


STATEMENTS.update(
    {
        cst.If: _if,
        cst.While: _while,
        cst.For: _for,
        cst.Return: _return,
        cst.Raise: _raise,
        cst.Assert: _assert,
        cst.Expr: _expression_statement,
        cst.Pass: _nothing,
        cst.Break: lambda b, node: b.leave("break"),
        cst.Continue: lambda b, node: b.leave("continue"),
    }
)
