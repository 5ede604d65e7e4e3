"""What training code looks like, idiom by idiom: each is read rightly, or is a limit with its reason.

A file of `fixtures/idioms` holds the idioms of one kind, each under a heading `# B3: saved and restored`. What is
marked is reported and nothing else; a section with a missed or false alarm says why in a line `# limit: ...`.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from commands import FIXTURES
from markers import Kind, parse_markers
from test_fixtures import diagnose, differences

FILES = sorted((FIXTURES / "idioms").glob("*.py"))
KINDS = {"A": 26, "B": 21, "C": 17, "D": 13, "E": 16, "F": 12, "G": 16, "H": 16, "I": 10}
HEADING = re.compile(r"^# ([A-I]\d+): \S", re.MULTILINE)


@cache
def sections(path: Path) -> list[tuple[str, str]]:
    """The name and text of each idiom of a file."""
    text = path.read_text(encoding="utf-8-sig")
    heads = list(HEADING.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return [(head[1], text[head.start() : end]) for head, end in zip(heads, ends, strict=True)]


def test_every_idiom_has_one_place() -> None:
    names = [name for path in FILES for name, _ in sections(path)]
    assert sorted(names) == sorted(f"{kind}{number}" for kind, last in KINDS.items() for number in range(1, last + 1))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_idiom_is_read_as_it_is_marked(path: Path) -> None:
    data = path.read_bytes()
    wrong = differences(parse_markers(data.decode("utf-8-sig")), diagnose(data, path))
    assert not wrong, "\n".join([f"{path}:", *wrong])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_limit_has_a_reason(path: Path) -> None:
    for name, text in sections(path):
        limits = [marker for marker in parse_markers(text) if marker.kind is not Kind.ERROR]
        assert bool(limits) == ("# limit: " in text), name
