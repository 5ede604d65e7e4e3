"""What is known of the files and code objects that are interpreted, by their names and words alone.

Nothing is interpreted here; `classes` says the same of classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchmode_lint.analysis import values as v
from torchmode_lint.analysis.classes import plain
from torchmode_lint.flow import events as ev

if TYPE_CHECKING:
    from torchmode_lint.analysis.classes import Class
    from torchmode_lint.analysis.imports import Loaded
    from torchmode_lint.analysis.values import Context, Value
    from torchmode_lint.flow.cfg import Code
    from torchmode_lint.flow.events import Variable

# A file without any of these words neither knows torch nor touches modes and gradients.
_WORDS = ("torch", "backward", ".eval()", ".train()", "zero_grad", "no_grad", "set_grad_enabled")


class Codes:
    """The scopes of the files that were loaded, with the names in them, and what was looked up of their code."""

    def __init__(self) -> None:
        self.globals: dict[Variable, Value] = {}
        self.scopes: dict[int, Loaded] = {}
        self._matters: dict[Code, bool] = {}
        self._scopes: dict[Code, frozenset[int]] = {}
        self._plain: dict[Code, bool] = {}
        self._reads: dict[Code, frozenset[str]] = {}

    def is_file_scope(self, scope: int) -> bool:
        return scope in self.scopes

    def star_imported(self, scope: int) -> bool:
        """Whether a name of the file may come from a star import that cannot be followed."""
        return scope in self.scopes and self.scopes[scope].open_star

    def scope_key(self, scope: int) -> Context:
        """The identity on which unknown names of a scope hang."""
        loaded = self.scopes.get(scope)
        return loaded.context if loaded is not None else next(iter(self.scopes.values())).context

    def note_global(self, variable: Variable, value: Value) -> bool:
        """Remember, whatever the order of execution, what a name of a file may hold.

        True where that says it all: a function, a class or an import, and the only thing the name ever holds.
        """
        known = self.globals.get(variable)
        joined = self.globals[variable] = value if known is None else v.join(known, value)
        return joined == value and all(
            isinstance(atom, (v.Func, v.Cls, v.Ext, v.File)) and getattr(atom, "owner", None) is None for atom in value
        )

    def lookup(self, code: Code, name: str) -> str | Class | Code | None:
        """What a dotted name means in a code object, seen from the names of its file."""
        at = code
        while at.parent is not None:
            at = at.parent
        first, *rest = name.split(".")
        value = self.globals.get(ev.Variable(at.scope, first))
        atom = None if value is None else v.single(value)
        for step in rest:
            if isinstance(atom, v.File):
                value = self.globals.get(ev.Variable(atom.scope, step))
                atom = None if value is None else v.single(value)
            elif isinstance(atom, v.Ext):
                atom = v.Ext(f"{atom.name}.{step}")
            else:
                return None
        match atom:
            case v.Ext(qualified):
                return qualified
            case v.Cls(cls):
                return cls
            case v.Func(found, _, _, _):
                return found
            case _:
                return None

    def matters(self, code: Code) -> bool:
        """Whether the file of a code object can hold anything of the protocol at all, by its words."""
        at = code
        while at.parent is not None:
            at = at.parent
        known = self._matters.get(at)
        if known is None:
            loaded = self.scopes.get(at.scope)
            text = loaded.source.text if loaded is not None else ""
            known = self._matters[at] = loaded is None or any(word in text for word in _WORDS)
        return known

    def is_plain(self, code: Code) -> bool:
        """Whether neither a code object nor what it calls names anything of the protocol."""
        known = self._plain.get(code)
        if known is None:
            known = self._plain[code] = plain(code, self.lookup)
        return known

    def own_scopes(self, code: Code) -> frozenset[int]:
        """The scope of a code object and those of its comprehensions."""
        known = self._scopes.get(code)
        if known is None:
            around = set()
            at = code.parent
            while at is not None:
                around.add(at.scope)
                at = at.parent
            stored = {e.variable.scope for b in code.blocks for e in b.events if isinstance(e, ev.Store)}
            known = self._scopes[code] = frozenset({code.scope} | (stored - around))
        return known

    def reads(self, code: Code) -> frozenset[str]:
        """The names of a code's own scope that the codes inside it read."""
        known = self._reads.get(code)
        if known is None:
            names: set[str] = set()
            pending = list(code.codes)
            while pending:
                at = pending.pop()
                pending += at.codes
                for block in at.blocks:
                    for event in block.events:
                        if isinstance(event, (ev.Load, ev.Store)) and event.variable.scope == code.scope:
                            names.add(event.variable.name)
            known = self._reads[code] = frozenset(names)
        return known
