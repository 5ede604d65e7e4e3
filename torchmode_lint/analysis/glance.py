"""What a code object mentions: its names, and what it sets, found out without lowering it.

Of a function whose text is there, Python's own parser says it at a fraction of the cost of libcst's; of other code
objects, their events do. Whether a function has been lowered makes no difference to what is said of it.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchmode_lint.flow import events as ev
from torchmode_lint.python_parser import python_tree

if TYPE_CHECKING:
    from torchmode_lint.flow.cfg import Code

QUESTIONS = frozenset({"isinstance", "issubclass"})
_HEAD = "async def _():\n"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_DISPLAYS = (ast.Tuple, ast.List, ast.Set)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class Glance:
    """What a code object and those inside it mention.

    `names` are dotted, once for each time that they are read, and once more where they are called; `?` is whatever
    is no name. `asked` is how often a name only stands in a question, as in `isinstance(layer, nn.Conv2d)`. `writes`
    are the attributes set, `dropped` the last parts of the names of what is called by a statement of its own, `bound`
    the names that it binds itself. `size` is about the number of its events. `yields`: it is a generator.
    """

    names: tuple[tuple[str, bool], ...]
    asked: Counter[str]
    writes: frozenset[str]
    dropped: frozenset[str]
    bound: frozenset[str]
    size: int
    yields: bool

    @property
    def lasts(self) -> Iterator[str]:
        """The last parts of the names."""
        return (name.rpartition(".")[2] for name, _ in self.names)

    @property
    def called(self) -> Iterator[str]:
        """The names of what is called."""
        return (name for name, is_called in self.names if is_called)


def glance(code: Code) -> Glance:
    """What a code object mentions, found out once."""
    if code.glance is None:
        tree = python_tree(_HEAD + code.text) if code.text else None
        code.glance = _of_events(code) if tree is None else _of_tree(tree, {one.name for one in code.parameters})
    found = code.glance
    assert isinstance(found, Glance)
    return found


def dotted_names(code: Code) -> dict[int, str]:
    """The dotted names that the registers of a code object stand for; `?` is whatever is no name."""
    names: dict[int, str] = {}
    for block in code.blocks:
        for event in block.events:
            match event:
                case ev.Load(dst=dst, variable=variable):
                    names[dst] = variable.name
                case ev.Attribute(dst=dst, obj=obj, name=name):
                    names[dst] = f"{names.get(obj, '?')}.{name}"
                case ev.Copy(dst=dst, src=src) if src in names:
                    names[dst] = names[src]
    return names


def _of_events(code: Code) -> Glance:
    inner = [glance(one) for one in code.codes]
    registers = dotted_names(code)
    names: list[tuple[str, bool]] = []
    asked: list[int] = []
    tuples: dict[int, list[int]] = {}
    calls: dict[int, str] = {}
    dropped: set[str] = set()
    writes: set[str] = set()
    size = 0
    for block in code.blocks:
        size += len(block.events)
        for event in block.events:
            match event:
                case ev.Load(dst=dst) | ev.Attribute(dst=dst):
                    names.append((registers[dst], False))
                case ev.Build(dst=dst, kind="tuple" | "list" | "set", items=items):
                    tuples[dst] = [item.src for item in items]
                case ev.Call(dst=dst, func=func, arguments=arguments):
                    calls[dst] = registers.get(func, "?")
                    names.append((calls[dst], True))
                    if calls[dst] in QUESTIONS:
                        asked += [argument.src for argument in arguments]
                case ev.SetAttribute(name=name):
                    writes.add(name)
                case ev.Discard(src=src) if src in calls:
                    dropped.add(calls[src].rpartition(".")[2])
    asked += [src for register in asked for src in tuples.get(register, ())]
    return Glance(
        (*names, *(name for one in inner for name in one.names)),
        sum((one.asked for one in inner), Counter(registers[register] for register in asked if register in registers)),
        frozenset(writes).union(*(one.writes for one in inner)),
        frozenset(dropped).union(*(one.dropped for one in inner)),
        code.locals,
        size + sum(one.size for one in inner),
        code.is_generator,
    )


def _of_tree(tree: ast.Module, parameters: set[str]) -> Glance:
    (function,) = tree.body
    assert isinstance(function, ast.AsyncFunctionDef)
    names: list[tuple[str, bool]] = []
    asked: Counter[str] = Counter()
    writes: set[str] = set()
    dropped: set[str] = set()
    size = 0
    pending: list[ast.AST] = list(reversed(function.body))
    while pending:
        node = pending.pop()
        size += isinstance(node, (ast.expr, ast.alias))
        match node:
            case ast.Name(ctx=ast.Load()) | ast.Attribute(ctx=ast.Load()):
                names.append((_dotted(node), False))
            case ast.Attribute(attr=name, ctx=ast.Store()):
                writes.add(name)
            case ast.Call(func=func, args=arguments, keywords=keywords):
                called = _dotted(func)
                names.append((called, True))
                if called in QUESTIONS:
                    of = [_value(one) for one in (*arguments, *(one.value for one in keywords))]
                    of += [_value(part) for one in of if isinstance(one, _DISPLAYS) for part in one.elts]
                    asked.update(_dotted(one) for one in of if isinstance(one, (ast.Name, ast.Attribute)))
            case ast.AugAssign(target=ast.Name() | ast.Attribute() as target):
                names.append((_dotted(target), False))
            case ast.Expr(value=ast.Call(func=func)):
                dropped.add(_dotted(func).rpartition(".")[2])
        pending += _evaluated(node)
    bound = (parameters | set(_bound(function.body))) - set(_declared(function.body))
    yields = _yields(function.body)
    each = {name: name for name in names}  # one of those that are alike
    return Glance(
        tuple([each[name] for name in names]),
        asked,
        frozenset(writes),
        frozenset(dropped),
        frozenset(bound),
        size,
        yields,
    )


def _dotted(node: ast.AST) -> str:
    steps: list[str] = []
    while isinstance(node, ast.Attribute):
        steps.append(node.attr)
        node = node.value
    steps.append(node.id if isinstance(node, ast.Name) else "?")
    return sys.intern(".".join(reversed(steps)))


def _value(node: ast.expr) -> ast.expr:
    """What is there, whatever name it is given on the way."""
    while isinstance(node, (ast.NamedExpr, ast.Starred)):
        node = node.value
    return node


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node, without annotations."""
    if isinstance(node, ast.AnnAssign):
        if node.value is not None:
            yield from (node.target, node.value)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield from (*node.decorator_list, *node.args.defaults, *(one for one in node.args.kw_defaults if one))
        yield from node.body
    else:
        yield from ast.iter_child_nodes(node)


def _bound(nodes: list[ast.stmt]) -> Iterator[str]:
    """The names that are bound in the scope of some statements."""
    pending: list[ast.AST] = list(nodes)
    while pending:
        node = pending.pop()
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name, asname=other):
                yield other or name.partition(".")[0]
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
        if isinstance(node, _COMPREHENSIONS):
            yield from (one.target.id for one in ast.walk(node) if isinstance(one, ast.NamedExpr))
        elif not isinstance(node, _SCOPES):
            pending += ast.iter_child_nodes(node)


def _yields(nodes: list[ast.stmt]) -> bool:
    """Whether a function with these statements is a generator."""
    pending: list[ast.AST] = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(node, (*_SCOPES, *_COMPREHENSIONS)):
            pending += ast.iter_child_nodes(node)
    return False


def _declared(nodes: list[ast.stmt]) -> Iterator[str]:
    """The names that a function declares to be others'."""
    pending: list[ast.AST] = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            yield from node.names
        if isinstance(node, ast.stmt) and not isinstance(node, _SCOPES):
            pending += ast.iter_child_nodes(node)
