"""Odd files: each gets a clear error or none, and never costs the others their diagnostics."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import BAD, Ended, check, run, torchmode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds, beside what a test adds, one file with one diagnostic."""
    (tmp_path / "zz_bad.py").write_text(BAD)
    return tmp_path


def one_error(ended: Ended, path: str, line: int = 1) -> str:
    """The message of the only error, once the rest is seen to be checked nevertheless."""
    assert ended.code == 2, ended
    assert ended.places == [("zz_bad.py", 4, 1, "TML501")]
    (error,) = ended.document["errors"]
    assert (error["path"], error["line"], error["code"][:4]) == (path, line, "TML9")
    return str(error["message"])


@pytest.mark.parametrize("imports", ["import torch\n", "import os\n"])
def test_a_syntax_error_is_named_with_its_line(folder: Path, imports: str) -> None:
    (folder / "odd.py").write_text(imports + "\ndef train(:\n    pass\n")
    assert one_error(check(".", cwd=folder), "odd.py", line=3)


def test_an_unfinished_file(folder: Path) -> None:
    (folder / "odd.py").write_text("import torch\nprint((1,\n")
    ended = check(".", cwd=folder)
    assert one_error(ended, "odd.py", ended.document["errors"][0]["line"])


@pytest.mark.parametrize("text", ["", "\n", "\ufeff", "# torch\n", "   \n\t\n"])
def test_an_empty_file_is_fine(tmp_path: Path, text: str) -> None:
    (tmp_path / "empty.py").write_bytes(text.encode())
    ended = check(".", cwd=tmp_path)
    assert (ended.code, ended.document["errors"], ended.places) == (0, [], [])


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(256)) * 20,
        b"\x00" * 4096,
        b"\x89PNG\r\n\x1a\n torch",
        b"import torch\n\xff\xfe\n",
        b"# coding: no-such-codec\nimport torch\n",
        b"\x7fELF torch \x00\x00",
    ],
)
def test_a_binary_file(folder: Path, data: bytes) -> None:
    (folder / "odd.py").write_bytes(data)
    ended = check(".", cwd=folder)
    assert one_error(ended, "odd.py", ended.document["errors"][0]["line"])


def test_a_missing_path(folder: Path) -> None:
    message = one_error(check("missing.py", ".", cwd=folder), "missing.py")
    assert "No such file" in message
    text = torchmode("check", "--isolated", "missing.py", cwd=folder)
    assert text.code == 2 and text.out.startswith("missing.py:1:1: TML9")


def test_a_folder_without_python(folder: Path) -> None:
    (folder / "docs").mkdir()
    (folder / "docs" / "readme.md").write_text("torch\n")
    message = one_error(check("docs", ".", cwd=folder), "docs")
    assert "no Python file" in message


def test_a_link_to_nothing(folder: Path) -> None:
    (folder / "gone.py").symlink_to(folder / "nowhere.py")
    assert "No such file" in one_error(check(".", cwd=folder), "gone.py")


def test_a_folder_named_like_a_file(folder: Path) -> None:
    (folder / "pkg.py").mkdir()
    (folder / "pkg.py" / "a.py").write_text(BAD)
    assert [place[0] for place in check(".", cwd=folder).places] == ["pkg.py/a.py", "zz_bad.py"]


def test_a_pipe_in_a_folder_is_passed_over(folder: Path) -> None:
    os.mkfifo(folder / "pipe.py")
    assert check(".", cwd=folder).places == [("zz_bad.py", 4, 1, "TML501")]


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that any user can enter, as a test's own folder is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


# Root may read everything, so the command gives that up once it has loaded all it needs.
AS_NOBODY = """
import os, sys
from torchmode_lint.cli import main
try:
    main(["check", "--isolated", "--output-format", "json", "zz_bad.py"])
except SystemExit:
    print("---", flush=True)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
main(["check", "--isolated", "--output-format", "json", *sys.argv[1:]])
"""


def as_nobody(*arguments: object, cwd: Path) -> Ended:
    ended = run(sys.executable, "-c", AS_NOBODY, *arguments, cwd=cwd)
    return Ended(ended.code, ended.out.partition("---\n")[2], ended.err)


