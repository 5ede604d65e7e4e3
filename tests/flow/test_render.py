"""The text and Mermaid forms, and through them what each kind of syntax becomes.

The expected texts are in `graphs.txt`, next to their programs. With TML_UPDATE=1 in the environment the
test writes that file anew: read the difference before committing it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphs import corpus, lowered

from torchmode_lint.flow.render import to_mermaid, to_text

SNAPSHOTS = Path(__file__).with_name("graphs.txt")
UPDATE = os.environ.get("TML_UPDATE") == "1"


def sections() -> Iterator[tuple[str, str, str]]:
    """Each title, program and expected text: `=== title`, the program, `---`, the text."""
    for section in SNAPSHOTS.read_text().split("=== ")[1:]:
        title, _, rest = section.partition("\n")
        program, _, expected = rest.partition("---\n")
        yield title, program, expected


@pytest.mark.skipif(UPDATE, reason="writing them anew")
@pytest.mark.parametrize(("program", "expected"), [pytest.param(p, e, id=title) for title, p, e in sections()])
def test_text(program: str, expected: str) -> None:
    assert to_text(lowered(program), nested=True) + "\n" == expected


@pytest.mark.skipif(not UPDATE, reason="only on request")
def test_update() -> None:
    written = [f"=== {title}\n{p}---\n{to_text(lowered(p), nested=True)}\n" for title, p, _ in sections()]
    SNAPSHOTS.write_text("".join(written))


def test_text_without_nested_codes() -> None:
    assert to_text(lowered("def f(): pass\n")).startswith("file @0\n  0:\n    r0 = function f()\n")
    assert "function f @1" not in to_text(lowered("def f(): pass\n"))


def test_mermaid() -> None:
    (code,) = lowered('def f(x=1):\n    with a("<&>"):\n        for y in x: g()\n').codes
    assert to_mermaid(code) == MERMAID


MERMAID = """\
flowchart TD
  subgraph c0["function f(x=) @1"]
    c0b0["0<br/>r0 = load a@0<br/>r1 = constant '#lt;#amp;#gt;'<br/>r2 = call r0(r1)<br/>r3 = enter r2"]
    c0b0 --> c0b1
    c0b1["1<br/>r4 = load x@1<br/>r5 = iterate r4"]
    c0b1 --> c0b2
    c0b1 -.-> c0b5
    c0b2["2<br/>r6 = next r5"]
    c0b2 -->|next| c0b3
    c0b2 -->|done| c0b4
    c0b2 -.-> c0b5
    c0b3["3<br/>store y@1 r6<br/>r7 = load g@0<br/>r8 = call r7()<br/>discard r8"]
    c0b3 --> c0b2
    c0b3 -.-> c0b5
    c0b4["4<br/>leave r2"]
    c0b4 --> c0b6
    c0b5["5<br/>leave r2<br/>suppress r2"]
    c0b5 -->|suppressed| c0b6
    c0b6["6<br/>return"]
  end
"""


def test_every_graph_can_be_drawn() -> None:
    for source in corpus()[::4]:
        assert to_text(source.code, nested=True).count("@") > 0
        drawn = to_mermaid(source.code, nested=True)
        assert drawn.count("  subgraph ") == drawn.count("\n  end\n") > 0
        assert all(line.count('"') in (0, 2) for line in drawn.splitlines())
