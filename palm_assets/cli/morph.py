"""`palms morph`: an animation between two palms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from palm_assets.cli.options import (
    json_option,
    label_options,
    model_option,
    pass_store,
    print_result,
    tells_replacement,
)

if TYPE_CHECKING:
    from palm_assets.store.artifacts import Store

ENDINGS = (".mp4", ".webp", ".gif")
_NUMBER = click.IntRange(1, 100_000)


@click.command()
@click.option("--seed", type=click.IntRange(0, 2**53), required=True, help="Seed of the set.")
@click.option(
    "--from",
    "start",
    type=_NUMBER,
    default=1,
    show_default=True,
    help="Number of the first image in the set.",
)
@click.option(
    "--to", "end", type=_NUMBER, default=2, show_default=True, help="Number of the last image in the set."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("morph.mp4"),
    show_default=True,
    help="MP4 (H.264), WebP or GIF, by its ending.",
)
@click.option("--frames", type=click.IntRange(2, 600), default=32, show_default=True, help="Frames, one way.")
@click.option(
    "--truncation",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Scale of the latent vectors.",
)
@label_options(about=" of the set (conditional models only, such as `hands`).")
@label_options("to-", " at the end.  [as at the start if none of these is named]")
@model_option()
@json_option("what was written")
@pass_store
def morph(
    store: Store,
    seed: int,
    start: int,
    end: int,
    out: Path,
    frames: int,
    truncation: float,
    aspect: str,
    side: str,
    skin: str,
    to_aspect: str,
    to_side: str,
    to_skin: str,
    name: str | None,
    as_json: bool,
) -> None:
    """Morph one image of a set into another, and back.

    \b
    Examples:
      palms morph --seed 7 --from 2 --to 5 --out morph.mp4
      palms morph --seed 7 --frames 64 --out morph.gif
      palms morph --seed 7 --from 2 --to 2 --aspect palm --to-aspect back --model hands
    """
    if out.suffix.lower() not in ENDINGS:
        raise click.BadParameter(f"must end in {', '.join(ENDINGS)}", param_hint="--out")
    from palm_assets.errors import RequestError
    from palm_assets.gan.hand_labels import HandLabels
    from palm_assets.generation.animation import marked_animation
    from palm_assets.generation.interpolation import interpolate_chunks
    from palm_assets.release.model_loader import load_model
    from palm_assets.store.atomic import write_atomically
    from palm_assets.store.os_errors import typed_write_errors

    model = load_model(name, store)
    labels, end_labels = HandLabels(aspect, side, skin), HandLabels(to_aspect, to_side, to_skin)
    chunks = interpolate_chunks(
        model,
        seed,
        start - 1,
        end - 1,
        count=frames,
        truncation=truncation,
        labels=labels,
        end_labels=end_labels if end_labels.known else labels,
    )
    content = marked_animation(
        out.suffix.lower(), [frame for chunk in chunks for frame in chunk], model.version
    )
    hint = "Choose a path that you may write to."
    with (
        tells_replacement(out) as replaced,
        typed_write_errors(out, RequestError, "Cannot write", hint=hint, only_writes=True),
    ):
        write_atomically(out, content)
    text = f"{out}: image {start} to image {end} of seed {seed}, model {model.version}, {len(content)} bytes"
    values = {"out": str(out), "replaced": replaced, "seed": seed, "from": start, "to": end}
    values |= {"model": model.version, "bytes": len(content)}
    print_result(values, text, as_json=as_json)
