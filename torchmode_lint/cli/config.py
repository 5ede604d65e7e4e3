"""`config`: what each option of a configuration file is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from torchmode_lint.configuration import Option


@click.command()
@click.argument("option", required=False)
@click.option("--all", "every", is_flag=True, help="Explain all options, as Markdown.")
def config(option: str | None, every: bool) -> None:
    """Explain an option of the configuration file, or list them all."""
    from torchmode_lint.configuration import OPTIONS
    from torchmode_lint.configuration.values import did_you_mean

    if every:
        click.echo("\n\n".join(map(_as_markdown, OPTIONS)))
        return
    if option is None:
        for one in OPTIONS:
            click.echo(f"{one.name:<18}  {one.summary}")
        return
    by_name = {one.name: one for one in OPTIONS}
    if option not in by_name:
        raise click.UsageError(f"unknown option {option!r}{did_you_mean(option, by_name)}")
    found = by_name[option]
    click.echo(f"{found.name}\n\n{found.doc}\n\nDefault: {found.default}\nExample: {found.name} = {found.example}")


def _as_markdown(one: Option) -> str:
    return f"## {one.name}\n\n{one.doc}\n\nDefault: {one.default}\n\n    {one.name} = {one.example}"
