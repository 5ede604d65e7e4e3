"""A sketch shows of a file what its lowering shows, as far as it goes."""

from __future__ import annotations

from pathlib import Path

import pytest

import torchmode_lint
from commands import EXAMPLES, FIXTURES
from torchmode_lint.analysis.glance import glance
from torchmode_lint.analysis.relevance import functions
from torchmode_lint.analysis.sketch import Import, Kin, Sketch, Value
from torchmode_lint.flow.cfg import Code
from torchmode_lint.python_parser import python_tree
from torchmode_lint.source import parse_source

OWN = Path(torchmode_lint.__file__).parent


def _sketch(text: str, path: Path = Path("a.py")) -> Sketch:
    tree = python_tree(text)
    assert tree is not None
    return Sketch(path, text, tree)


def _shown(code: Code) -> dict[tuple[str, int], object]:
    """What is known of each function, by its name and where it comes among those of that name."""
    shown: dict[tuple[str, int], object] = {}
    for one in functions(code):
        at = sum(name == one.qualname for name, _ in shown)
        parameters = tuple(each.name for each in one.parameters)
        shown[one.qualname, at] = (set(parameters), one.decorators, sorted(glance(one).names), glance(one).dropped)
    return shown


@pytest.mark.parametrize("forgotten", [False, True])
def test_functions_are_those_that_lowering_finds(forgotten: bool) -> None:
    seen = 0
    for path in sorted((*OWN.rglob("*.py"), *FIXTURES.rglob("*.py"), *EXAMPLES.rglob("*.py"))):
        data = path.read_bytes()
        text = data.decode("utf-8", "replace")
        if python_tree(text) is None:
            continue
        sketch = _sketch(text, path)
        if forgotten:
            sketch.forget()
        lowered = parse_source(data, path.as_posix()).code
        assert _shown(sketch.code) == _shown(lowered), path
        seen += 1
    assert seen > 300


def test_names_are_bound_wherever_a_file_binds_them() -> None:
    sketch = _sketch(
        "import a.b, c.d as e\nfrom .f import g as h\nfrom k import *\nclass M(a.N, x()):\n  def o(self): pass\n"
        "if p:\n  q = r = a.s\nelse:\n  def q(): pass\nwith t() as u: pass\n"
        "for v, w in y: z = f(1)\n(aa, bb), cc[0] = 1, 2\n"
        "class M2(M): dd = 3\nee = [a.b, 1]\n"
    )
    bound = sketch.bound
    assert bound["a"] == [Import("a.b", "a")]
    assert bound["e"] == [Import("c.d", "c.d")]
    assert bound["h"] == [Import("f", "", "g", 1)]
    assert [star.loaded for star in sketch.stars] == ["k"]
    (kin,) = bound["M"]
    assert isinstance(kin, Kin)
    assert (kin.bases, [one.name for one in kin.methods]) == (("a.N", ""), ["o"])
    value, code = bound["q"]
    assert value == Value("a.s")
    assert isinstance(code, Code)
    assert bound["r"] == [Value("a.s")]
    assert bound["z"] == [Value(called="f")]
    assert bound["ee"] == [Value(names=("a.b", "a"))]
    assert [bound[name] for name in ("u", "v", "w", "aa", "bb")] == [[None]] * 5
    assert bound.keys().isdisjoint({"o", "cc", "dd", "g", "p"})


def test_what_a_file_evaluates_is_told_from_what_its_functions_do() -> None:
    sketch = _sketch(
        "import torch\na(1)\n@b(2)\n@torch.no_grad()\ndef f(x=c(3)):\n  d(4)\nclass K(e(5), metaclass=g(6)):\n"
        "  h(7)\n  @torch.inference_mode\n  def i(self, x=j(8)):\n    k(9)\nif l(10):\n  with m(11):\n    n(12)\n"
    )
    of_file, aside = (set(glance(one).called) for one in sketch.at_once())
    assert of_file == set("a c e g l m n".split())
    assert aside == {"b", "h", "j"}
    assert "inference_mode" in sketch.bare
    assert "no_grad" not in sketch.bare
