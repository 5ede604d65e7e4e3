"""The command `torchmode-lint`: reads the call, runs the engine, prints a report, decides the exit code.

Translates only: what is found does not depend on how it is shown. What the commands need is imported
inside them, so that `--version` and `--help` answer at once.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from torchmode_lint import __version__

if TYPE_CHECKING:
    from torchmode_lint.engine import FileReport

CLEAN, FOUND, FAILED, INTERRUPTED = 0, 1, 2, 130
_LONG_RUN = 50  # files from which on a progress bar is worth its line
_FILES_FOR_WORKERS = 12  # from which on other processes are worth starting
_CONFIDENCES = ("certain", "likely", "possible")
_FORMATS = ("text", "concise", "json")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Find broken train/eval, grad mode, gradient and graph protocols in PyTorch programs.

    Exit codes: 0 nothing to report, 1 diagnostics, 2 a file could not be checked or the call was wrong.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a checked file may hold what the terminal cannot show


def _shard(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """`2/5` is the second of five parts."""
    if value is None:
        return None
    first, slash, last = value.partition("/")
    if not (slash and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise click.BadParameter("I/N, with I from 1 to N")
    return int(first), int(last)


def _words(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """`--select a,b --select c` is `a`, `b` and `c`."""
    return tuple(word.strip() for value in values for word in value.split(","))


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@click.option(
    "--select",
    multiple=True,
    callback=_words,
    metavar="RULES",
    help="Only these rules: codes, prefixes of codes or names, separated by commas.",
)
@click.option("--ignore", multiple=True, callback=_words, metavar="RULES", help="Not these rules; wins over --select.")
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
@click.option("--shard", metavar="I/N", callback=_shard, help="Only the I-th of N parts of the files; see `merge`.")
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

    options = Options(select, ignore, Confidence[confidence.upper()], project_root, isolated)
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


@main.command()
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
def merge(reports: tuple[Path, ...]) -> None:
    """Make one JSON report of those on all shards of a run, given in their order."""
    import json

    from torchmode_lint.report.json import merged

    try:
        text, code = merged([json.loads(path.read_text(encoding="utf-8")) for path in reports])
    except (ValueError, KeyError, TypeError) as error:
        raise click.UsageError(f"not reports of this version: {error!r}") from error
    click.echo(text, nl=False)
    sys.exit(code)


@main.command()
def clean() -> None:
    """Remove the results that earlier runs have kept, of all projects."""
    from torchmode_lint.cache import clean as remove
    from torchmode_lint.cache import folder

    click.echo(f"{remove()} projects' results removed from {folder()}")


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[SCRIPT [ARGS]...]")
@click.option("-m", "module", metavar="MODULE", help="Run a module instead of a script; all that follows is its own.")
@click.option("--rule", "rules", multiple=True, callback=_words, metavar="CODE", help="Only the experiments on these.")
@click.option("--report", type=click.Path(path_type=Path), default="report.html", show_default=True)
@click.option("--output-format", type=click.Choice(("text", "json", "markdown")), default="text", show_default=True)
@click.option(
    "--output-file", type=click.Path(path_type=Path), help="Where the table goes.  [default: standard output]"
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds that the program may take.")
@click.option("--steps", type=click.IntRange(min=1), help="Stop the program after so many steps of optimizers.")
@click.option("--project-root", type=click.Path(path_type=Path, file_okay=False, exists=True, resolve_path=True))
def confirm(
    program: tuple[str, ...],
    module: str | None,
    rules: tuple[str, ...],
    report: Path,
    output_format: str,
    output_file: Path | None,
    timeout: float | None,
    steps: int | None,
    project_root: Path | None,
) -> None:
    """Confirm the rules on live torch: by our experiments, or in a program of yours, which is EXECUTED.

    Without SCRIPT, every rule's experiments are run; a table says what differed, the report has the plots, and the
    exit code is 1 when a rule is not confirmed. With SCRIPT (or -m MODULE) that program is run, and what happened is
    laid beside what the checker says: confirmed, not observed, not reached, or missed; the exit code is 1 when a
    broken move was observed. Needs the extra: pip install 'torchmode-lint[runtime]'.
    """
    if find_spec("torch") is None:
        raise click.UsageError("this needs torch: pip install 'torchmode-lint[runtime]'")
    if module is None and not program:
        text, failed = _experiments(rules, report, output_format)
    else:
        if output_format == "markdown":
            raise click.UsageError("a program's table comes as text or json")
        command = program if module is None else (module, *program)
        text, failed = _trial(command, module is not None, output_format, timeout, steps, project_root)
    if output_file is None:
        click.echo(text, nl=False)
    else:
        output_file.write_text(text, encoding="utf-8")
    sys.exit(FOUND if failed else CLEAN)


def _experiments(rules: tuple[str, ...], report: Path, output_format: str) -> tuple[str, bool]:
    from torchmode_lint.config import ConfigurationError
    from torchmode_lint.engine import enabled_rules

    try:
        codes = {rule.code for rule in enabled_rules(rules, ())}
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    try:
        from torchmode_lint.runtime import evidence, laboratory, plots
    except ModuleNotFoundError as error:
        raise click.UsageError(f"{error}: pip install 'torchmode-lint[runtime]'") from error
    ran = laboratory.outcomes(codes)
    with click.progressbar(ran, length=len(codes), label="Confirming", file=sys.stderr) as bar:
        outcomes = list(bar)
    facts = list(laboratory.measured()) if not rules else []
    report.write_text(plots.page(outcomes, facts), encoding="utf-8")
    render = {"text": evidence.as_text, "json": evidence.as_json, "markdown": evidence.as_markdown}[output_format]
    failed = not all(each.confirmed for each in outcomes) or not all(each.holds for each in facts)
    return render(outcomes, facts), failed


def _trial(
    program: tuple[str, ...],
    module: bool,
    output_format: str,
    timeout: float | None,
    steps: int | None,
    project_root: Path | None,
) -> tuple[str, bool]:
    from torchmode_lint.config import Options
    from torchmode_lint.discovery import project_root as root_of
    from torchmode_lint.runtime import trial

    if not module and not Path(program[0]).is_file():
        raise click.UsageError(f"no such script: {program[0]}")
    folder = Path.cwd() if module else Path(program[0]).resolve().parent
    root = project_root or root_of(folder) or folder
    click.echo(f"Executing {' '.join(program)} under the monitor.", err=True)
    options = Options(project_root=project_root)
    done = trial.run(program, module=module, options=options, root=root, timeout=timeout, steps=steps)
    render = {"text": trial.as_text, "json": trial.as_json}[output_format]
    broken = any(each.verdict in (trial.CONFIRMED, trial.MISSED) for each in done.verdicts)
    return render(done), broken


@main.command()
@click.argument("code_or_name", required=False)
@click.option("--all", "every", is_flag=True, help="List all rules.")
def rule(code_or_name: str | None, every: bool) -> None:
    """Print the page of a rule, named by its code or name."""
    from torchmode_lint.config import nearest
    from torchmode_lint.rules import ALL_RULES

    if every == (code_or_name is not None):
        raise click.UsageError("give the code or name of one rule, or --all")
    if every:
        for each in ALL_RULES:
            click.echo(f"{each.code}  {each.name:<22}  {each.severity!s:<8}  {each.summary}")
        return
    word = str(code_or_name)
    for each in ALL_RULES:
        if word.upper() == each.code or word.lower() == each.name:
            click.echo(f"{each.name} ({each.code}, {each.severity})\n\n{each.doc.strip()}")
            return
    raise click.UsageError(f"unknown rule {word!r}{nearest(word, {each.code: each.name for each in ALL_RULES})}")
