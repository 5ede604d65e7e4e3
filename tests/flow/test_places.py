"""Places of nodes: written out one statement at a time, they are those that libcst gives for the whole file."""

from __future__ import annotations

import random
from pathlib import Path

import libcst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider

from commands import ROOT
from torchmode_lint.diagnostic import Span
from torchmode_lint.flow.places import parents
from torchmode_lint.source import SourceFile, parse_source

ODD = """\
# a comment


@first
# between
@second(
    1
)

# before
class A: x = 1; y = {2: 3}
a = 1; b = f(2); c = 3;
if a: b
else: c
'''text
over lines''' ; d = 1
async def f():

    # inside
    async with g(a) as h: pass
"""


def everywhere(source: SourceFile) -> dict[libcst.CSTNode, Span]:
    """What libcst says of all nodes of a file that events may come from."""
    places = MetadataWrapper(source.tree, unsafe_skip_copy=True).resolve(PositionProvider)
    return {
        node: Span(source.path, at.start.line, at.start.column + 1, at.end.line, at.end.column + 1)
        for node, at in places.items()
        if isinstance(node, libcst.BaseExpression | libcst.BaseSmallStatement | libcst.BaseCompoundStatement)
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("before", ["", "\n\n", "#!\n"])
def test_in_any_order(before: str, end: str) -> None:
    source = parse_source((before + ODD).replace("\n", end).encode(), "a.py")
    wanted = everywhere(source)
    nodes = list(wanted)
    random.Random(3).shuffle(nodes)
    assert len(nodes) > 20
    assert [source.span(node) for node in nodes] == [wanted[node] for node in nodes]


def test_where_pythons_parser_refuses_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str) -> None:
        raise SyntaxError

    monkeypatch.setattr("ast.parse", refuse)
    source = parse_source(ODD.encode(), "a.py")
    wanted = everywhere(source)
    assert {node: source.span(node) for node in wanted} == wanted


@pytest.mark.parametrize("path", sorted((ROOT / "torchmode_lint" / "flow").glob("l*.py")), ids=lambda path: path.name)
def test_within_a_function(path: Path) -> None:
    source = parse_source(path.read_bytes(), "a.py")
    wanted = everywhere(source)
    asked = 0
    for code in reversed(list(source.code.walk())):
        for node in {event.node for block in code.blocks for event in block.events}:
            if node in wanted:
                asked += 1
                assert source.span(node, code) == wanted[node]
    assert asked > 50


def test_each_node_is_a_child_of_its_parent() -> None:
    tree = parse_source(ODD.encode(), "a.py").tree
    wanted = {}
    pending: list[libcst.CSTNode] = [tree]
    while pending:
        node = pending.pop()
        wanted.update(dict.fromkeys(node.children, node))
        pending += node.children
    assert parents(tree) == wanted
