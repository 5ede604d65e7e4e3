"""What the tests of lowering ask of a CFG."""

from __future__ import annotations

import contextlib
import functools
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import libcst

from torchmode_lint.flow.cfg import Block, Code
from torchmode_lint.flow.events import Event
from torchmode_lint.flow.lower import lower_file
from torchmode_lint.source import SourceFile, parse_source
from torchmode_lint.text import SourceError, decode

FILES = int(os.environ.get("TML_CORPUS_FILES", "120"))  # of some ten thousand, which take half an hour


def lowered(text: str) -> Code:
    return lower_file(libcst.parse_module(text))


def whole_source(path: Path) -> SourceFile:
    """The file parsed as a whole."""
    text, encoding = decode(path.read_bytes())
    return SourceFile(path.as_posix(), text, libcst.parse_module(text), encoding)


def all_codes(code: Code) -> Iterator[Code]:
    waiting = [code]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += one.codes


def events_of(code: Code) -> Iterator[Event]:
    for block in code.blocks:
        yield from block.events


def reached(code: Code) -> set[Block]:
    """The blocks that any path from the entry leads to."""
    found = {code.entry}
    waiting = [code.entry]
    while waiting:
        block = waiting.pop()
        for target in (*block.successors(), *block.handlers):
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found


@functools.cache
def corpus() -> tuple[SourceFile, ...]:
    """Files of the standard library and of installed packages, the same ones in every run."""
    folders = [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]
    paths = sorted(
        path
        for folder in folders
        for path in folder.rglob("*.py")
        if "site-packages" not in path.relative_to(folder).parts and path.stat().st_size < 120_000
    )
    found = []
    for path in paths[:: max(1, len(paths) // FILES)]:
        with contextlib.suppress(SourceError):  # broken on purpose, as some files of test suites are
            found.append(parse_source(path.read_bytes(), path.as_posix()))
    assert len(found) > 20
    return tuple(found)
