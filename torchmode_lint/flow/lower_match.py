"""match: each pattern is a chain of tests that leads on, or to the next case.

Not modelled: the order in which Python may reuse the results of the same test in several cases, and how
much of a sequence each part of its pattern takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

from torchmode_lint.flow import events as ev
from torchmode_lint.flow.build import Builder
from torchmode_lint.flow.cfg import Block, Branch
from torchmode_lint.flow.dispatch import STATEMENTS, expression, suite
from torchmode_lint.flow.events import Register
from torchmode_lint.flow.lower_assign import assign
from torchmode_lint.flow.lower_bool import condition


def _match(b: Builder, node: cst.Match) -> None:
    subject = expression(b, node.subject)
    after = b.fresh()
    for case in node.cases:
        other = b.fresh()
        _pattern(b, case.pattern, subject, other)
        if case.guard is not None:
            passed = b.fresh()
            condition(b, case.guard, passed, other)
            b.block = passed
        suite(b, case.body)
        b.go(after, other)
    b.go(after)


def _pattern(b: Builder, node: cst.CSTNode, src: Register, fail: Block) -> None:
    """Goes on where `src` matches and to `fail` where it does not."""
    _PATTERNS[type(node)](b, node, src, fail)


def _branch(b: Builder, truth: Register, fail: Block) -> None:
    matched = b.fresh()
    b.end(Branch(truth, matched, fail), matched)


def _value(b: Builder, node: cst.MatchValue | cst.MatchSingleton, src: Register, fail: Block) -> None:
    value = expression(b, node.value)
    truth = b.register()
    operator = "==" if isinstance(node, cst.MatchValue) else "is"
    b.emit(ev.Compare(b.index(), node, truth, operator, src, value))
    _branch(b, truth, fail)


def _test(b: Builder, node: cst.CSTNode, src: Register, fail: Block) -> None:
    truth = b.register()
    b.emit(ev.Test(b.index(), node, truth, src))
    _branch(b, truth, fail)


def _part(b: Builder, node: cst.CSTNode, src: Register) -> Register:
    part = b.register()
    b.emit(ev.Part(b.index(), node, part, src))
    return part


def _sequence(b: Builder, node: cst.MatchList | cst.MatchTuple, src: Register, fail: Block) -> None:
    _test(b, node, src, fail)
    for element in node.patterns:
        if isinstance(element, cst.MatchStar):
            if element.name is not None:
                assign(b, element.name, _part(b, element, src))
        else:
            _inside(b, element.value, src, fail)


def _inside(b: Builder, node: cst.MatchPattern, src: Register, fail: Block) -> None:
    """A pattern for some part of `src`; a wildcard takes none."""
    if not (isinstance(node, cst.MatchAs) and node.pattern is None and node.name is None):
        _pattern(b, node, _part(b, node, src), fail)


def _mapping(b: Builder, node: cst.MatchMapping, src: Register, fail: Block) -> None:
    _test(b, node, src, fail)
    for element in node.elements:
        _inside(b, element.pattern, src, fail)
    if node.rest is not None:
        assign(b, node.rest, _part(b, node.rest, src))


def _class(b: Builder, node: cst.MatchClass, src: Register, fail: Block) -> None:
    expression(b, node.cls)
    _test(b, node, src, fail)
    for element in node.patterns:
        _inside(b, element.value, src, fail)
    for keyword in node.kwds:
        part = b.register()
        b.emit(ev.Attribute(b.index(), keyword, part, src, keyword.key.value))
        _pattern(b, keyword.pattern, part, fail)


def _as(b: Builder, node: cst.MatchAs, src: Register, fail: Block) -> None:
    if node.pattern is not None:
        _pattern(b, node.pattern, src, fail)
    if node.name is not None:
        assign(b, node.name, src)


def _or(b: Builder, node: cst.MatchOr, src: Register, fail: Block) -> None:
    matched = b.fresh()
    last = len(node.patterns) - 1
    for position, choice in enumerate(node.patterns):
        other = fail if position == last else b.fresh()
        _pattern(b, choice.pattern, src, other)
        b.go(matched, other)
    b.block = matched


_PATTERNS: dict[type[cst.CSTNode], Callable[[Builder, Any, Register, Block], None]] = {
    cst.MatchValue: _value,
    cst.MatchSingleton: _value,
    cst.MatchList: _sequence,
    cst.MatchTuple: _sequence,
    cst.MatchMapping: _mapping,
    cst.MatchClass: _class,
    cst.MatchAs: _as,
    cst.MatchOr: _or,
}

STATEMENTS[cst.Match] = _match
