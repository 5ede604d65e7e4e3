"""The flake8 plugin: what the command says, under flake8's own rules of what to show."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from commands import BAD, EXAMPLES, FIXTURES, ROOT, SCRIPTS, check, flake8, run

Place = tuple[str, int, int, str]
FORMAT = "--format=%(path)s\t%(row)d\t%(col)d\t%(code)s"


def flake8_places(*arguments: object, cwd: Path = ROOT, stdin: bytes = b"") -> list[Place]:
    out = flake8(FORMAT, *arguments, cwd=cwd, stdin=stdin).out
    rows = [line.split("\t") for line in out.splitlines()]
    return sorted((path.removeprefix("./"), int(row), int(column), code) for path, row, column, code in rows)


def command_places(*arguments: object, cwd: Path = ROOT) -> list[Place]:
    ended = check(*arguments, cwd=cwd)
    errors = [(each["path"], each["line"], each["column"], each["code"]) for each in ended.document["errors"]]
    return sorted(ended.places + errors)


@pytest.mark.parametrize(
    ("confidence", "paths"),
    [("possible", [FIXTURES, EXAMPLES]), ("likely", [FIXTURES / "missing_eval", FIXTURES / "step_without_gradients"])],
)
def test_flake8_and_the_command_agree(confidence: str, paths: list[Path]) -> None:
    """On every fixture and every example; of what is only possible both are silent where it is not asked for."""
    paths = [path.relative_to(ROOT) for path in paths]
    with ThreadPoolExecutor() as both:
        theirs = both.submit(flake8_places, f"--torchmode-confidence={confidence}", *paths)
        ours = command_places("--confidence", confidence, *paths)
    assert ours
    assert theirs.result() == ours


def test_they_agree_on_encodings_line_ends_and_noqa(tmp_path: Path) -> None:
    text = BAD.replace("net.eval", "if '\xe9\u00df':\n    '\xe9'; net.eval")
    for name, data in {
        "crlf": text.replace("\n", "\r\n").encode(),
        "bom": b"\xef\xbb\xbf" + text.encode(),
        "cookie": b"# coding: latin-1\n" + text.encode("latin-1"),
        "formfeed": text.replace("\n\n", "\n\x0c\n").encode(),
        "unended": text.rstrip().encode(),
        "plain": b"import os\n",
        "empty": b"",
        "blanket": text.replace("; net.eval", "; net.eval  # noqa").encode(),
        "own": text.replace("; net.eval", "; net.eval  # noqa: TML501").encode(),
        "other": text.replace("; net.eval", "; net.eval  # noqa: TML101, E501").encode(),
        "prefix": text.replace("; net.eval", "; net.eval  # noqa:TML5").encode(),
        "many": text.replace("; net.eval", "; net.eval  # NoQA: E501,TML501 because").encode(),
        "continued": (BAD.rstrip() + "; x = [ # noqa\n]\n").encode(),
        "string": (BAD.rstrip() + '; x = """\n"""  # noqa\n').encode(),
        "backslash": (BAD.rstrip() + "; \\\n    x = 1  # noqa\n").encode(),
        "quoted": (BAD.rstrip() + "; x = '# noqa'\n").encode(),
        "above": (BAD.rstrip() + "(\n    # noqa\n).eval\n").encode(),
        "below": BAD.replace("net.eval", "(\n    net\n).eval  # noqa").encode(),
        "file": ("# flake8: noqa\n" + BAD).encode(),
        "file_code": ("# flake8: noqa: TML501\n" + BAD).encode(),
        "file_other": ("# flake8: noqa: E501\n" + BAD).encode(),
    }.items():
        (tmp_path / f"{name}.py").write_bytes(data)
    ours = command_places(".", cwd=tmp_path)
    assert {"crlf.py", "bom.py", "cookie.py", "other.py"} <= {place[0] for place in ours}
    assert flake8_places(".", cwd=tmp_path) == ours


def test_noqa_is_flake8s_decision(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD.rstrip() + "  # noqa\n")
    assert flake8_places("bad.py", cwd=tmp_path) == []
    assert flake8_places("--disable-noqa", "bad.py", cwd=tmp_path) == [("bad.py", 4, 1, "TML501")]


def test_select_and_ignore_are_flake8s(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD)
    assert flake8_places("--select=TML1", "bad.py", cwd=tmp_path) == []
    assert flake8_places("--ignore=TML501", "bad.py", cwd=tmp_path) == []
    by_default = run(SCRIPTS / "flake8", "--isolated", "bad.py", cwd=tmp_path)
    assert "bad.py:4:1: TML501 " in by_default.out


def test_standard_input(tmp_path: Path) -> None:
    assert flake8_places("-", cwd=tmp_path, stdin=BAD.encode()) == [("stdin", 4, 1, "TML501")]
    named = flake8_places("--stdin-display-name=pkg/a.py", "-", cwd=tmp_path, stdin=BAD.encode())
    assert named == [("pkg/a.py", 4, 1, "TML501")]


def test_options_come_from_flake8s_configuration_file(tmp_path: Path) -> None:
    source = FIXTURES / "missing_eval" / "good.py"
    (tmp_path / "good.py").write_bytes(source.read_bytes())
    (tmp_path / "bad.py").write_text(BAD)
    (tmp_path / "setup.cfg").write_text("[flake8]\nselect = TML\ntorchmode-confidence = possible\n")
    ended = run(SCRIPTS / "flake8", FORMAT, ".", cwd=tmp_path)
    assert len(ended.out.splitlines()) == len(command_places("--confidence", "possible", ".", cwd=tmp_path))
    (tmp_path / "setup.cfg").write_text("[flake8]\ntorchmode-confidence = sure\n")
    assert run(SCRIPTS / "flake8", ".", cwd=tmp_path).code != 0


def test_a_project_root_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD)
    (tmp_path / "src").mkdir()
    assert flake8_places("--torchmode-project-root=src", "bad.py", cwd=tmp_path) == [("bad.py", 4, 1, "TML501")]


def test_a_syntax_error_is_flake8s_to_report(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("import torch\ndef f(:\n")
    (tmp_path / "bad.py").write_text(BAD)
    assert [place[3] for place in flake8_places("--extend-select=E9", ".", cwd=tmp_path)] == ["TML501", "E999"]


def test_the_plugin_loads_without_flake8_and_without_the_analysis() -> None:
    code = (
        "import sys; import torchmode_lint.flake8_plugin; "
        "sys.exit(any(name in sys.modules for name in ('flake8', 'libcst', 'torchmode_lint.engine')))"
    )
    assert run(sys.executable, "-c", code).code == 0
