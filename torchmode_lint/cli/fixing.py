"""What `check --fix`, `--fix-only` and `--diff` do with the files that have diagnostics with a fix."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from torchmode_lint.cli.shared import CLEAN, FAILED, FOUND
from torchmode_lint.config import OptionsByFile
from torchmode_lint.discovery import STDIN, Found
from torchmode_lint.engine import FileReport, check_bytes
from torchmode_lint.text import decode, shown_path

if TYPE_CHECKING:
    from torchmode_lint.repair import Repair


@dataclass(frozen=True, slots=True)
class Fixes:
    """What a call asks of the fixes: `unsafe` ones too, nothing `only` but them, or to be shown as a `diff`.

    `sieve` leaves out what is known already.
    """

    wanted: bool
    unsafe: bool
    only: bool
    diff: bool
    sieve: Callable[[FileReport], FileReport]


def fixed(
    found: Sequence[Found],
    reports: Callable[[], tuple[FileReport, ...]],
    options: OptionsByFile,
    fixes: Fixes,
    stdin_path: Path | None,
) -> tuple[FileReport, ...] | int:
    """Fixes what a run finds: the reports on what is left, or the exit code where nothing more is to be said."""
    if any(each.path == STDIN for each in found):
        return _standard_input(stdin_path or Path("<stdin>"), options, fixes)
    first = reports()
    failed = any(report.errors for report in first)
    paths = [
        each.path
        for each, report in zip(found, first, strict=True)
        if any(one.fix is not None for one in report.diagnostics)
    ]
    if fixes.diff or fixes.only:
        _tell_errors(first)
    if fixes.diff:
        shown = [line for path in paths for line in _shown(_repaired(path, path.read_bytes(), options, fixes))]
        return FAILED if failed else FOUND if shown else CLEAN
    count = _fix_files(paths, options, fixes)
    if fixes.only:
        return FAILED if failed else CLEAN
    return reports() if count else first


def _tell_errors(reports: Iterable[FileReport]) -> None:
    """Says on standard error which files could not be checked, where no report is going to."""
    from torchmode_lint.report.concise import place

    for error in (error for report in reports for error in report.errors):
        click.echo(f"{place(error)}: {error.code} {error.message}", err=True)


def _fix_files(paths: Iterable[Path], options: OptionsByFile, fixes: Fixes) -> int:
    """Fixes files in place, one after the other, and returns how many diagnostics that has settled."""
    from torchmode_lint.writing import NotWritten, write

    count = files = 0
    for path in paths:
        repair = _repaired(path, path.read_bytes(), options, fixes)
        if repair.after == repair.before:
            continue
        try:
            write(path, repair.before, repair.after)
        except NotWritten as error:
            click.echo(f"{shown_path(path)}: not fixed: {error}", err=True)
            continue
        files += 1
        count += len(repair.fixed)
    if count:
        click.echo(f"{count} fixed in {files} file{'' if files == 1 else 's'}", err=True)
    return count


def _standard_input(path: Path, options: OptionsByFile, fixes: Fixes) -> tuple[FileReport, ...] | int:
    """Prints standard input as fixes make it, or how they change it; the reports are on what is left."""
    repair = _repaired(path, sys.stdin.buffer.read(), options, fixes)
    if fixes.diff:
        return FOUND if list(_shown(repair)) else CLEAN
    sys.stdout.buffer.write(repair.after)
    sys.stdout.buffer.flush()
    return CLEAN if fixes.only else (fixes.sieve(check_bytes(repair.after, path, options)),)


def _repaired(path: Path, data: bytes, options: OptionsByFile, fixes: Fixes) -> Repair:
    """What fixes make of a file; standard error says what was not done, and why."""
    from torchmode_lint.repair import repaired
    from torchmode_lint.report.concise import place

    repair = repaired(path, data, options, unsafe=fixes.unsafe, sieve=fixes.sieve)
    for refusal in repair.refused:
        one = refusal.diagnostic
        click.echo(f"{place(one)}: {one.code} not fixed: {refusal.reason}", err=True)
    return repair


def _shown(repair: Repair) -> Iterator[str]:
    """Prints a unified diff of a repair, and yields its lines."""
    name = shown_path(repair.path)
    for line in difflib.unified_diff(_lines(repair.before), _lines(repair.after), f"a/{name}", f"b/{name}"):
        ended = line.endswith("\n")
        click.echo(line if ended else f"{line}\n\\ No newline at end of file", nl=not ended)
        yield line


def _lines(data: bytes) -> list[str]:
    text = data.decode("utf-8", "replace") if data.lstrip().startswith(b"{") else decode(data)[0]
    return text.splitlines(keepends=True)
