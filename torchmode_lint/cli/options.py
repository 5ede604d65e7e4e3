"""The options of the call that configuration files may set as well: read in the same way, and winning over those."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from torchmode_lint.cli.shared import words

if TYPE_CHECKING:
    from torchmode_lint.configuration import Configuration

_RULES = "RULES"
_PATTERNS = "PATTERNS"

_OPTIONS = (
    click.option(
        "--select",
        multiple=True,
        callback=words,
        metavar=_RULES,
        help="Only these rules: codes, prefixes of codes or names, separated by commas.",
    ),
    click.option(
        "--ignore", multiple=True, callback=words, metavar=_RULES, help="Not these rules; wins over --select."
    ),
    click.option("--extend-select", multiple=True, callback=words, metavar=_RULES, help="These beside those selected."),
    click.option(
        "--exclude",
        multiple=True,
        callback=words,
        metavar=_PATTERNS,
        help="What a walk through folders leaves out, in place of build folders and the like.",
    ),
    click.option(
        "--extend-exclude", multiple=True, callback=words, metavar=_PATTERNS, help="Left out beside what is anyway."
    ),
    click.option("--force-exclude", is_flag=True, help="Leave out paths that are named, too."),
    click.option(
        "--confidence",
        metavar="LEVEL",
        help="Report what is at least this sure: certain, likely or possible.  [default: likely]",
    ),
    click.option(
        "--fail-on",
        metavar="KIND",
        help="Diagnostics that make the exit code 1: any, error, certain or never.  [default: any]",
    ),
    click.option(
        "--project-root",
        metavar="FOLDER",
        help="The folder that the project's imports start from.  [default: for each file the nearest folder upwards "
        "with pyproject.toml, setup.cfg, setup.py or .git]",
    ),
    click.option("--torch-version", metavar="VERSION", help="The oldest torch that the code is to run on."),
    click.option(
        "--config",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="The configuration file.  [default: for each file the nearest one upwards]",
    ),
    click.option("--isolated", is_flag=True, help="Read no configuration files."),
)


def configured(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options; it gets what they and the configuration files say as its `configuration`."""

    @functools.wraps(command)
    def with_configuration(config: Path | None, isolated: bool, **given: Any) -> None:  # noqa: ANN401
        command(configuration=_configuration(given, config, isolated), **given)

    for option in reversed(_OPTIONS):
        with_configuration = option(with_configuration)
    return with_configuration


def _configuration(given: dict[str, Any], config: Path | None, isolated: bool) -> Configuration:
    """What the call and the configuration files ask for; what is an option of both is taken out of `given`."""
    from torchmode_lint.config import ConfigurationError
    from torchmode_lint.configuration import OPTIONS, Configuration, from_call

    call = {one.name: given.pop(name) for one in OPTIONS if (name := one.name.replace("-", "_")) in given}
    try:
        read = {name: from_call(name, value) for name, value in call.items() if value}
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    return Configuration(read, file=config, isolated=isolated)
