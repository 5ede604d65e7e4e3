"""`confirm`: the rules on live torch, by the project's experiments or in a program of the user's."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import click

from torchmode_lint.cli.shared import CLEAN, FOUND, words


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[SCRIPT [ARGS]...]")
@click.option("-m", "module", metavar="MODULE", help="Run a module instead of a script; all that follows is its own.")
@click.option("--rule", "rules", multiple=True, callback=words, metavar="CODE", help="Only the experiments on these.")
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
