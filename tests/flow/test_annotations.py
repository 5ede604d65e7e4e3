"""Names in annotations and decorators."""

from __future__ import annotations

import libcst
import pytest
from graphs import events_of, lowered

from torchmode_lint.flow.annotations import annotation_name
from torchmode_lint.flow.cfg import Parameter
from torchmode_lint.flow.events import Annotate, Store


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("nn.Module", "nn.Module"),
        ("'nn.Module'", "nn.Module"),
        ("' nn.Module '", "nn.Module"),
        ("Optional[nn.Module]", "nn.Module"),
        ("typing.Optional['nn.Module']", "nn.Module"),
        ("'Optional[nn.Module]'", "nn.Module"),
        ("nn.Module | None", "nn.Module"),
        ("None | nn.Module", "nn.Module"),
        ("'nn.Module | None'", "nn.Module"),
        ("Union[None, nn.Module]", "nn.Module"),
        ("Union[A, B]", None),
        ("A | B", None),
        ("A | B | None", None),
        ("list[nn.Module]", "list"),
        ("Optional[typing.List[X]]", "typing.List"),
        ("Annotated[Tensor, 'c h w']", "Tensor"),
        ("Final[Tensor]", "Tensor"),
        ("Float[Tensor, 'b c']", "Float"),
        ("None", None),
        ("'None'", None),
        ("'not a type!'", None),
        ("'\"nested\"'", None),
        ("b'bytes'", None),
        ("'a' 'b'", None),
        ("f(x)", None),
        ("3", None),
    ],
)
def test_annotation_name(text: str, name: str | None) -> None:
    assert annotation_name(libcst.parse_expression(text)) == name


def test_parameters() -> None:
    (code,) = lowered("def f(a, /, b: X = 1, *c: 'Y', d, e=2, **g): pass\n").codes
    assert code.parameters == (
        Parameter("a", "positional"),
        Parameter("b", "normal", "X", True),
        Parameter("c", "*", "Y"),
        Parameter("d", "keyword"),
        Parameter("e", "keyword", None, True),
        Parameter("g", "**"),
    )
    assert [p.kind for p in lowered("lambda a, *, b: 0\n").codes[0].parameters] == ["normal", "keyword"]


def test_decorators() -> None:
    (code,) = lowered("@staticmethod\n@torch.no_grad()\n@a.b(c)(d)\n@e[0]\ndef f(): pass\n").codes
    assert code.decorators == ("staticmethod", "torch.no_grad", "a.b", "")


def test_annotated_assignments_come_before_their_store() -> None:
    kinds = list(events_of(lowered("x: nn.Module = f()\ny: int\nz.w: T = 1\n")))
    found = [(type(e).__name__, e.variable.name) for e in kinds if isinstance(e, Annotate | Store)]
    assert found == [("Annotate", "x"), ("Store", "x"), ("Annotate", "y")]
    assert [e.annotation for e in kinds if isinstance(e, Annotate)] == ["nn.Module", "int"]
