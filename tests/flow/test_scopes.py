"""Names belong to the scopes that Python itself gives them."""

from __future__ import annotations

import symtable
import warnings
from collections import Counter
from collections.abc import Iterator

import libcst
import pytest
from graphs import all_codes, corpus, events_of, lowered

from torchmode_lint.flow.cfg import Code
from torchmode_lint.flow.events import Delete, Load, Store
from torchmode_lint.flow.lower import lower_file
from torchmode_lint.flow.scopes import numbered
from torchmode_lint.source import SourceFile

# The name of a function or class, and the names that its scope and its comprehensions bind. (Since Python 3.12
# the symbol table mixes the two.)
Row = tuple[str, frozenset[str]]
IMPLICIT = {".0", "__class__", "__classdict__", "__classdictcell__", "__conditional_annotations__", ".defaults"}
COMPREHENSIONS = {"listcomp", "setcomp", "dictcomp", "genexpr"}


def tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """The tables of functions, lambdas and classes, those in comprehensions included."""
    kind = str(getattr(table.get_type(), "value", table.get_type()))
    if kind in ("module", "class", "function") and table.get_name() not in COMPREHENSIONS:
        yield table
    for child in table.get_children():
        yield from tables(child)


def bound(table: symtable.SymbolTable) -> set[str]:
    """The names a table binds, those of its comprehensions included."""
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_local()}
    return names.union(*(bound(child) for child in table.get_children() if child.get_name() in COMPREHENSIONS))


def python_locals(source: SourceFile) -> Counter[Row]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        top = symtable.symtable(source.text, source.path, "exec")
    return Counter(
        (
            "" if table is top else {"lambda": "<lambda>"}.get(table.get_name(), table.get_name()),
            frozenset(bound(table)) - IMPLICIT,
        )
        for table in tables(top)
    )


def mangled(name: str, code: Code) -> str:
    if not name.startswith("__") or name.endswith("__"):
        return name
    inside: Code | None = code
    while inside is not None and inside.kind != "class":
        inside = inside.parent
    stripped = inside.name.lstrip("_") if inside is not None else ""
    return f"_{stripped}{name}" if stripped else name


def own_locals(source: SourceFile) -> Counter[Row]:
    scopes = {code.scope for code in all_codes(source.code)}
    rows: Counter[Row] = Counter()
    for code in all_codes(source.code):
        inside = {e.variable for e in events_of(code) if isinstance(e, Store) and e.variable.scope not in scopes}
        names = code.locals.union(variable.name for variable in inside)
        rows[code.name, frozenset(mangled(name, code) for name in names) - IMPLICIT] += 1
    return rows


def test_locals_are_those_of_the_symbol_table() -> None:
    for source in corpus():
        assert own_locals(source) == python_locals(source), source.path


def owners(text: str, name: str) -> dict[str, str]:
    """For each code that names `name`, the code whose scope it belongs to ("?" for a comprehension's)."""
    file = lowered(text)
    by_scope = {code.scope: code.qualname or "file" for code in all_codes(file)}
    return {
        code.qualname or "file": by_scope.get(event.variable.scope, "?")
        for code in all_codes(file)
        for event in events_of(code)
        if isinstance(event, Load | Store | Delete) and event.variable.name == name
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\ndef f():\n    return x\n", {"file": "file", "f": "file"}),
        ("def f():\n    print(x)\n    x = 1\n", {"f": "f"}),
        ("def f():\n    x = 1\n    def g():\n        return x\n", {"f": "f", "f.g": "f"}),
        ("def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = 2\n", {"f": "f", "f.g": "f"}),
        ("def f():\n    x = 1\n    def g():\n        global x\n        x = 2\n", {"f": "f", "f.g": "file"}),
        ("def f():\n    global x\n    def g():\n        return x\n", {"f.g": "file"}),
        ("class C:\n    x = 1\n    def f(self):\n        return x\n", {"C": "C", "C.f": "file"}),
        ("def f(x):\n    class C:\n        x = 1\n        def g(self): return x\n", {"f.C": "f.C", "f.C.g": "f"}),
        ("class C:\n    x = [1]\n    y = [x for _ in x]\n", {"C": "file"}),
        ("[x for x in y]\n", {"file": "?"}),
        ("[(x := y) for y in z]\nx\n", {"file": "file"}),
        ("def f():\n    return [[(x := y) for y in z] for z in w]\n", {"f": "f"}),
        ("def f():\n    return [lambda: x for x in y]\n", {"f": "?", "f.<lambda>": "?"}),
        ("def f(x):\n    return lambda y: x\n", {"f.<lambda>": "f"}),
        ("def f[x](y=lambda: x):\n    return x\n", {"<lambda>": "file", "f": "?"}),
        ("class C[x](x):\n    y = x\n    def f(self): return x\n", {"file": "?", "C": "?", "C.f": "?"}),
        ("class C:\n    x = 1\n    def f[T](self): return x\n", {"C": "C", "C.f": "file"}),
        ("class C:\n    x = 1\n    type y[T] = x\n", {"C": "C"}),
        ("def f():\n    return\n    x = 1\n    def g(): return x\n", {"f.g": "f"}),
        ("def f():\n    for x in y: pass\n    del x\n", {"f": "f"}),
        ("try: pass\nexcept E as x: pass\n", {}),
        ("def f():\n    import x.y\n    return x\n", {"f": "f"}),
        ("def f():\n    x: int\n    return x\n", {"f": "f"}),
        ("def f():\n    match y:\n        case {**x}: return x\n", {"f": "f"}),
        ("print(x)\n", {"file": "file"}),
    ],
)
def test_owner_of_a_name(text: str, expected: dict[str, str]) -> None:
    if "f.g" in expected and "return\n" in text:
        assert owners(text, "x") | expected == expected
        return
    assert owners(text, "x") == expected


def test_first_iterable_is_evaluated_outside() -> None:
    (load,) = (
        event
        for event in events_of(lowered("[x for x in x]\n"))
        if isinstance(event, Load) and event.variable.scope == 0
    )
    assert load.variable.name == "x"


def test_every_scope_of_a_file_has_numbers_of_its_own() -> None:
    text = "def f():\n    global x\n    x = y\n    def g():\n        return len(x)\n"
    file = lower_file(libcst.parse_module(text), 500)
    assert [code.scope for code in all_codes(file)] == [500, numbered(1, 500), numbered(1, 500) + 1]
    for code in all_codes(file):
        for event in events_of(code):
            if isinstance(event, Load) or (isinstance(event, Store) and event.variable.name == "x"):
                assert event.variable.scope == 500, "a name bound nowhere belongs to this file, not to another"


def test_variables_of_one_name_and_scope_are_equal() -> None:
    file = lowered("x = 1\ndef f():\n    return x\n")
    (stored,) = (event.variable for event in events_of(file) if isinstance(event, Store) and event.variable.name == "x")
    (loaded,) = (event.variable for event in events_of(file.codes[0]) if isinstance(event, Load))
    assert stored == loaded and hash(stored) == hash(loaded)
