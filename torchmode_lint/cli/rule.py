"""`rule`: the pages of the rules."""

from __future__ import annotations

import click


@click.command()
@click.argument("code_or_name", required=False)
@click.option("--all", "every", is_flag=True, help="List all rules.")
def rule(code_or_name: str | None, every: bool) -> None:
    """Print the page of a rule, named by its code or name."""
    from torchmode_lint import unused
    from torchmode_lint.config import nearest
    from torchmode_lint.engine import rule_names
    from torchmode_lint.rules import ALL_RULES

    if every == (code_or_name is not None):
        raise click.UsageError("give the code or name of one rule, or --all")
    if every:
        for each in ALL_RULES:
            click.echo(f"{each.code}  {each.name:<22}  {each.severity!s:<8}  {each.summary}")
        click.echo(f"{unused.CODE}  {unused.NAME:<22}  warning   {unused.SUMMARY}")
        return
    word = str(code_or_name)
    for each in ALL_RULES:
        if word.upper() == each.code or word.lower() == each.name:
            click.echo(f"{each.name} ({each.code}, {each.severity})\n\n{each.doc.strip()}")
            return
    if word.upper() == unused.CODE or word.lower() == unused.NAME:
        click.echo(f"{unused.NAME} ({unused.CODE}, warning)\n\n{unused.PAGE.strip()}")
        return
    raise click.UsageError(f"unknown rule {word!r}{nearest(word, rule_names())}")
