"""A file as Python's own parser shows it: its functions and classes, and what else its names are bound to.

A sketch takes a fraction of what it costs to read a file with libcst and to interpret its body. Its codes are only
there for what they mention: nothing lowers them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from torchmode_lint.analysis.glance import dotted, glance_of
from torchmode_lint.analysis.mentions import GRAD_MODES
from torchmode_lint.flow.cfg import Code, Parameter
from torchmode_lint.flow.nodes import Gone
from torchmode_lint.flow.outline import Body, begins
from torchmode_lint.text import line_starts

_SUITES = ("body", "orelse", "finalbody", "handlers", "cases")
_Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Import:
    """`import loaded` that binds the module `bound`; or `from loaded import name`, with so many dots before it."""

    loaded: str
    bound: str
    name: str | None = None
    level: int = 0


@dataclass(frozen=True, slots=True)
class Value:
    """What a name is assigned: another name, what a call returns (`?` of what is no name), or something else.

    `names` are those in it, without what is called.
    """

    alias: str = ""
    called: str = ""
    names: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Kin:
    """A class: `bases` are dotted names, "" for what is none."""

    code: Code
    home: Sketch
    bases: tuple[str, ...]
    methods: list[Code] = field(default_factory=list)
    trains_itself: bool | None = None  # whether it makes moves of training, once somebody has asked


Bound: TypeAlias = "Code | Kin | Import | Value | None"  # None for any value


class Sketch:
    """`bound` is all that each global name may be bound to, `stars` are the imports of all names."""

    def __init__(self, path: Path, text: str, tree: ast.Module) -> None:
        self.path = path
        self.code = _code("file", "", None)
        self.bound: dict[str, list[Bound]] = {}
        self.meant: dict[str, Any] = {}  # what `sketched_names` has found out of that
        self.stars: list[Import] = []
        self.bare: list[str] = []  # the last parts of the names of decorators that are not called
        self.classes: list[Kin] = []
        self.class_of: dict[Code, Kin] = {}
        self._text = text
        self._starts = line_starts(text)
        self._at_once: list[ast.stmt] = []  # what the file does itself
        self._aside: list[ast.stmt] = []  # and the bodies of its classes, and what decorates
        self._bodies: list[Body] = []
        self._suite(tree.body, self.code, None)

    def at_once(self) -> tuple[Code, Code]:
        """What the file does itself; and the bodies of its classes, and decorators. Without what is in functions."""
        both = []
        for name, statements in (("", self._at_once), ("aside", self._aside)):
            code = _code("part", name, self.code)
            code.glance = glance_of(statements, set())
            both.append(code)
        return both[0], both[1]

    def forget(self) -> None:
        """Give up the trees; what is still asked for is parsed again."""
        self._at_once.clear()
        self._aside.clear()
        for body in self._bodies:
            body.forget()

    def dismantle(self) -> None:
        """Take apart what refers to each other, and would be kept until somebody looks for garbage; not to be used."""
        self.forget()
        self.code.dismantle()
        self.bound.clear()
        self.meant.clear()
        self.classes.clear()
        self.class_of.clear()

    def _suite(self, suite: Iterable[ast.AST], around: Code, kin: Kin | None) -> None:
        for node in suite:
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    code = self._function(node, around)
                    if kin is not None:
                        kin.methods.append(code)
                        self.class_of[code] = kin
                    self._bind(around, node.name, code)
                case ast.ClassDef():
                    code = self._put_off(_code("class", node.name, around), node)
                    inner = Kin(code, self, tuple(map(_dotted, node.bases)))
                    self.classes.append(inner)
                    self._bind(around, node.name, inner)
                    self._evaluated(around, node.decorator_list, [*node.bases, *(one.value for one in node.keywords)])
                    self._suite(node.body, code, inner)
                case ast.Import():
                    for one in node.names:
                        top = one.name.partition(".")[0]
                        self._bind(around, one.asname or top, Import(one.name, one.name if one.asname else top))
                case ast.ImportFrom():
                    for one in node.names:
                        bound = Import(node.module or "", "", one.name, node.level)
                        if one.name == "*":
                            self.stars.append(bound)
                        self._bind(around, one.asname or one.name, bound)
                case _:
                    self._other(node, around, kin)

    def _other(self, node: ast.AST, around: Code, kin: Kin | None) -> None:
        """A statement, or a part of one, that binds names to values or has other statements in it."""
        at_once = self._at_once if around is self.code else self._aside
        suites = [suite for name in _SUITES if isinstance(suite := getattr(node, name, None), list)]
        if isinstance(node, ast.stmt) and not suites:
            at_once.append(node)
        own = [one for one in ast.iter_child_nodes(node) if isinstance(one, (ast.expr, ast.withitem, ast.pattern))]
        if suites:
            at_once += [ast.Expr(ast.Tuple([one], ast.Load())) for one in own if isinstance(one, ast.expr)]
            at_once += [ast.With([one], []) for one in own if isinstance(one, ast.withitem)]
        value = _value(node.value) if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value else None
        for target in (one for child in own for one in ast.walk(child)):
            if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store):
                self._bind(around, target.id, value if target in own else None)
        for suite in suites:
            self._suite(suite, around, kin)

    def _evaluated(self, around: Code, decorators: list[ast.expr], others: list[ast.expr]) -> None:
        """What the statement of a definition evaluates: a grad mode that decorates it says nothing by itself."""
        names = [_dotted(one.func if isinstance(one, ast.Call) else one).rpartition(".")[2] for one in decorators]
        self.bare += [name for one, name in zip(decorators, names, strict=True) if not isinstance(one, ast.Call)]
        used = [one for one, name in zip(decorators, names, strict=True) if name not in GRAD_MODES]
        at_once = self._at_once if around is self.code else self._aside
        for statements, values in ((at_once, others), (self._aside, used)):
            statements += [ast.Expr(ast.Tuple([one], ast.Load())) for one in values if isinstance(one, ast.Call)]

    def _bind(self, around: Code, name: str, bound: Bound) -> None:
        if around is self.code:
            self.bound.setdefault(name, []).append(bound)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, around: Code) -> Code:
        code = _code("function", node.name, around)
        arguments = node.args
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        code.parameters = tuple(Parameter(one.arg) for one in given if one is not None)
        code.decorators = tuple(_dotted(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list)
        self._evaluated(around, node.decorator_list, [*arguments.defaults, *filter(None, arguments.kw_defaults)])
        return self._put_off(code, node)

    def _put_off(self, code: Code, node: _Definition) -> Code:
        """Leave what is inside for later; what is on the line of the head is looked at now."""
        first = min([node.body[0].lineno, *(one.lineno for one in getattr(node.body[0], "decorator_list", ()))])
        start, end = self._starts[first - 1], self._starts[node.end_lineno or first]
        line = self._text[start : self._starts[first]]
        if line[: len(line) - len(line.lstrip())].isspace() and first > node.lineno and begins(line, node.body[0]):
            code.body = Body(self._text, start, end, node)
            self._bodies.append(code.body)
        else:
            code.glance = glance_of(node.body, {one.name for one in code.parameters})
        return code


def _dotted(node: ast.expr) -> str:
    """A dotted name, "" for anything else."""
    name = dotted(node)
    return "" if name.startswith("?") else name


def _value(node: ast.expr) -> Value:
    if isinstance(node, ast.Call):
        return Value(called=_dotted(node.func) or "?", names=_names(*node.args, *(one.value for one in node.keywords)))
    if alias := _dotted(node):
        return Value(alias)
    return Value(names=_names(node))


def _names(*nodes: ast.expr) -> tuple[str, ...]:
    inside = (one for node in nodes for one in ast.walk(node) if isinstance(one, ast.expr))
    return tuple(filter(None, map(_dotted, inside)))


def _nothing() -> None:
    raise AssertionError("a sketch has no syntax")


_NO_SYNTAX = Gone(_nothing)


def _code(kind: str, name: str, around: Code | None) -> Code:
    outside = "" if around is None else around.qualname
    code = Code(kind, name, f"{outside}.{name}" if outside else name, 0, around, _NO_SYNTAX)
    if around is not None:
        around.codes.append(code)
    return code
