"""`check`: the files and folders of a call."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from torchmode_lint.cli.options import configured
from torchmode_lint.cli.shared import CLEAN, FAILED, FOUND, INTERRUPTED, Refused
from torchmode_lint.report import FORMATS, render

if TYPE_CHECKING:
    from torchmode_lint.configuration import Configuration
    from torchmode_lint.engine import FileReport, Run

_LONG_RUN = 50  # files from which on a progress bar is worth its line


def shard_of(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """`2/5` is the second of five parts."""
    if value is None:
        return None
    first, slash, last = value.partition("/")
    if not (slash and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise click.BadParameter("I/N, with I from 1 to N")
    return int(first), int(last)


def further_reports(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, Path], ...]:
    """`sarif=FILE` is a format and a file."""
    pairs = [value.partition("=") for value in values]
    for form, _, file in pairs:
        if form not in FORMATS or not file:
            raise click.BadParameter(f"FORMAT=FILE, with one of {', '.join(FORMATS)}")
    return tuple((form, Path(file)) for form, _, file in pairs)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@configured
@click.option("--output-format", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option(
    "--output-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the report goes.  [default: standard output]",
)
@click.option(
    "--report",
    "further",
    multiple=True,
    metavar="FORMAT=FILE",
    callback=further_reports,
    help="Write another report to a file; may be given several times.",
)
@click.option("--statistics", is_flag=True, help="Count the diagnostics of each rule, on standard error.")
@click.option("-q", "--quiet", is_flag=True, help="Print diagnostics and nothing else.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 although there are diagnostics.")
@click.option("--no-cache", is_flag=True, help="Neither use results of earlier runs nor keep those of this one.")
@click.option(
    "-j", "--jobs", type=click.IntRange(min=1), help="Processes that examine files.  [default: as many as cores]"
)
@click.option(
    "--executor",
    metavar="NAME",
    help="Workers elsewhere: `dask:ADDRESS`, or `module:factory` of a concurrent.futures.Executor.",
)
@click.option("--shard", metavar="I/N", callback=shard_of, help="Only the I-th of N parts of the files; see `merge`.")
@click.option("--fix", is_flag=True, help="Apply the safe fixes, and report what is left.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix, --fix-only or --diff: the unsafe fixes too.")
@click.option("--fix-only", is_flag=True, help="Apply fixes, and report nothing of what is left.")
@click.option("--diff", is_flag=True, help="Print what the fixes would change, and change nothing.")
@click.option("--add-noqa", is_flag=True, help="Silence what is found by `# noqa` comments, and report what is left.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Report only what this file does not hold, and say what of it is fixed.",
)
@click.option(
    "--write-baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what is found to this file, in place of a report; with --baseline, what is left of that.",
)
@click.option(
    "--since",
    metavar="REV",
    help="Report only what the changes since this git revision (or since its fork) introduced.",
)
@click.option(
    "--stdin-filename",
    type=click.Path(path_type=Path),
    help="The path that `-`, standard input, stands for.",
)
@click.option("--show-settings", is_flag=True, help="Print what is asked for each path, and what asks for it.")
def check(
    paths: tuple[Path, ...],
    configuration: Configuration,
    output_format: str,
    output_file: Path | None,
    further: tuple[tuple[str, Path], ...],
    statistics: bool,
    quiet: bool,
    exit_zero: bool,
    no_cache: bool,
    jobs: int | None,
    executor: str | None,
    shard: tuple[int, int] | None,
    fix: bool,
    unsafe_fixes: bool,
    fix_only: bool,
    diff: bool,
    add_noqa: bool,
    baseline: Path | None,
    write_baseline: Path | None,
    since: str | None,
    stdin_filename: Path | None,
    show_settings: bool,
) -> None:
    """Check files and folders; `-` is standard input.

    Folders are walked for .py files, leaving out what .gitignore ignores, virtual environments, caches,
    hidden folders and build folders. A path named here is always checked. Options may also stand in
    torchmode-lint.toml or in [tool.torchmode-lint] of pyproject.toml: see `torchmode-lint config`.
    """
    from torchmode_lint.cli.fixing import Fixes, fixed
    from torchmode_lint.cli.sieve import Sieve
    from torchmode_lint.config import ConfigurationError
    from torchmode_lint.deep import on_deep_stack
    from torchmode_lint.discovery import STDIN
    from torchmode_lint.engine import Run, check_paths
    from torchmode_lint.parallel import usable_cores, workers

    _refuse_contradictions(
        {"--add-noqa": add_noqa, "--write-baseline": write_baseline is not None},
        {"--fix": fix, "--fix-only": fix_only, "--diff": diff, "-": STDIN in paths},
    )
    start = time.perf_counter()
    jobs = jobs or usable_cores()
    try:
        if show_settings:
            _show_settings(paths, configuration)
            return
        found = configuration.files(paths)
        if shard is not None:
            part, parts = shard
            found = found[len(found) * (part - 1) // parts : len(found) * part // parts]
        alone = executor is None and jobs == 1
        with contextlib.ExitStack() as stack:
            sieve = Sieve(baseline, since, configuration, stack)
            fixes = Fixes(fix or fix_only or diff, unsafe_fixes, fix_only, diff, sieve.one)
            pool = None if alone else stack.enter_context(workers(executor, jobs))

            def reports() -> tuple[FileReport, ...]:
                checked = check_paths(
                    *(found, configuration, stdin_filename),
                    cached=not no_cache,
                    workers=pool,
                    watched="html" in (output_format, *(form for form, _ in further)),
                )
                return sieve.all(list(checked if quiet else _with_progress(checked, len(found))), pool)

            def ending() -> tuple[FileReport, ...] | int:
                if add_noqa:
                    from torchmode_lint.cli.adding import silenced

                    return silenced(found, reports(), configuration, sieve)
                return fixed(found, reports, configuration, fixes, stdin_filename) if fixes.wanted else reports()

            ended = on_deep_stack(ending)
    except ConfigurationError as error:
        raise Refused(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    if isinstance(ended, int):
        sys.exit(ended)
    if write_baseline:
        sieve.write(write_baseline, ended)
        if baseline is None:  # what is found is written in place of a report
            ended = tuple(replace(report, diagnostics=()) for report in ended)
            if not any(report.errors for report in ended):
                sys.exit(CLEAN)
    elif not quiet:
        sieve.tell_fixed()
    run = Run(ended, time.perf_counter() - start, quiet)
    fixed_text = fixes.wanted and any(each.path == STDIN for each in found)  # that is what standard output is for
    for form, file in ((output_format, output_file), *further):
        _show(run, form, file, to_stderr=fixed_text)
    if statistics:
        _count(run)
    sys.exit(FAILED if run.errors else FOUND if run.fails and not exit_zero else CLEAN)


_CONTRADICTIONS = {"--add-noqa": ("--fix", "--fix-only", "--diff", "-"), "--write-baseline": ("--fix-only", "--diff")}


def _refuse_contradictions(asked: dict[str, bool], beside: dict[str, bool]) -> None:
    for option, others in _CONTRADICTIONS.items():
        for other in others:
            if asked[option] and beside[other]:
                raise click.UsageError(f"{option} and {other} are two calls")


def _show_settings(paths: Iterable[Path], configuration: Configuration) -> None:
    for path in paths:
        click.echo(f"# {path}")
        for name, setting in configuration.settings(path):
            click.echo(f"{name} = {setting.text}  # {setting.origin}")


def _show(run: Run, output_format: str, output_file: Path | None, *, to_stderr: bool) -> None:
    stream = sys.stderr if to_stderr else sys.stdout
    colour = output_file is None and stream.isatty() and not os.environ.get("NO_COLOR")
    text = render(run, output_format, colour=colour)
    if output_file is None:
        click.echo(text, nl=False, color=colour, err=to_stderr)
        return
    try:
        output_file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot write {output_file}: {error.strerror or error}") from error


def _count(run: Run) -> None:
    found = Counter((each.code, each.rule) for each in (*run.diagnostics, *run.errors))
    for (code, name), number in sorted(found.items(), key=lambda one: (-one[1], one[0])):
        click.echo(f"{number:>6}  {code}  {name}", err=True)


def _with_progress(reports: Iterator[FileReport], count: int) -> Iterator[FileReport]:
    if count < _LONG_RUN or not sys.stderr.isatty():
        yield from reports
        return
    with click.progressbar(reports, length=count, label="Checking", file=sys.stderr) as each:
        yield from each
