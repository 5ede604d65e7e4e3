"""Reading files: encodings, line ends, errors with the user's line, and places in the file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import libcst
import pytest

from commands import EXAMPLES
from torchmode_lint.diagnostic import Span
from torchmode_lint.source import SourceFile, parse_source, read_source
from torchmode_lint.text import SourceError


def error_of(text: str | bytes) -> SourceError:
    with pytest.raises(SourceError) as caught:
        parse_source(text.encode() if isinstance(text, str) else text, "a.py")
    return caught.value


def last_value(source: SourceFile) -> libcst.BaseExpression:
    """The value of the last statement, an assignment."""
    line = source.tree.body[-1]
    assert isinstance(line, libcst.SimpleStatementLine) and isinstance(line.body[0], libcst.Assign)
    return line.body[0].value


@pytest.mark.parametrize(
    ("data", "text", "encoding"),
    [
        (b"", "", "utf-8"),
        (b"\n", "\n", "utf-8"),
        ("é = 1\n".encode(), "é = 1\n", "utf-8"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n", "utf-8-sig"),
        (b"\xef\xbb\xbf", "", "utf-8-sig"),
        (b"\xef\xbb\xbf# coding: utf-8\n", "# coding: utf-8\n", "utf-8-sig"),
        (b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", "# -*- coding: latin-1 -*-\nx = 'é'\n", "iso-8859-1"),
        (b"#!/bin/python\n# vim: set fileencoding=cp1252 :\nx = '\x80'\n", None, "cp1252"),
        ("# coding: shift_jis\nx = 'テ'\n".encode("shift_jis"), "# coding: shift_jis\nx = 'テ'\n", "shift_jis"),
        (b"x = 1\r\ny = 2\r\n", "x = 1\r\ny = 2\r\n", "utf-8"),
        (b"\x0cx = 1\n\x0c\ndef f():\n    pass\n\x0c\n", None, "utf-8"),
        (b"x = 1", "x = 1", "utf-8"),
        (b"x = 1  # no end", None, "utf-8"),
        (b"if x:\n\ty = 1\n", None, "utf-8"),
        (b"x = 1 + \\\n  2\n", None, "utf-8"),
    ],
)
def test_what_is_read_can_be_written_again(data: bytes, text: str | None, encoding: str) -> None:
    source = parse_source(data, "a.py")
    assert source.encoding == encoding
    assert source.text.encode(source.encoding) == data
    assert text is None or source.text == text
    assert source.tree.code == source.text.lstrip("\f")
    assert source.code.kind == "file"


def test_lines_are_those_that_python_counts() -> None:
    source = parse_source(b"a = 1\r\nb = '\x0c\xc2\x85\xe2\x80\xa8'\nc = 3", "a.py")
    assert source.lines == ["a = 1", "b = '\x0c\x85\u2028'", "c = 3"]
    assert parse_source(b"", "a.py").lines == []
    assert parse_source(b"\n\n", "a.py").lines == ["", ""]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_spans_count_from_one(end: str, mark: bytes) -> None:
    text = f"# é{end}\x0c{end}x = 'é'; y = f(é,{end}  z){end}"
    source = parse_source(mark + text.encode(), "pkg/a.py")
    line = source.tree.body[-1]
    assert isinstance(line, libcst.SimpleStatementLine) and isinstance(line.body[1], libcst.Assign)
    assert source.span(line.body[1].value) == Span("pkg/a.py", 3, 14, 4, 5)
    assert source.span(line.body[0]) == Span("pkg/a.py", 3, 1, 3, 8)


def test_a_form_feed_at_the_beginning_counts_as_a_column() -> None:
    source = parse_source(b"\x0cx = 1\ny = 2\n", "a.py")
    assert source.span(source.tree.body[0]) == Span("a.py", 1, 2, 1, 7)
    assert source.span(source.tree.body[1]) == Span("a.py", 2, 1, 2, 6)


def test_the_tree_of_a_span_is_the_tree_that_was_lowered() -> None:
    source = parse_source(b"def f():\n    return g(1)\n", "a.py")
    (event,) = (event for event in source.code.codes[0].entry.events if type(event).__name__ == "Call")
    assert source.span(event.node) == Span("a.py", 2, 12, 2, 16)


def test_what_is_not_asked_for_is_not_made() -> None:
    source = parse_source(b"x = 1\n", "a.py")
    assert source._code is None and source._places is None and source._suppressions is None
    assert source.code is source.code


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = (1,\n\n\n", 1),
        ("a = 1\ndef f():\n    x = [1, 2\n\ny = 3\n", 3),
        ("class A:\n", 1),
        ("a = 1\n\nx = 1 +\n", 3),
        ("if True:\n    a\n  b\n", 3),
        ("\n  x = 1\n", 2),
        ("a\nx = '''abc\n\n", 2),
        ("a\n\nx = 'abc\n", 3),
        ("x = 1\n\n\n\n)\n", 5),
        ("a\r\nb = = 1\r\nc\r\n", 2),
        ("é\né = = 1\n", 2),
        ("a\nx = $\n", 2),
        ("import torch\n\ndef train(:\n    pass\n", 3),
        ("a\nprint 'a'\n", 2),
        ("def f():\n\treturn 1\n        x\n", 3),
    ],
)
def test_a_syntax_error_has_the_users_line(text: str, line: int) -> None:
    error = error_of(text)
    assert (error.code, error.line) == ("TML902", line)
    assert error.column >= 1 and error.line <= text.count("\n")
    assert "\n" not in error.message and 0 < len(error.message) < 300


def test_an_error_in_the_bytes() -> None:
    for data, line in [
        (b"x = 1\n\0", 2),
        (b"\x89PNG\r\n\x1a\n\0\0", 3),
        (b"x = '\xff'\n", 1),
        (b"a\nb\nc\nx = '\xe9'\n", 4),
        (b"\xff\xfex\0", 1),
        (b"# coding: nope\n", 1),
        (b"# coding: rot13\n", 1),
        (b"# coding: undefined\n", 1),
        (b"\xef\xbb\xbf# coding: latin-1\n", 1),
        (b"# coding: ascii\nx = '\xe9'\n", 2),
    ]:
        error = error_of(data)
        assert (error.code, error.line) == ("TML903", line), (data, error.message)


def test_brackets_deeper_than_python_allows() -> None:
    error = error_of("x = " + "(" * 5000 + ")" * 5000 + "\n")
    assert (error.code, error.line) == ("TML902", 1)
    quoted = "x = '" + "(" * 5000 + "'  # " + "[" * 500 + "\n"
    assert parse_source(quoted.encode(), "a.py").text == quoted


def test_an_expression_too_deep_for_the_usual_stack() -> None:
    """Parsing, lowering and positions all recurse; libcst's parser does so natively."""
    source = parse_source(b"x = " + b"-" * 2000 + b"a\n", "a.py")
    assert len(source.code.entry.events) == 2002
    assert source.span(last_value(source)) == Span("a.py", 1, 5, 1, 2006)


