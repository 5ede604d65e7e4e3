"""The engine's own promises: one file's trouble stays with it, and what is said is said once, in order."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from commands import BAD
from torchmode_lint import examine
from torchmode_lint.analysis.loader import Loader
from torchmode_lint.analysis.program import Program
from torchmode_lint.config import ConfigurationError, Options, codes_of
from torchmode_lint.diagnostic import Confidence, Diagnostic, Severity, Span
from torchmode_lint.discovery import find_files
from torchmode_lint.engine import State, check_bytes, check_paths, check_source, on_deep_stack
from torchmode_lint.outcome import Finding
from torchmode_lint.source import SourceFile, parse_source

NAMES = {"TML101": "missing-eval", "TML102": "mode-not-restored", "TML201": "missing-no-grad"}


def diagnostic(line: int, confidence: Confidence, code: str = "TML101", message: str = "") -> Diagnostic:
    return Diagnostic(code, NAMES[code], message, Span("a.py", line, 1, line, 2), Severity.ERROR, confidence)


@pytest.mark.parametrize("error", [AssertionError("two graphs in one"), RecursionError("too deep")])
def test_a_broken_invariant_is_an_error_of_its_file_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: AssertionError | RecursionError
) -> None:
    analyse = examine.analyse

    def broken(source: SourceFile, loader: Loader, callers: Sequence[Path] = ()) -> Program:
        if source.path.endswith("broken.py"):
            error.function = "train_one_epoch"  # type: ignore[union-attr]
            raise error
        return analyse(source, loader=loader, callers=callers)

    monkeypatch.setattr(examine, "analyse", broken)
    monkeypatch.chdir(tmp_path)
    Path("broken.py").write_text(BAD)
    Path("fine.py").write_text(BAD)
    first, second = check_paths(find_files([Path()]), Options())
    assert (first.state, first.diagnostics) == (State.FAILED, ())
    (reported,) = first.errors
    assert reported.code == examine.BROKEN_INVARIANT and reported.span.path == "broken.py"
    assert "in `train_one_epoch`" in reported.message and str(error) in reported.message
    assert "test_engine.py:" in reported.message
    assert (second.state, len(second.diagnostics), second.errors) == (State.ANALYSED, 1, ())


def test_one_rule_speaks_once_of_one_place_and_as_sure_as_it_can() -> None:
    found = [
        diagnostic(7, Confidence.LIKELY),
        diagnostic(3, Confidence.LIKELY, message="b"),
        diagnostic(3, Confidence.CERTAIN, message="c"),
        diagnostic(3, Confidence.LIKELY, message="a"),
        diagnostic(3, Confidence.POSSIBLE, "TML201"),
    ]
    findings = [Finding(each, silenced=False) for each in found]
    in_order = examine._in_order(findings)
    shown = [one.diagnostic for one in in_order]
    assert [(each.span.line, each.code, each.confidence) for each in shown] == [
        (3, "TML101", Confidence.CERTAIN),
        (3, "TML201", Confidence.POSSIBLE),
        (7, "TML101", Confidence.LIKELY),
    ]
    assert examine._in_order(reversed(findings)) == in_order


def test_source_and_bytes_are_checked_alike() -> None:
    source = parse_source(BAD.encode(), "a.py")
    assert tuple(check_source(source, Options())) == check_bytes(BAD.encode(), Path("a.py"), Options()).diagnostics


def test_suppressions_can_be_left_to_the_caller() -> None:
    data = (BAD.rstrip() + "  # noqa\n").encode()
    assert check_bytes(data, Path("a.py"), Options()).diagnostics == ()
    assert len(check_bytes(data, Path("a.py"), Options(), suppress=False).diagnostics) == 1


def test_words_of_select_and_ignore() -> None:
    assert codes_of(["TML1"], NAMES) == {"TML101", "TML102"}
    assert codes_of(["tml201", "MISSING-EVAL"], NAMES) == {"TML201", "TML101"}
    assert codes_of([], NAMES) == set()
    for word, near in (
        ("TML111", "TML1"),
        ("mode-restored", "mode-not-restored"),
        ("missing-nograd", "missing-no-grad"),
    ):
        with pytest.raises(ConfigurationError, match=f"{word}.*{near}"):
            codes_of(["TML", word], NAMES)
    for word in ("", "quite-unlike", "missing"):
        with pytest.raises(ConfigurationError, match="unknown rule"):
            codes_of([word], NAMES)


def test_the_deep_stack_is_deep_and_leaves_nothing_behind() -> None:
    def depth(number: int) -> int:
        return 0 if number == 0 else 1 + depth(number - 1)

    before = sys.getrecursionlimit(), threading.stack_size()
    assert on_deep_stack(lambda: depth(15_000)) == 15_000
    with pytest.raises(SystemExit):
        on_deep_stack(lambda: sys.exit(3))
    with pytest.raises(RecursionError):
        on_deep_stack(lambda: depth(10**6))
    assert (sys.getrecursionlimit(), threading.stack_size()) == before
