"""`merge`: the reports of shards as one; `clean`: no results of earlier runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
def merge(reports: tuple[Path, ...]) -> None:
    """Make one report, JSON or SARIF, of those on all shards of a run, given in their order."""
    import json

    from torchmode_lint.report import json as own
    from torchmode_lint.report import sarif

    try:
        documents = [json.loads(path.read_text(encoding="utf-8")) for path in reports]
        text, code = (sarif if "runs" in documents[0] else own).merged(documents)
    except (ValueError, KeyError, TypeError) as error:
        raise click.UsageError(f"not reports of this version: {error!r}") from error
    click.echo(text, nl=False)
    sys.exit(code)


@click.command()
def clean() -> None:
    """Remove the results that earlier runs have kept, of all projects."""
    from torchmode_lint.cache import clean as remove
    from torchmode_lint.cache import folder

    click.echo(f"{remove()} projects' results removed from {folder()}")
