"""`check`: the files and folders of a call."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from torchmode_lint.cli.shared import CLEAN, FAILED, FOUND, INTERRUPTED, words

if TYPE_CHECKING:
    from torchmode_lint.engine import FileReport

_LONG_RUN = 50  # files from which on a progress bar is worth its line
_FILES_FOR_WORKERS = 12  # from which on other processes are worth starting
_CONFIDENCES = ("certain", "likely", "possible")
_FORMATS = ("text", "concise", "json")


def shard_of(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """`2/5` is the second of five parts."""
    if value is None:
        return None
    first, slash, last = value.partition("/")
    if not (slash and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise click.BadParameter("I/N, with I from 1 to N")
    return int(first), int(last)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@click.option(
    "--select",
    multiple=True,
    callback=words,
    metavar="RULES",
    help="Only these rules: codes, prefixes of codes or names, separated by commas.",
)
@click.option("--ignore", multiple=True, callback=words, metavar="RULES", help="Not these rules; wins over --select.")
@click.option(
    "--confidence",
    type=click.Choice(_CONFIDENCES),
    default="likely",
    show_default=True,
    help="Report what is at least this sure.",
)
@click.option(
    "--project-root",
    type=click.Path(path_type=Path, file_okay=False, exists=True, resolve_path=True),
    help="The folder that the project's imports start from.  [default: for each file the nearest folder upwards "
    "with pyproject.toml, setup.cfg, setup.py or .git]",
)
@click.option("--isolated", is_flag=True, help="Read no configuration files.")
@click.option("--output-format", type=click.Choice(_FORMATS), default="text", show_default=True)
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
@click.option(
    "--stdin-filename",
    type=click.Path(path_type=Path),
    help="The path that `-`, standard input, stands for.",
)
def check(
    paths: tuple[Path, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    confidence: str,
    project_root: Path | None,
    isolated: bool,
    output_format: str,
    no_cache: bool,
    jobs: int | None,
    executor: str | None,
    shard: tuple[int, int] | None,
    stdin_filename: Path | None,
) -> None:
    """Check files and folders; `-` is standard input.

    Folders are walked for .py files, leaving out what .gitignore ignores, virtual environments, caches,
    hidden folders and build folders. A path named here is always checked.
    """
    from torchmode_lint.config import ConfigurationError, Options
    from torchmode_lint.deep import on_deep_stack
    from torchmode_lint.diagnostic import Confidence
    from torchmode_lint.discovery import find_files
    from torchmode_lint.engine import check_paths, enabled_rules
    from torchmode_lint.parallel import usable_cores, workers

    options = Options(select, ignore, Confidence[confidence.upper()], project_root)
    start = time.perf_counter()
    found = list(find_files(paths))
    if shard is not None:
        part, parts = shard
        found = found[len(found) * (part - 1) // parts : len(found) * part // parts]
    jobs = jobs or usable_cores()
    few = executor is None and (jobs == 1 or len(found) < _FILES_FOR_WORKERS)
    try:
        if select or ignore:
            enabled_rules(options.select, options.ignore)
        with contextlib.ExitStack() as stack:
            pool = None if few else stack.enter_context(workers(executor, jobs))
            reports = check_paths(found, options, stdin_filename, cached=not no_cache, workers=pool)
            code = on_deep_stack(lambda: _show(_with_progress(reports, len(found)), start, output_format))
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit(code)


def _show(reports: Iterable[FileReport], start: float, output_format: str) -> int:
    from torchmode_lint.engine import Run
    from torchmode_lint.report import FORMATS

    every = tuple(reports)
    run = Run(every, time.perf_counter() - start)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    click.echo(FORMATS[output_format](run, colour), nl=False, color=colour)
    return FAILED if run.errors else FOUND if run.diagnostics else CLEAN


def _with_progress(reports: Iterator[FileReport], count: int) -> Iterator[FileReport]:
    if count < _LONG_RUN or not sys.stderr.isatty():
        yield from reports
        return
    with click.progressbar(reports, length=count, label="Checking", file=sys.stderr) as each:
        yield from each
