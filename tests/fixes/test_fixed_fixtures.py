"""What all fixes make of the fixtures of each rule, as it is kept beside them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from commands import FIXTURES
from fixed import fixed, repair
from markers import Kind, parse_markers
from test_fixtures import CODES

BAD = sorted(FIXTURES.glob("*/bad.py"))
UNFIXABLE = {"backward_without_graph", "step_without_gradients"}
fixed_once = cache(fixed)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.parent.name)
def test_fixes_make_what_is_kept_beside_it(path: Path) -> None:
    kept = path.with_name("bad.fixed.py")
    assert kept.exists() != (path.parent.name in UNFIXABLE)
    assert fixed_once(path) == (kept if kept.exists() else path).read_text(), "python tests/fixed.py"


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*/bad.fixed.py")), ids=lambda path: path.parent.name)
def test_a_second_run_changes_nothing(path: Path) -> None:
    again = repair(path)
    assert again.after == again.before and not again.fixed


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.parent.name)
def test_comments_stay(path: Path) -> None:
    def comments(text: str) -> list[str]:
        return sorted(line.strip() for line in text.split("\n") if line.lstrip().startswith("# "))

    assert comments(fixed_once(path)) == comments(path.read_text())


@pytest.mark.parametrize(
    "path", [path for path in BAD if path.parent.name not in UNFIXABLE], ids=lambda p: p.parent.name
)
def test_nothing_is_refused_and_all_is_fixed(path: Path) -> None:
    def bugs(text: str) -> int:
        code = CODES[path.parent.name]
        return sum(one.kind is Kind.ERROR and one.code == code for one in parse_markers(text))

    assert [f"{one.diagnostic.span.line}: {one.reason}" for one in repair(path).refused] == []
    assert bugs(path.read_text()) > 0
    assert bugs(fixed_once(path)) == 0
