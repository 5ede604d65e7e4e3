"""Every rule on its fixtures: what the markers say, all of it and nothing else.

A file is read once and checked from its bytes, as the command does it.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from commands import FIXTURES
from markers import Kind, Marker, parse_markers
from torchmode_lint.config import Options
from torchmode_lint.diagnostic import Diagnostic
from torchmode_lint.engine import check_bytes, on_deep_stack
from torchmode_lint.rules import ALL_RULES

BAD = sorted(FIXTURES.glob("*/bad.py"))
GOOD = sorted([*FIXTURES.glob("*/good.py"), *FIXTURES.glob("*/good_frameworks.py")])
CODES = {rule.name.replace("-", "_"): rule.code for rule in ALL_RULES}


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def diagnose(data: bytes, path: Path) -> list[Diagnostic]:
    report = on_deep_stack(lambda: check_bytes(data, path, Options()))
    assert not report.errors, report.errors
    return list(report.diagnostics)


@cache
def reported(path: Path) -> list[Diagnostic]:
    return diagnose(path.read_bytes(), path)


def differences(markers: list[Marker], found: list[Diagnostic]) -> list[str]:
    """Where the markers and the diagnostics of one file say different things, one a line."""
    wrong = []
    marked = {(marker.line, marker.code): marker for marker in markers}
    messages: dict[tuple[int, str], list[str]] = {}
    for each in found:
        messages.setdefault((each.span.line, each.code), []).append(each.message)
    for (line, code), texts in messages.items():
        marker = marked.get((line, code))
        if marker is None:
            wrong.append(f"{line}: {code} is reported: {texts[0]}")
        elif marker.kind is Kind.MISSED:
            wrong.append(f"{line}: {code} is reported by now: mark it as an error")
        elif marker.message is not None and not any(marker.message in text for text in texts):
            wrong.append(f"{line}: {code} says {texts[0]!r}, without {marker.message!r}")
    for (line, code), marker in marked.items():
        if marker.kind is not Kind.MISSED and (line, code) not in messages:
            gone = "is gone: drop the marker" if marker.kind is Kind.FALSE_ALARM else "is not reported"
            wrong.append(f"{line}: {code} {gone}")
    return sorted(wrong, key=lambda text: int(text.split(":")[0]))


@pytest.mark.parametrize("path", BAD + GOOD, ids=name_of)
def test_what_is_marked_is_reported_and_nothing_else(path: Path) -> None:
    wrong = differences(parse_markers(path.read_text()), reported(path))
    assert not wrong, "\n".join([f"{path}:", *wrong])


@pytest.mark.parametrize("path", BAD + GOOD, ids=name_of)
def test_noqa_on_each_reported_line_silences_the_file(path: Path) -> None:
    lines = path.read_text().split("\n")
    for line in {each.span.line for each in reported(path)}:
        lines[line - 1] += "  # noqa"
    assert diagnose("\n".join(lines).encode(), path) == []


@pytest.mark.parametrize("path", BAD + GOOD, ids=name_of)
def test_a_fixture_compiles_and_says_what_each_shape_is(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    compile(tree, str(path), "exec")
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("path", BAD, ids=name_of)
def test_bad_fixtures_hold_at_least_six_bugs_of_their_rule(path: Path) -> None:
    markers = parse_markers(path.read_text())
    own = [marker for marker in markers if marker.code == CODES[path.parent.name] and marker.kind is Kind.ERROR]
    assert len(own) >= 6


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*/good.py")), ids=name_of)
def test_good_fixtures_hold_at_least_ten_shapes(path: Path) -> None:
    shapes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert len(shapes) >= 10


@pytest.mark.parametrize("path", GOOD, ids=name_of)
def test_good_fixtures_hold_no_bug(path: Path) -> None:
    assert {marker.kind for marker in parse_markers(path.read_text())} <= {Kind.FALSE_ALARM}


def test_markers_are_read_from_the_end_of_a_line() -> None:
    text = 'a  # error: TML101 "in train mode"\nb\nc  # missed: TML401\nd  # why  # false-alarm: TML201\n'
    assert parse_markers(text) == [
        Marker(1, Kind.ERROR, "TML101", "in train mode"),
        Marker(3, Kind.MISSED, "TML401"),
        Marker(4, Kind.FALSE_ALARM, "TML201"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "x  # error: TML1",
        "x  # error TML101",
        "x  # error: TML101 because",
        "x  # error: TML101  # missed: TML201",
        'x  # missed: TML101 "a" "b"',
    ],
)
def test_a_marker_that_is_not_one_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        parse_markers(line)