@pytest.mark.parametrize("arguments", [(".",), ("secret.py", "zz_bad.py")])
def test_an_unreadable_file(public: Path, arguments: tuple[str, ...]) -> None:
    (public / "zz_bad.py").write_text(BAD)
    (public / "secret.py").write_text(BAD)
    (public / "secret.py").chmod(0)
    assert one_error(as_nobody(*arguments, cwd=public), "secret.py") == "Permission denied"


def test_an_unreadable_folder(public: Path) -> None:
    (public / "zz_bad.py").write_text(BAD)
    (public / "secret").mkdir(mode=0)
    assert one_error(as_nobody(".", cwd=public), "secret") == "Permission denied"


def test_a_file_of_20_000_lines(folder: Path) -> None:
    function = (
        "def train_{0}(net, loader, optimizer):\n"
        "    for x, y in loader:\n"
        "        optimizer.zero_grad()\n"
        "        loss = ((net(x) - y) ** 2).mean()\n"
        "        loss.backward()\n"
        "        optimizer.step()\n"
        "    return {{'loss': loss.item(), 'count': len(loader), 'name': 'train_{0}'}}\n"
        "\n"
    )
    table = "table = {\n" + "".join(f"    {number}: 0.5,\n" for number in range(16_000)) + "}\n"
    text = "import torch\n" + table + "".join(function.format(number) for number in range(500)) + BAD
    (folder / "long.py").write_text(text)
    lines = text.count("\n")
    assert lines > 20_000
    ended = check("long.py", "zz_bad.py", cwd=folder)
    assert ended.places == [("long.py", lines, 1, "TML501"), ("zz_bad.py", 4, 1, "TML501")], ended


def nested(depth: int, indent: str = " ") -> str:
    """Functions `depth` deep, of which the innermost holds a diagnostic."""
    lines = [f"{indent * level}def f{level}():" for level in range(depth)]
    return BAD.replace("net.eval\n", "") + "\n".join(lines) + " net.eval\n"


def test_a_function_nested_100_deep(folder: Path) -> None:
    (folder / "deep.py").write_text(nested(100))
    calls = "".join(f"{' ' * level}f{level}()\n" for level in range(99, -1, -1))
    (folder / "deep_called.py").write_text(nested(100) + calls)
    ended = check("deep.py", "deep_called.py", "zz_bad.py", cwd=folder)
    assert (ended.code, ended.document["errors"]) == (1, []), ended
    assert [place[:2] for place in ended.places] == [("deep.py", 103), ("deep_called.py", 103), ("zz_bad.py", 4)]


def test_deeper_than_python_itself_allows_is_an_error(folder: Path) -> None:
    (folder / "deep.py").write_text(nested(150))
    ended = check("deep.py", ".", cwd=folder)
    assert one_error(ended, "deep.py", ended.document["errors"][0]["line"])


@pytest.mark.parametrize(
    "expression",
    ["f(" * 150 + ")" * 150, "1" + " + 1" * 1000, "x" + ".y" * 500, "not " * 500 + "x", "[" * 150 + "]" * 150],
    ids=["calls", "sum", "attributes", "not", "lists"],
)
def test_deep_expressions(folder: Path, expression: str) -> None:
    (folder / "deep.py").write_text(f"{BAD}x = {expression}\n")
    ended = check("deep.py", "zz_bad.py", cwd=folder)
    assert ended.places == [("deep.py", 4, 1, "TML501"), ("zz_bad.py", 4, 1, "TML501")], ended


def test_every_way_of_ending_a_line_and_of_encoding_gives_the_same_places(folder: Path) -> None:
    for name, data in {
        "crlf": BAD.replace("\n", "\r\n").encode(),
        "bom": b"\xef\xbb\xbf" + BAD.encode(),
        "latin": BAD.replace("import torch\n", "# coding: latin-1\nimport torch  # \xe9").encode("latin-1"),
        "unended": BAD.rstrip().encode(),
    }.items():
        (folder / f"{name}.py").write_bytes(data)
    ended = check(".", cwd=folder)
    assert [place[1:] for place in ended.places] == [(4, 1, "TML501")] * 5