def test_reading_in_a_thread_with_a_small_stack() -> None:
    text = b"x = a" + b".b(c)" * 300 + b"\n"
    found: list[SourceFile] = []
    usual = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=lambda: found.append(parse_source(text, "a.py")))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(usual)
    assert found[0].text.encode() == text


def test_many_strings_joined() -> None:
    """More than libcst takes is an error of the file, not of the program."""
    assert parse_source(b"x = (" + b"'a'\n" * 2500 + b")\n", "a.py").code
    assert error_of("x = (" + "'a'\n" * 30_000 + ")\n").code == "TML902"


def test_reading_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"x = 1\r\n")
    assert read_source(path).path == path.as_posix()
    source = read_source(path, "pkg/a.py")
    assert (source.path, source.text) == ("pkg/a.py", "x = 1\r\n")
    assert source.span(last_value(source)).path == "pkg/a.py"


def test_what_cannot_be_read(tmp_path: Path) -> None:
    closed = tmp_path / "closed.py"
    closed.write_text("x = 1\n")
    closed.chmod(0)
    paths = [tmp_path / "missing.py", tmp_path]
    if os.name == "posix" and os.geteuid() != 0:
        paths.append(closed)
    for path in paths:
        with pytest.raises(SourceError) as caught:
            read_source(path)
        assert (caught.value.code, caught.value.line, caught.value.column) == ("TML900", 1, 1)
        assert caught.value.message


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.stem)
def test_a_tree_that_was_given_up_comes_back(path: Path) -> None:
    source, kept = read_source(path), read_source(path)
    lowered = list(source.code.walk())
    source.release()
    assert list(source.code.walk()) == lowered

    source.restore()
    assert _places(source) == _places(kept)


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.stem)
def test_what_is_lowered_after_the_tree_came_back_has_its_nodes(path: Path) -> None:
    source = read_source(path)
    source.restore()
    for code in list(source.code.walk_lowered()):
        source.span(code.node, code)
    assert _places(source) == _places(read_source(path))


def _places(of: SourceFile) -> list[tuple[str, Span]]:
    events = [(event, code) for code in of.code.walk() for block in code.blocks for event in block.events]
    return [(repr(event), of.span(event.node, code)) for event, code in events]
