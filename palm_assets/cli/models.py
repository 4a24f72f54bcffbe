"""`palms card`, `palms import-published` and `palms pack`: models in the store, into it and out of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from palm_assets.cli.options import json_option, pass_store, print_result

if TYPE_CHECKING:
    from palm_assets.store.artifacts import Store

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import-published")
@click.argument("generator", required=False, type=_file)
@click.argument("discriminator", required=False, type=_file)
@click.option(
    "--release", is_flag=True, help="Release the model at once, without the gate; needs a reference."
)
@json_option("the model")
@pass_store
def import_published(
    store: Store, generator: Path | None, discriminator: Path | None, release: bool, as_json: bool
) -> None:
    """Import the published weights as a model.

    They are two files, GENERATOR.pt and DISCRIMINATOR.pt. Without them they are downloaded from Kaggle.
    Each must be a plain dict of tensors; anything else is refused and never executed.

    \b
    Examples:
      palms import-published
      palms import-published generator.pt discriminator.pt
    """
    from palm_assets.stages.published_model import fetch_published, import_into

    if generator is None:
        generator, discriminator = fetch_published()
    elif discriminator is None:
        raise click.UsageError("Give both files, or none to download them from Kaggle.")
    artifact = import_into(store, generator, discriminator)
    reused = " (already in the store)" if artifact.reused else ""
    values = {
        "model": artifact.version,
        "folder": artifact.folder,
        "reused": artifact.reused,
        "released": False,
    }
    text = f"model {artifact.version}{reused}: {artifact.folder}"
    if release:
        reference = store.current("fid_reference")
        store.release(artifact, reference, by="hand")
        values |= {"released": True, "reference": reference.version}
        text += f"\nreleased by hand with reference {reference.version}; not checked by the gate"
    print_result(values, text, as_json=as_json)


@click.command()
@click.argument("name", required=False)
@json_option("the card and the facts")
@pass_store
def card(store: Store, name: str | None, as_json: bool) -> None:
    """Print the model card of model NAME.

    It says what the model was trained on, how good its score is, and what it must not be used for. NAME is a
    version, the folder of a model, `starter`, or `hands`; by default the model that `palms generate` uses.

    \b
    Examples:
      palms card
      palms card 0123456789ab
    """
    from palm_assets.gan.checkpoint import CARD_FILE
    from palm_assets.release.comparison import summarize
    from palm_assets.release.model_choices import learned_from
    from palm_assets.release.model_loader import load_model

    model = load_model(name, store)
    summary = summarize(store, model)
    path = model.folder / CARD_FILE
    text = path.read_text(encoding="utf-8") if path.is_file() else "This model has no card."
    values = {
        "model": model.version,
        "origin": summary.origin,
        "folder": model.folder,
        "card": text,
        "facts": dict(summary.facts),
        "metrics": dict(summary.metrics),
    }
    head = f"model {model.version}, {learned_from(summary.origin)}, {model.image_size} px: {model.folder}"
    print_result(values, f"{head}\n\n{text.rstrip()}", as_json=as_json)


@click.command()
@click.argument("version")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option("the packed model")
@pass_store
def pack(store: Store, version: str, folder: Path, as_json: bool) -> None:
    """Copy model VERSION into a new, small FOLDER.

    Weights are stored in half precision; photographs and paths of this machine are left out. The bundled
    starter model is such a copy. Every command that takes a model takes such a folder.

    \b
    Examples:
      palms pack 0123456789ab palm_assets/starter
    """
    from palm_assets.release.export import pack as packed

    made = packed(store, version, folder)
    size = sum(record.bytes for record in made.manifest.files.values())
    values = {"model": made.version, "packed_from": version, "folder": folder, "bytes": size}
    print_result(values, f"model {made.version}, {size / 1e6:.1f} MB: {folder}", as_json=as_json)
