"""`palms status`: the artifacts of the store, and trainings that are not finished."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from palm_assets.cli.options import json_option, pass_store
from palm_assets.errors import PalmError

if TYPE_CHECKING:
    from palm_assets.store.artifacts import Store


@click.command()
@json_option("all artifacts with all their facts")
@click.option("--verify", is_flag=True, help="Hash every file instead of comparing sizes.")
@pass_store
def status(store: Store, as_json: bool, verify: bool) -> None:
    """List all artifacts of the store.

    Shows their inputs and facts, and which are current or released; below them, trainings that were
    interrupted or that run now, and how far they are. The exit code is 1 if an artifact is damaged.

    \b
    Examples:
      palms status
      palms status --json | jq '.[] | select(.marks | index("released"))'
    """
    from dataclasses import asdict

    from palm_assets.release.status import as_table, survey

    rows = survey(store, verify=verify)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
    elif rows:
        click.echo(as_table(rows))
    else:
        click.echo(f"There are no artifacts in {store.home} yet. Run `make pipeline`.")
    damaged = [row for row in rows if row.problem]
    if damaged:
        raise PalmError(
            f"{len(damaged)} damaged: " + ", ".join(f"{row.kind} {row.version}" for row in damaged),
            where=store.home,
            hint="Materialize their assets again: they are remade.",
        )
