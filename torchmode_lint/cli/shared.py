"""What several commands share: exit codes, and how words of the call are read."""

from __future__ import annotations

import click

CLEAN, FOUND, FAILED, INTERRUPTED = 0, 1, 2, 130


class Refused(click.ClickException):
    """What is asked for cannot be done: one line on standard error, and exit code 2."""

    exit_code = FAILED


def words(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """`--select a,b --select c` is `a`, `b` and `c`."""
    return tuple(word.strip() for value in values for word in value.split(","))
