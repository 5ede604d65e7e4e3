"""What `--baseline` and `--since` leave out of the reports, and what `--write-baseline` writes."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from torchmode_lint.config import OptionsByFile
from torchmode_lint.engine import FileReport, is_enabled
from torchmode_lint.text import shown_path

if TYPE_CHECKING:
    from torchmode_lint.baseline import Baseline
    from torchmode_lint.known import Place, Sifted
    from torchmode_lint.parallel import Workers
    from torchmode_lint.since import Since


class Sieve:
    """Lets through the diagnostics that neither the baseline in a file nor a revision has.

    Raises ConfigurationError where either cannot be read; `stack` closes what is open for the time of a run.
    """

    def __init__(
        self, file: Path | None, revision: str | None, options: OptionsByFile, stack: contextlib.ExitStack
    ) -> None:
        self._options = options
        self._knowing: list[Baseline | Since] = []
        self._last: list[Sifted] = []  # of each of these, what became of the reports
        self._file = file
        if file is not None:
            from torchmode_lint.baseline import Baseline

            self._knowing.append(Baseline(file))
        if revision is not None:
            from torchmode_lint.git import Revision
            from torchmode_lint.since import Since

            self._knowing.append(stack.enter_context(Since(Revision(revision, Path.cwd()), options)))

    def all(self, reports: Sequence[FileReport], workers: Workers | None = None) -> tuple[FileReport, ...]:
        """The reports of a run."""
        self._last = []
        for one in self._knowing:
            self._last.append(one.sift(reports, workers))
            reports = self._last[-1].reports
        return tuple(reports)

    def one(self, report: FileReport) -> FileReport:
        """The report on a file that has been changed since: what was left out of it still is."""
        if not self._last:
            return self.all([report])[0]
        from torchmode_lint.known import sifted

        for knowing, found in zip(self._knowing, self._last, strict=True):
            name = knowing.name(report.path)
            here = Counter({place: count for place, count in found.still.items() if place[0] == name})
            (report,) = sifted([report], here, knowing.name).reports
        return report

    def write(self, file: Path, reports: Sequence[FileReport]) -> None:
        """Writes a baseline of the diagnostics in reports, or what is left of the one that there is."""
        from torchmode_lint import baseline
        from torchmode_lint.known import places_of

        name = baseline.naming(file)
        if self._file is None:
            known = places_of(reports, name)
        else:
            left = self._last[0].still + (self._last[0].gone - self._fixed(self._file))
            folder = self._file.parent
            known = Counter({(name(str(folder / path)), one): count for (path, one), count in left.items()})
        try:
            file.write_text(baseline.written(known), encoding="utf-8", errors="surrogatepass")
        except OSError as error:
            raise click.UsageError(f"cannot write {file}: {error.strerror or error}") from error
        click.echo(f"{_counted(known.total())} written to {shown_path(file)}", err=True)

    def tell_fixed(self) -> None:
        """Says on standard error what the baseline holds in vain, if there is one."""
        if self._file is None:
            return
        fixed = self._fixed(self._file)
        for (name, one), count in sorted(fixed.items()):
            within = f" in `{one.qualified}`" if one.around else ""
            times = f" ({count} times)" if count > 1 else ""
            click.echo(f"{name}: {one.code} is fixed{within}: {one.line}{times}", err=True)
        if fixed:
            shown = shown_path(self._file)
            again = f"--baseline {shown} --write-baseline {shown}"
            click.echo(f"{_counted(fixed.total())} of {shown} fixed: `{again}` takes what is fixed out of it", err=True)

    def _fixed(self, file: Path) -> Counter[Place]:
        """Of what the baseline holds and no report does, what was looked for.

        What is in files that are there and were not checked, or could not be, and what is of rules that are off, was
        not.
        """
        found = self._last[0]
        checked = {self._knowing[0].name(report.path) for report in found.reports if not report.errors}
        fixed: Counter[Place] = Counter()
        for place, count in found.gone.items():
            path = file.parent / place[0]
            if is_enabled(place[1].code, self._options.of(path)) and (place[0] in checked or not path.exists()):
                fixed[place] = count
        return fixed


def _counted(count: int) -> str:
    return f"{count} diagnostic{'' if count == 1 else 's'}"
