"""A draft of a fix: edits of one file, made statement by statement, in the indentation that is there."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from torchmode_lint.diagnostic import Applicability, Edit, Fix, Span
from torchmode_lint.fixes.imports import Imports
from torchmode_lint.fixes.syntax import Place, Syntax
from torchmode_lint.source import SourceFile

_ATOMS = (cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.List, cst.ListComp)


class Draft:
    """Collects edits of `source`; `fix` is what has come of them."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.syntax = Syntax(source)
        self._edits: list[Edit] = []

    def fix(self, message: str, *, safe: bool) -> Fix | None:
        """The fix, or None where nothing has been drafted."""
        applicability = Applicability.SAFE if safe else Applicability.UNSAFE
        return Fix(message, applicability, tuple(self._edits)) if self._edits else None

    def before(self, place: Place, *lines: str) -> None:
        """Lines of their own before a statement."""
        indent = self.syntax.indent(place.statement)
        self._insert(self.source.span(place.statement).line, 1, "".join(f"{indent}{line}\n" for line in lines))

    def after(self, place: Place, *lines: str) -> None:
        """Lines of their own after a statement."""
        indent = self.syntax.indent(place.statement)
        last = self.syntax.last_line(place.statement)
        self._insert(last, len(self.source.lines[last - 1]) + 1, "".join(f"\n{indent}{line}" for line in lines))

    def wrap(self, statements: Sequence[cst.BaseStatement], header: str) -> None:
        """`header`, such as `with torch.no_grad():`, before statements of one suite, which move in by one level."""
        self._insert(self.source.span(statements[0]).line, 1, f"{self.syntax.indent(statements[0])}{header}\n")
        self._indent(statements, self.source.span(statements[0]).line)

    def enter(self, place: Place, call: cst.BaseExpression) -> None:
        """`with`, before an expression that is a statement of its own, and all of its suite that follows in there."""
        self.prepend(call, "with ")
        self.append(call, ":")
        self._indent(place.after, self.syntax.last_line(place.statement) + 1)

    def _indent(self, statements: Sequence[cst.BaseStatement], first: int) -> None:
        """Statements of one suite, and the comments before and between them from a line on, in by one level."""
        kept: set[int] = set()
        for statement in statements:
            kept |= self.syntax.lines_inside_strings(statement)
        for line in range(first, self.syntax.last_line(statements[-1]) + 1):
            if line not in kept and self.source.lines[line - 1].strip():
                self._insert(line, 1, self.syntax.unit)

    def decorate(self, function: cst.FunctionDef, decorator: str) -> None:
        """A decorator below those that are there, so that it is applied first."""
        indent = self.syntax.indent(function)
        self._insert(self.source.span(function).line, 1, f"{indent}@{decorator}\n")

    def replace(self, node: cst.CSTNode, text: str) -> None:
        self._edits.append(Edit(self.source.span(node), text))

    def append(self, node: cst.CSTNode, text: str) -> None:
        """Text right behind an expression."""
        at = self.source.span(node)
        self._insert(at.end_line, at.end_column, text)

    def prepend(self, node: cst.CSTNode, text: str) -> None:
        """Text right before an expression."""
        at = self.source.span(node)
        self._insert(at.line, at.column, text)

    def method(self, node: cst.BaseExpression, call: str) -> None:
        """`.detach()`, say, behind an expression, which gets parentheses where it needs them."""
        at = self.source.span(node)
        if not isinstance(node, _ATOMS) and not node.lpar:
            self._insert(at.line, at.column, "(")
            call = f"){call}"
        for paren in node.rpar:
            text = self.source.tree.code_for_node(paren)
            line, column = at.end_line + text.count("\n"), len(text) - text.rfind("\n") - 1
            column += at.end_column if line == at.end_line else 1
            at = Span(at.path, at.line, at.column, line, column)
        self._insert(at.end_line, at.end_column, call)

    def keyword(self, call: cst.Call, name: str, value: str) -> None:
        """`name=value` among the arguments of a call, in place of the value that it has there."""
        known = next((arg for arg in call.args if arg.keyword is not None and arg.keyword.value == name), None)
        if known is not None:
            self.replace(known.value, value)
        elif call.args:
            last = self.source.span(call.args[-1])
            self._insert(last.end_line, last.end_column, f", {name}={value}")
        else:
            end = self.source.span(call)
            self._insert(end.end_line, end.end_column - 1, f"{name}={value}")

    def parameter(self, function: cst.FunctionDef, parameter: str) -> None:
        """Another parameter, after those that a function has."""
        params = function.params
        starred = [params.star_arg] if isinstance(params.star_arg, cst.Param) else []
        last = [*params.posonly_params, *params.params, *starred, *params.kwonly_params][-1]
        slash = params.posonly_ind
        if isinstance(slash, cst.ParamSlash) and last in params.posonly_params:
            at = self.source.span(slash)
        else:
            at = self.source.span(last.default or last.annotation or last.name)
        self._insert(at.end_line, at.end_column, f", {parameter}")

    def without_keyword(self, call: cst.Call, name: str) -> None:
        """A keyword argument dropped, with the comma before it, or after it if it is the first."""
        index = next(i for i, arg in enumerate(call.args) if arg.keyword is not None and arg.keyword.value == name)
        at = self.source.span(call.args[index])
        if index > 0:
            before = self.source.span(call.args[index - 1])
            at = Span(at.path, before.end_line, before.end_column, at.end_line, at.end_column)
        elif len(call.args) > 1:
            after = self.source.span(call.args[1])
            at = Span(at.path, at.line, at.column, after.line, after.column)
        self._edits.append(Edit(at, ""))

    def remove(self, place: Place) -> None:
        """A line of statements; the comments above it stay, and one at its end as a line of its own."""
        at = self.source.span(place.statement)
        line = place.statement
        if isinstance(line, cst.SimpleStatementLine) and line.trailing_whitespace.comment is not None:
            comment = self.source.span(line.trailing_whitespace.comment)
            self._edits.append(Edit(Span(at.path, at.line, at.column, comment.line, comment.column), ""))
        else:
            self._cut(place)

    def move(self, place: Place, to: Place, *, after: bool = False) -> None:
        """A statement's lines, to before or after another one of the same suite."""
        first, last = self.source.span(place.statement).line, self.syntax.last_line(place.statement)
        indent = self.syntax.indent(place.statement)
        lines = [line.removeprefix(indent) for line in self.source.lines[first - 1 : last]]
        self._cut(place)
        (self.after if after else self.before)(to, *lines)

    def _cut(self, place: Place) -> None:
        at = self.source.span(place.statement)
        last = self.syntax.last_line(place.statement)
        assert last < len(self.source.lines) or at.line > 1
        if last < len(self.source.lines):
            self._edits.append(Edit(Span(at.path, at.line, 1, last + 1, 1), ""))
        else:
            before = len(self.source.lines[at.line - 2]) + 1
            self._edits.append(Edit(Span(at.path, at.line - 1, before, last, len(self.source.lines[-1]) + 1), ""))

    def torch(self, name: str) -> str:
        """How the file says `torch.<name>`; an import is added where it has no word for it."""
        imports = Imports(self.syntax)
        known = imports.word_for("torch", name)
        if known is not None:
            return known
        line = imports.line_for_import("torch")
        self._insert(line, 1, "import torch\n")
        return f"torch.{name}"

    def _insert(self, line: int, column: int, text: str) -> None:
        self._edits.append(Edit(Span(self.source.path, line, column, line, column), text))
