"""What a code object mentions: its names, and what it sets, found out without lowering it.

Of a function whose text is there, Python's own parser says it at a fraction of the cost of libcst's; of other code
objects, their events do. Whether a function has been lowered makes no difference to what is said of it.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from torchmode_lint.flow import events as ev
from torchmode_lint.python_parser import children

if TYPE_CHECKING:
    from torchmode_lint.flow.cfg import Code

QUESTIONS = frozenset({"isinstance", "issubclass"})
_DISPLAYS = (ast.Tuple, ast.List, ast.Set)
_Parts: TypeAlias = "Iterable[ast.AST | None]"


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
        body = None if code.body is None else code.body.statements
        code.glance = _of_events(code) if body is None else glance_of(body, {one.name for one in code.parameters})
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


def glance_of(body: list[ast.stmt], parameters: set[str]) -> Glance:
    """What the statements of a body mention."""
    seen = _Seen()
    pending: list[ast.AST | None] = list(reversed(body))
    while pending:
        node = pending.pop()
        if node is None:
            seen.leave()
        else:
            pending += seen.parts(node)
    each = {name: name for name in seen.names}  # one of those that are alike
    return Glance(
        tuple([each[name] for name in seen.names]),
        seen.asked,
        frozenset(seen.writes),
        frozenset(seen.dropped),
        frozenset((parameters | seen.bound) - seen.declared),
        seen.size,
        seen.yields,
    )


class _Seen:
    """What has been seen of the body of a function; `parts` are the nodes to go on with, None where a scope ends."""

    def __init__(self) -> None:
        self.names: list[tuple[str, bool]] = []
        self.asked: Counter[str] = Counter()
        self.writes: set[str] = set()
        self.dropped: set[str] = set()
        self.bound: set[str] = set()
        self.declared: set[str] = set()  # to be others'
        self.size = 0
        self.yields = False
        self._around: list[bool] = []  # for each inner scope around, whether it is a comprehension's

    def parts(self, node: ast.AST) -> _Parts:
        self.size += isinstance(node, (ast.expr, ast.alias))
        way = _WAYS.get(type(node))
        return children(node) if way is None else way(self, node)

    def leave(self) -> None:
        self._around.pop()

    def _bind(self, name: str | None) -> None:
        if name is not None and not self._around:
            self.bound.add(name)

    def _scope(self, outside: Iterable[ast.AST], inside: Iterable[ast.AST], *, comprehension: bool = False) -> _Parts:
        """A scope begins, whose nodes come first."""
        self._around.append(comprehension)
        return (*outside, None, *inside)

    def _name(self, node: ast.Name) -> _Parts:
        if isinstance(node.ctx, ast.Load):
            self.names.append((sys.intern(node.id), False))
        else:
            self._bind(node.id)
        return ()

    def _attribute(self, node: ast.Attribute) -> _Parts:
        if isinstance(node.ctx, ast.Load):
            self.names.append((dotted(node), False))
        elif isinstance(node.ctx, ast.Store):
            self.writes.add(node.attr)
        return (node.value,)

    def _call(self, node: ast.Call) -> _Parts:
        called = dotted(node.func)
        arguments = [*node.args, *(one.value for one in node.keywords)]
        self.names.append((called, True))
        if called in QUESTIONS:
            of = [_value(one) for one in arguments]
            of += [_value(part) for one in of if isinstance(one, _DISPLAYS) for part in one.elts]
            self.asked.update(dotted(one) for one in of if isinstance(one, (ast.Name, ast.Attribute)))
        return (node.func, *arguments)

    def _expression(self, node: ast.Expr) -> _Parts:
        if isinstance(node.value, ast.Call):
            self.dropped.add(dotted(node.value.func).rpartition(".")[2])
        return (node.value,)

    def _augmented(self, node: ast.AugAssign) -> _Parts:
        if isinstance(node.target, (ast.Name, ast.Attribute)):
            self.names.append((dotted(node.target), False))
        return (node.target, node.value)

    def _annotated(self, node: ast.AnnAssign) -> _Parts:
        if node.value is not None:
            return (node.target, node.value)
        if isinstance(node.target, ast.Name):
            self._bind(node.target.id)
        return ()

    def _walrus(self, node: ast.NamedExpr) -> _Parts:
        if all(self._around):
            self.bound.add(node.target.id)
        return (node.target, node.value)

    def _alias(self, node: ast.alias) -> _Parts:
        self._bind(node.asname or node.name.partition(".")[0])
        return ()

    def _catching(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar) -> _Parts:
        self._bind(node.name)
        return children(node)

    def _mapping(self, node: ast.MatchMapping) -> _Parts:
        self._bind(node.rest)
        return children(node)

    def _declaration(self, node: ast.Global | ast.Nonlocal) -> _Parts:
        if not self._around:
            self.declared.update(node.names)
        return ()

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> _Parts:
        self._bind(node.name)
        return self._scope((*node.decorator_list, *_defaults(node.args)), node.body)

    def _lambda(self, node: ast.Lambda) -> _Parts:
        return self._scope(_defaults(node.args), (node.body,))

    def _class(self, node: ast.ClassDef) -> _Parts:
        self._bind(node.name)
        bases = (*node.bases, *(one.value for one in node.keywords))
        return self._scope((*node.decorator_list, *bases), node.body)

    def _comprehension(self, node: ast.expr) -> _Parts:
        return self._scope((), children(node), comprehension=True)

    def _yield(self, node: ast.Yield | ast.YieldFrom) -> _Parts:
        self.yields = self.yields or not self._around
        return () if node.value is None else (node.value,)


_WAYS: dict[type[ast.AST], Callable[[_Seen, Any], _Parts]] = {
    ast.Name: _Seen._name,
    ast.Attribute: _Seen._attribute,
    ast.Constant: lambda *_: (),
    ast.Call: _Seen._call,
    ast.Expr: _Seen._expression,
    ast.AugAssign: _Seen._augmented,
    ast.AnnAssign: _Seen._annotated,
    ast.NamedExpr: _Seen._walrus,
    ast.alias: _Seen._alias,
    ast.FunctionDef: _Seen._function,
    ast.AsyncFunctionDef: _Seen._function,
    ast.Lambda: _Seen._lambda,
    ast.ClassDef: _Seen._class,
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), _Seen._comprehension),
    **dict.fromkeys((ast.ExceptHandler, ast.MatchAs, ast.MatchStar), _Seen._catching),
    ast.MatchMapping: _Seen._mapping,
    **dict.fromkeys((ast.Yield, ast.YieldFrom), _Seen._yield),
    **dict.fromkeys((ast.Global, ast.Nonlocal), _Seen._declaration),
}


def _defaults(arguments: ast.arguments) -> Iterator[ast.expr]:
    return (one for one in (*arguments.defaults, *arguments.kw_defaults) if one is not None)


def dotted(node: ast.AST) -> str:
    """The dotted name of an expression, `?` in place of whatever is no name."""
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
