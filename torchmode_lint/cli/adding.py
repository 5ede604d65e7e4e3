"""What `check --add-noqa` does: a comment on the line of each diagnostic, kept where the file can still be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from torchmode_lint.cli.sieve import Sieve
from torchmode_lint.comments import with_noqa
from torchmode_lint.config import OptionsByFile
from torchmode_lint.discovery import Found
from torchmode_lint.engine import FileReport, check_bytes
from torchmode_lint.ignores import UNUSED
from torchmode_lint.repair import edited
from torchmode_lint.source import parse_source
from torchmode_lint.text import shown_path
from torchmode_lint.writing import NotWritten, write


def silenced(
    found: Sequence[Found], reports: Iterable[FileReport], options: OptionsByFile, sieve: Sieve
) -> tuple[FileReport, ...]:
    """Adds the comments; the reports are on what they do not silence. Standard error says what was done."""
    left = []
    count = files = 0
    for each, before in zip(found, reports, strict=True):
        after = _silenced(each.path, before, options, sieve)
        settled = len(before.diagnostics) - len(after.diagnostics)
        count += settled
        files += settled > 0
        left.append(after)
    click.echo(f"{count} silenced in {files} file{'' if files == 1 else 's'}", err=True)
    return tuple(left)


def _silenced(path: Path, report: FileReport, options: OptionsByFile, sieve: Sieve) -> FileReport:
    """One file; the report is the same where nothing was written."""
    wanted = [one for one in report.diagnostics if one.code != UNUSED]
    if not wanted:
        return report
    data = path.read_bytes()
    source = parse_source(data, path.absolute().as_posix())
    edits = [replace(edit, span=source.placed(edit.span)) for edit in with_noqa(source, wanted)]
    result = edited(path, data, edits)
    after = sieve.one(check_bytes(result, path, options))
    try:
        if after.errors:
            raise NotWritten(after.errors[0].message)
        write(path, data, result)
    except NotWritten as error:
        click.echo(f"{shown_path(path)}: not silenced: {error}", err=True)
        return report
    return after
