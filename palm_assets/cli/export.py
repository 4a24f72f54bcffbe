"""`palms export` and `palms push`: a model for other places."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from palm_assets.cli.options import (
    home_option,
    json_option,
    model_option,
    pass_store,
    print_result,
    tells_replacement,
)

if TYPE_CHECKING:
    from palm_assets.store.artifacts import Store


class ExportGroup(click.Group):
    """Gives every command of the group `--home`."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Register a command, with `--home` among its options."""
        cmd.params.append(home_option())
        super().add_command(cmd, name)


@click.group(cls=ExportGroup)
def export() -> None:
    """Write a model in a form that other programs read.

    \b
    Examples:
      palms export onnx palms.onnx
      palms export hub folder
      palms export web site
    """


@export.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@model_option()
@json_option("what was written")
@pass_store
def onnx(store: Store, file: Path, name: str | None, as_json: bool) -> None:
    """Write the generator of a model as an ONNX FILE.

    Latent vectors go in, pixels come out (uint8, RGB). The file is written only if its images differ from
    PyTorch's by at most one level of 255.

    \b
    Examples:
      palms export onnx palms.onnx
      palms export onnx palms.onnx --model 0123456789ab
    """
    from palm_assets.export.onnx_graph import export_onnx
    from palm_assets.release.model_loader import load_model

    model = load_model(name, store)
    with tells_replacement(file):
        size = export_onnx(model, file)
    text = f"{file}: model {model.version}, {size / 1e6:.1f} MB, checked against PyTorch"
    print_result({"out": str(file), "model": model.version, "bytes": size}, text, as_json=as_json)


@export.command()
@click.argument("folder", type=click.Path(path_type=Path))
@model_option()
@json_option("what was written")
@pass_store
def hub(store: Store, folder: Path, name: str | None, as_json: bool) -> None:
    """Write a model into a new FOLDER, in the conventions of the Hugging Face Hub.

    It holds the weights, a model card with the metrics, samples, and the reference statistics if they are
    known. `palms push` publishes the same files. Needs the package huggingface_hub.

    \b
    Examples:
      palms export hub folder
      palms generate --model folder --count 16
    """
    from palm_assets.export.hub_folder import export_hub
    from palm_assets.release.model_loader import load_model

    model = load_model(name, store)
    files = export_hub(model, folder, store=store)
    size = sum((folder / file).stat().st_size for file in files)
    values = {"out": str(folder), "model": model.version, "files": list(files), "bytes": size}
    text = f"{folder}: model {model.version}, {len(files)} files, {size / 1e6:.1f} MB"
    print_result(values, text, as_json=as_json)


@export.command()
@click.argument("folder", type=click.Path(path_type=Path))
@model_option()
@json_option("what was written")
@pass_store
def web(store: Store, folder: Path, name: str | None, as_json: bool) -> None:
    """Write a page of static files into a new FOLDER.

    It generates palms in the visitor's browser, in English and Russian, from any static host and offline.
    ONNX Runtime for browsers is downloaded from npm once (20 MB) and kept. Needs the packages onnx and
    onnxruntime.

    \b
    Examples:
      palms export web site
      python3 -m http.server --directory site
    """
    from palm_assets.export.web_page import export_web
    from palm_assets.release.model_loader import load_model

    model = load_model(name, store)
    files = export_web(model, folder)
    size = sum(files.values())
    text = f"{folder}: model {model.version}, {len(files)} files, {size / 1e6:.1f} MB\n"
    text += f"look at it: python3 -m http.server --directory {folder}, then http://localhost:8000"
    values = {"out": str(folder), "model": model.version, "files": dict(files), "bytes": size}
    print_result(values, text, as_json=as_json)


@click.command()
@click.argument("repository", metavar="OWNER/NAME")
@model_option()
@click.option("--revision", metavar="BRANCH", help="Branch, made if missing.  [default: main]")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@json_option("where it is published")
@pass_store
def push(
    store: Store, repository: str, name: str | None, revision: str | None, private: bool, as_json: bool
) -> None:
    """Publish a model on the Hugging Face Hub.

    The repository is created if it is missing, and gets all files in one commit. Log in with `hf auth login`
    before, or set HF_TOKEN. Needs the package huggingface_hub.

    \b
    Examples:
      palms push me/palms
      palms push me/palms --model 0123456789ab --private
    """
    from palm_assets.export.hub_upload import push as published
    from palm_assets.release.model_loader import load_model

    model = load_model(name, store)
    address = published(model, repository, store=store, revision=revision, private=private)
    text = f"published model {model.version}: {address}\n"
    text += f'load it with: palm_assets.load_model("{repository}")'
    values = {"model": model.version, "repository": repository, "address": str(address)}
    print_result(values, text, as_json=as_json)
