"""What `--baseline` and `--since` leave out of the reports, and what `--write-baseline` writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from torchmode_lint import baseline
from torchmode_lint.config import OptionsByFile
from torchmode_lint.engine import FileReport, is_enabled
from torchmode_lint.known import Place, Sifted, places_of, sifted
from torchmode_lint.text import shown_path

if TYPE_CHECKING:
    from torchmode_lint.parallel import Workers


class Knowing(Protocol):
    """Whoever knows diagnostics already, by the names of files."""

    def name(self, path: str) -> str: ...
    def sift(self, reports: Sequence[FileReport], workers: Workers | None = None) -> Sifted: ...


class Sieve:
    """Lets through the diagnostics that none of these knows."""

    def __init__(self, knowing: Sequence[Knowing]) -> None:
        self._knowing = knowing
        self.last: list[Sifted] = []  # of each, what became of the last reports

    def all(self, reports: Sequence[FileReport], workers: Workers | None) -> tuple[FileReport, ...]:
        """The reports of a run."""
        self.last = []
        for one in self._knowing:
            self.last.append(one.sift(reports, workers))
            reports = self.last[-1].reports
        return tuple(reports)

    def one(self, report: FileReport) -> FileReport:
        """The report on a file that has been changed since: what was left out of it still is."""
        if not self.last:
            return self.all([report], None)[0]
        for knowing, found in zip(self._knowing, self.last, strict=True):
            name = knowing.name(report.path)
            here = Counter({place: count for place, count in found.still.items() if place[0] == name})
            (report,) = sifted([report], here, knowing.name).reports
        return report


def write_baseline(file: Path, known: Counter[Place]) -> None:
    """Writes a baseline, and says so on standard error."""
    try:
        file.write_text(baseline.written(known), encoding="utf-8", errors="surrogatepass")
    except OSError as error:
        raise click.UsageError(f"cannot write {file}: {error.strerror or error}") from error
    click.echo(f"{_counted(known.total())} written to {shown_path(file)}", err=True)


def of_all(file: Path, reports: Sequence[FileReport]) -> Counter[Place]:
    """What a new baseline in a file holds."""
    return places_of(reports, baseline.naming(file))


def renamed(known: Counter[Place], old: Path, new: Path) -> Counter[Place]:
    """What a baseline holds as another one, which may be in another folder, calls it."""
    name = baseline.naming(new)
    return Counter({(name(str(old.parent / path)), one): count for (path, one), count in known.items()})


def settled(known: Sifted, file: Path, options: OptionsByFile) -> tuple[Counter[Place], Counter[Place]]:
    """Of what a baseline holds and no report does: what is fixed, and what was not looked for.

    That is what is in files that are there and were not checked, or could not be, and what is of rules that are off.
    """
    checked = {baseline.naming(file)(report.path) for report in known.reports if not report.errors}
    fixed: Counter[Place] = Counter()
    for place, count in known.gone.items():
        path = file.parent / place[0]
        if is_enabled(place[1].code, options.of(path)) and (place[0] in checked or not path.exists()):
            fixed[place] = count
    return fixed, known.gone - fixed


def tell_fixed(fixed: Counter[Place], file: Path) -> None:
    """Says on standard error what a baseline holds in vain."""
    for (name, one), count in sorted(fixed.items()):
        times = f" ({count} times)" if count > 1 else ""
        within = baseline.qualified(one)
        click.echo(f"{name}: {one.code} is fixed{f' in `{within}`' if within else ''}: {one.line}{times}", err=True)
    if fixed:
        shown = shown_path(file)
        again = f"--baseline {shown} --write-baseline {shown}"
        click.echo(f"{_counted(fixed.total())} of {shown} fixed: `{again}` takes what is fixed out of it", err=True)


def _counted(count: int) -> str:
    return f"{count} diagnostic{'' if count == 1 else 's'}"
