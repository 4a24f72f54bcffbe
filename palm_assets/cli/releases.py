"""`palms releases` and `palms release`: the gate's decisions, and releases by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from palm_assets.cli.options import json_option, pass_store

if TYPE_CHECKING:
    from palm_assets.store.artifacts import Store
    from palm_assets.store.origins import Origin


@click.command()
@json_option("all models")
@pass_store
def releases(store: Store, as_json: bool) -> None:
    """List all models and the gate's decisions.

    A model is released, released before, refused (with the reason), passed, or not checked. Models of
    photographs and of synthetic hands are released apart; the page serves those of photographs.

    \b
    Examples:
      palms releases
      palms releases --json | jq '.[] | select(.state == "refused")'
    """
    from pydantic import TypeAdapter

    from palm_assets.release.candidates import Candidate, as_table, candidates

    rows = candidates(store)
    if as_json:
        click.echo(json.dumps(TypeAdapter(list[Candidate]).dump_python(rows, mode="json"), indent=2))
    else:
        click.echo(as_table(rows) or f"There are no models in {store.home} yet. Run `make pipeline`.")


@click.command()
@click.argument("version")
@click.option(
    "--origin",
    type=click.Choice(["photographs", "synthetic"]),
    help="What the model was trained on, if its photographs are gone.",
)
@pass_store
def release(store: Store, version: str, origin: Origin | None) -> None:
    """Release model VERSION by hand.

    The gate is not asked, so an older or a refused model can be released, also where the released one
    cannot be measured. It replaces the released model of its origin: photographs or synthetic hands. The
    model must load and generate. The gate does not undo a release by hand: the model that it replaces is
    released again only by hand.

    \b
    Examples:
      palms release 0123456789ab
    """
    from palm_assets.release.candidates import release_by_hand
    from palm_assets.release.decisions import find_decision

    released = release_by_hand(store, version, origin)
    decision = find_decision(store, version)
    click.echo(f"released model {released.model} by hand with reference {released.reference}")
    if decision is not None and not decision.passed:
        click.echo(f"the gate had refused it: {decision.refusal}", err=True)
