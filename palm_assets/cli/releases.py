"""`palms releases` and `palms release`: the gate's decisions, and releases by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from palm_assets.cli.options import json_option, pass_store, print_result

if TYPE_CHECKING:
    from palm_assets.store.artifacts import Store
    from palm_assets.store.origins import Origin


@click.command()
@json_option("all models")
@pass_store
def releases(store: Store, as_json: bool) -> None:
    """List all models and the gate's decisions.

    A model is released, released before, refused (with the reason), passed, or not checked. Models of
    photographs and of synthetic hands are released separately. The page and `palms generate` use the
    default: the released model of photographs, else the bundled starter.

    \b
    Examples:
      palms releases
      palms releases --json | jq '.[] | select(.state == "refused")'
    """
    from pydantic import TypeAdapter

    from palm_assets.release.candidates import Candidate, as_table, candidates
    from palm_assets.release.model_choices import list_models

    rows = candidates(store)
    if as_json:
        click.echo(json.dumps(TypeAdapter(list[Candidate]).dump_python(rows, mode="json"), indent=2))
        return
    click.echo(as_table(rows) or f"There are no models in {store.home} yet. Run `make pipeline`.")
    default = next((choice for choice in list_models(store) if choice.is_default), None)
    if default is not None:
        click.echo(f"Default of `palms generate` and the page: {default.name}")


@click.command()
@click.argument("version")
@click.option(
    "--origin",
    type=click.Choice(["photographs", "synthetic"]),
    help="What the model was trained on, if its photographs are gone.",
)
@json_option("the release")
@pass_store
def release(store: Store, version: str, origin: Origin | None, as_json: bool) -> None:
    """Release model VERSION by hand.

    This bypasses the gate, so an older or a refused model can be released, even if the released one cannot
    be measured. VERSION replaces the released model of its origin (photographs or synthetic hands). It must
    load and generate. The gate never releases the replaced model again; only a person can.

    \b
    Examples:
      palms release 0123456789ab
    """
    from palm_assets.release.candidates import release_by_hand
    from palm_assets.release.decisions import find_decision
    from palm_assets.release.model_choices import learned_from

    released = release_by_hand(store, version, origin)
    decision = find_decision(store, version)
    refusal = "" if decision is None else decision.refusal
    text = (
        f"released model {released.model} ({learned_from(released.origin)}) by hand, "
        f"with reference {released.reference}"
    )
    print_result({**released.model_dump(mode="json"), "refusal": refusal}, text, as_json=as_json)
    if refusal:
        click.echo(f"the gate had refused it: {refusal}", err=True)
