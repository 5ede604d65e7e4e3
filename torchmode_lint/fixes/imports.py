"""What a file calls a module's name, and where another import would stand."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from torchmode_lint.fixes.syntax import Syntax, dotted, is_docstring


class Imports:
    """The imports of a file's own scope."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax

    def word_for(self, module: str, name: str) -> str | None:
        """How the file says `module.name`, by an import that comes unconditionally; None where it cannot."""
        first, dot, rest = name.partition(".")
        for statement in self._imports():
            if isinstance(statement, cst.Import):
                for alias in statement.names:
                    imported = dotted(alias.name) or ""
                    if alias.asname is not None and imported == module:
                        return f"{dotted(alias.asname.name)}.{name}"
                    if alias.asname is None and imported.split(".")[0] == module:
                        return f"{module}.{name}"
            elif isinstance(statement.module, (cst.Name, cst.Attribute)) and not statement.relative:
                if dotted(statement.module) == module and not isinstance(statement.names, cst.ImportStar):
                    for alias in statement.names:
                        if alias.name.value == first:
                            word = first if alias.asname is None else dotted(alias.asname.name)
                            return f"{word}{dot}{rest}"
        return None

    def functional(self, name: str) -> str | None:
        """How the file says `torch.nn.functional.name`, in the shortest way that it has; None where it cannot."""
        ways = {"torch.nn.functional": name, "torch.nn": f"functional.{name}", "torch": f"nn.functional.{name}"}
        words = (self.word_for(module, rest) for module, rest in ways.items())
        return next((word for word in words if word is not None), None)

    def words(self, module: str) -> set[str]:
        """What the file calls a module and all that it imports from there."""
        found = set()
        for statement in self._imports():
            names = () if isinstance(statement.names, cst.ImportStar) else statement.names
            of = self._first_module(statement) if isinstance(statement, cst.ImportFrom) else None
            for alias in names:
                imported = dotted(alias.name) or ""
                if (of or imported).split(".")[0] == module:
                    word = imported if alias.asname is None else dotted(alias.asname.name)
                    found.add((word or "").split(".")[0])
        return found

    def line_for_import(self, module: str) -> int:
        """The line before which `import module` belongs: its kin's first, else after the imports that are there."""
        kin = last = None
        for statement in self._imports():
            last = statement
            if kin is None and self._first_module(statement).split(".")[0] == module:
                kin = statement
        if kin is not None:
            return self.syntax.source.span(kin).line
        if last is not None:
            return self.syntax.source.span(last).end_line + 1
        body = self.syntax.source.tree.body
        first = next((at for at in body if not is_docstring(at)), None)
        if first is None:
            return len(self.syntax.source.lines) + 1
        return self.syntax.source.span(first).line

    def _imports(self) -> Iterator[cst.Import | cst.ImportFrom]:
        for statement in self.syntax.source.tree.body:
            if isinstance(statement, cst.SimpleStatementLine):
                for small in statement.body:
                    if isinstance(small, (cst.Import, cst.ImportFrom)):
                        yield small

    def _first_module(self, statement: cst.Import | cst.ImportFrom) -> str:
        if isinstance(statement, cst.Import):
            return dotted(statement.names[0].name) or ""
        if statement.module is None or statement.relative:
            return ""
        return dotted(statement.module) or ""
