"""`palms export`: a model for other places."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from palm_assets.cli.options import home_option, json_option, model_option, pass_store, print_result

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
    size = export_onnx(model, file)
    text = f"{file}: model {model.version}, {size / 1e6:.1f} MB, checked against PyTorch"
    print_result({"out": str(file), "model": model.version, "bytes": size}, text, as_json=as_json)
