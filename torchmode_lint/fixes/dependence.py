"""What depends on what among the statements of a suite, by the names that they read and bind.

A statement that has a suite of its own counts as one: it reads and binds what anything in it does.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from torchmode_lint.fixes.syntax import bound, read, targets


def made_of(suite: Sequence[cst.BaseStatement], source: cst.BaseStatement) -> set[str]:
    """The names that are bound, by one statement of a suite or after it, to something that is made of its results."""
    names: set[str] = set()
    for statement in suite[suite.index(source) :]:
        if statement is source or read(statement) & names:
            names |= bound(statement)
    return names


def needed_for(suite: Sequence[cst.BaseStatement], goal: cst.BaseStatement) -> set[str]:
    """The names that a statement needs from before the suite: it reads them, or what it reads is made of them."""
    names = read(goal)
    for statement in reversed(suite[: suite.index(goal)]):
        if bound(statement) & names:
            names = (names - bound(statement)) | read(statement)
    return names


def carried(loop: cst.For | cst.While, source: cst.BaseStatement, goal: cst.BaseStatement) -> set[str]:
    """The names by which what `source` makes in one turn of a loop gets into `goal` in the next one."""
    suite = [statement for statement in loop.body.body if isinstance(statement, cst.BaseStatement)]
    drawn = targets(loop.target) if isinstance(loop, cst.For) else set()
    return (made_of(suite, source) & needed_for(suite, goal)) - drawn
