"""`palms import-published` and `palms pack`: models into the store and out of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from palm_assets.cli.options import pass_store

if TYPE_CHECKING:
    from palm_assets.store.artifacts import Store

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import-published")
@click.argument("generator", required=False, type=_file)
@click.argument("discriminator", required=False, type=_file)
@click.option(
    "--release", is_flag=True, help="Release the model at once, without the gate; needs a reference."
)
@pass_store
def import_published(store: Store, generator: Path | None, discriminator: Path | None, release: bool) -> None:
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
    click.echo(f"model {artifact.version}{reused}: {artifact.folder}")
    if release:
        reference = store.current("fid_reference")
        store.release(artifact, reference, by="hand")
        click.echo(f"released by hand with reference {reference.version}; not checked by the gate")


@click.command()
@click.argument("version")
@click.argument("folder", type=click.Path(path_type=Path))
@pass_store
def pack(store: Store, version: str, folder: Path) -> None:
    """Copy model VERSION into a new, small FOLDER.

    Weights are stored in half precision; photographs and paths of this machine are left out. The bundled
    starter model is such a copy.

    \b
    Examples:
      palms pack 0123456789ab palm_assets/starter
    """
    from palm_assets.release.export import pack as packed

    made = packed(store, version, folder)
    size = sum(record.bytes for record in made.manifest.files.values()) / 1e6
    click.echo(f"model {made.version}, {size:.1f} MB: {folder}")
