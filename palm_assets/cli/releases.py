"""`palms releases` and `palms release`: what the gate let through or refused, and the way back by hand."""

from __future__ import annotations

import json
from pathlib import Path

import click

from palm_assets.cli.options import store_of, with_home


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@with_home
@click.pass_context
def releases(ctx: click.Context, as_json: bool, own_home: Path | None) -> None:
    """Every model: released, released before, refused and why, or never judged.

    \b
    Examples:
      palms releases
      palms releases --json | jq '.[] | select(.state == "refused")'
    """
    from pydantic import TypeAdapter

    from palm_assets.release.candidates import Candidate, as_table, candidates

    store = store_of(ctx, own_home)
    rows = candidates(store)
    if as_json:
        click.echo(json.dumps(TypeAdapter(list[Candidate]).dump_python(rows, mode="json"), indent=2))
    else:
        click.echo(as_table(rows) or f"No model is made yet in {store.home}. Run `make pipeline`.")


@click.command()
@click.argument("version")
@with_home
@click.pass_context
def release(ctx: click.Context, version: str, own_home: Path | None) -> None:
    """Let the page serve model VERSION, back or forth, whatever the gate said of it.

    The model is opened by the page's own door first. The gate does not undo what was done by hand: the model
    that was replaced is not released again until a person does so.

    \b
    Examples:
      palms release 0123456789ab
    """
    from palm_assets.release.candidates import release_by_hand
    from palm_assets.release.decisions import read

    store = store_of(ctx, own_home)
    done = release_by_hand(store, version)
    judgement = read(store, version, damaged_is_none=True)
    click.echo(f"released model {done.model} beside the reference {done.reference}")
    if judgement is not None and not judgement.passed:
        click.echo(f"the gate had refused it: {judgement.refusal}", err=True)


@click.command()
@click.argument("version")
@click.argument("folder", type=click.Path(path_type=Path))
@with_home
@click.pass_context
def pack(ctx: click.Context, version: str, folder: Path, own_home: Path | None) -> None:
    """Copy model VERSION into a new FOLDER, small: half precision, no photographs, no paths of this machine.

    The starter model that comes with the program is such a copy.

    \b
    Examples:
      palms pack 0123456789ab palm_assets/starter
    """
    from palm_assets.release.export import pack as packed

    made = packed(store_of(ctx, own_home), version, folder)
    size = sum(record.bytes for record in made.manifest.files.values()) / 1e6
    click.echo(f"model {made.version}, {size:.1f} MB: {folder}")
