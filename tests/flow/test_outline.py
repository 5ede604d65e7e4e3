"""Files whose functions are parsed when they are asked for: they are lowered to what the whole file is lowered to."""

from __future__ import annotations

from pathlib import Path

import libcst
import pytest
from graphs import all_codes, corpus, events_of, whole_source

from torchmode_lint.flow.cfg import Code
from torchmode_lint.flow.render import to_text
from torchmode_lint.source import SourceFile, read_source

ODD = '''\
# before
import torch

x = 1; y = 2

@decorated(x)  # a comment
def f(a, b=[1,
            2], *, c: "torch.Tensor" = None) -> None:  # another
    # not a statement
    """Documented."""

    def inner():
        return a

    return inner
    # after

def one_line(): return 1

def text(a="""
"""): return a

class C(Base, key=x):
    """About it."""
    field: int = 3

    @property
    @wraps(f)
    def p(self):
        @once
        def g(): yield self
        return g

    async def q(self):
    \tasync with self as z:
    \t\tawait z
    \treturn [w async for w in z]

    class D:
        def r(self):
            global x
            x = lambda: (yield)
        if x:
            def s(self): pass
        else:
            def s(self):
                return super().s()

try:
    def t():
        nonlocal_ = y
        return """
def not_a_function():
    return 1
"""
except Error:
    def t():
        raise
finally:
    def u():
        pass
\x0c
for x in y:
    def v(n=x):
        match n:
            case {"a": 1}:
                return n
        17
def number():
    17
def last():
    return (x :=
            1)'''


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
def test_odd_text(tmp_path: Path, end: str) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(ODD.replace("\n", end).encode())
    same(path)


TABLES = {
    "strings": [f'    "é{n}"' for n in range(150)],
    "pairs": [f'    ("a{n}", ["b" "c", {n}.5, None]),  # {n}\n    (b"", True)' for n in range(80)],
    "names at the end": [*(str(n) for n in range(150)), "x"],
    "names among them": [*(str(n) for n in range(120)), "x", *(f"'''b\n{n}'''" for n in range(50))],
    "what is no plain literal": [*(str(n) for n in range(99)), '"a" f"b"', "-1", "1j", "...", *("1" for _ in range(9))],
    "in brackets of their own": [f'    ("a{n}")' for n in range(150)],
    "a short one": ["    1"] * 100,
}


@pytest.mark.parametrize("form", ["x = [{}]", "x: Any = (\n{},\n)", "class A:\n    x = f({{{}}}, y=1)"])
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_long_tables(tmp_path: Path, form: str, table: list[str]) -> None:
    path = tmp_path / "a.py"
    path.write_text(form.format(",\n".join(table)) + "\n\n\ndef g():\n    return x\n", "utf-8")
    same(path)


@pytest.mark.parametrize("table", [TABLES[name] for name in TABLES if name != "pairs"])
def test_long_dictionaries(tmp_path: Path, table: list[str]) -> None:
    path = tmp_path / "a.py"
    pairs = ",\n".join(f"{n}: {one.lstrip() if n else one}" for n, one in enumerate(table))
    path.write_text(f"x = OrderedDict({{\n{pairs}}})\ny = 1\n", "utf-8")
    same(path)


def test_the_end_of_a_long_table_is_not_lowered(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = [\n" + "    1,\n" * 5_000 + "]\ny = 2\n")
    assert len(list(events_of(read_source(path).code))) < 200


def test_files_of_others() -> None:
    for source in corpus()[::3]:
        alike(source, whole_source(Path(source.path)))


def test_what_is_asked_for_is_all_that_is_lowered(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(ODD)
    file = read_source(path).code
    later = {code.qualname for code in file.walk_lowered() if code.is_put_off}
    assert later == {"f", "C.p", "C.q", "C.D.r", "C.D.s", "t", "u", "v", "number", "last"}
    f = next(code for code in file.codes if code.name == "f")
    assert [parameter.name for parameter in f.parameters] == ["a", "b", "c"] and f.is_put_off
    assert [inner.qualname for inner in f.codes] == ["f.inner"]
    assert {code.qualname for code in file.walk_lowered() if code.is_put_off} == later - {"f"}


def test_nodes_come_back_while_other_functions_are_put_off(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(ODD)
    source, whole = read_source(path), whole_source(path)
    first, *_ = events_of(next(code for code in source.code.codes if code.name == "last"))
    assert isinstance(first.node, libcst.CSTNode)
    for code, twin in zip(all_codes(source.code), all_codes(whole.code), strict=True):
        assert type(code.node) is type(twin.node)
        for event, other in zip(events_of(code), events_of(twin), strict=True):
            assert source.span(event.node, code) == whole.span(other.node, twin)


def test_a_function_that_libcst_cannot_read_never_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.py"
    path.write_text("def f():\n    return 1\ndef g():\n    return 2\n")
    source = read_source(path)
    monkeypatch.setattr("torchmode_lint.flow.outline._HEAD", "def (:\n")
    f, _ = source.code.codes
    assert "raise" in to_text(f) and "return" not in to_text(f)


def same(path: Path) -> None:
    """Whatever is asked for first, an outlined file is what the whole file is, to numbers, names and places."""
    whole = whole_source(path)
    for turn in (1, -1):
        outlined = read_source(path)
        for code in list(outlined.code.walk_lowered())[::turn]:
            assert code.blocks
        alike(outlined, whole)
    for code, twin in zip(all_codes(outlined.code), all_codes(whole.code), strict=True):
        for event, other in zip(events_of(code), events_of(twin), strict=True):
            assert outlined.span(event.node, code) == whole.span(other.node, twin)


def alike(outlined: SourceFile, whole: SourceFile) -> None:
    assert to_text(outlined.code, nested=True) == to_text(whole.code, nested=True)
    assert described(outlined.code) == described(whole.code)


def described(file: Code) -> list[object]:
    return [
        (
            *(code.qualname, code.parameters, code.decorators, code.locals, code.shared),
            *(code.is_async, code.is_generator, [event.index for event in events_of(code)]),
        )
        for code in all_codes(file)
    ]
