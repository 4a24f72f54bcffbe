"""`palms check` and `palms crop`: what a folder of photographs would give, and its crops."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from palm_assets.cli.options import json_option, pass_store, save_picture, tells_replacement
from palm_assets.errors import PalmError, RequestError

if TYPE_CHECKING:
    from palm_assets.sources.config import LoosePhotos
    from palm_assets.store.artifacts import Store

LOOSE_PHOTOS = ("refuse", "each_a_person", "by_file_name")  # `sources.config.LoosePhotos` without pydantic
SHEET_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
_folder = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))


@click.command()
@_folder
@click.option(
    "--loose-photos",
    type=click.Choice(LOOSE_PHOTOS),
    default="refuse",
    show_default=True,
    help="Who is on photographs that lie in no subfolder. refuse: an error; each_a_person: a different "
    "person on each; by_file_name: the person that the file name begins with.",
)
@click.option(
    "--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Write some of the crops here."
)
@json_option("the report")
@click.option("--before-training", is_flag=True, hidden=True)  # by `make pipeline`, which goes on by itself
def check(
    folder: Path, loose_photos: LoosePhotos, sheet: Path | None, as_json: bool, before_training: bool
) -> None:
    """Check a FOLDER of photographs for training.

    Says what `make pipeline PRESET=own` would make of it: how many photographs and people were found,
    what was set aside, whether that is enough, and how long the training would take here. Nothing is
    trained or stored. The exit code is 1 if it is not enough.

    \b
    Examples:
      palms check photographs --sheet crops.png
      palms check photographs --loose-photos by_file_name
    """
    if sheet is not None and sheet.suffix.lower() not in SHEET_ENDINGS:
        raise click.BadParameter(f"must end in {', '.join(SHEET_ENDINGS)}", param_hint="--sheet")
    from palm_assets.progress import progress_bar
    from palm_assets.release.own_photographs import check_photographs
    from palm_assets.sources.config import PhotosConfig
    from palm_assets.store.os_errors import typed_write_errors

    config = PhotosConfig(source="folder", folder=str(folder), loose_photos=loose_photos)
    with progress_bar("photographs cropped", "photograph") as progress:
        report = check_photographs(
            folder, config, progress=progress, report=lambda line: click.echo(line, err=True)
        )
    if sheet is not None:
        what, hint = "The contact sheet cannot be written", "Name another file."
        with (
            tells_replacement(sheet),
            typed_write_errors(sheet, RequestError, what, hint=hint, only_writes=True),
        ):
            save_picture(report.contact_sheet, sheet)
    click.echo(json.dumps(report.to_json(), indent=2) if as_json else report.describe())
    if not report.is_enough:
        raise PalmError("This is not enough", where=folder, hint="Add photographs, of more people.")
    if not (as_json or before_training):
        answer = "" if loose_photos == "refuse" else f"PALM_LOOSE_PHOTOS={loose_photos} "
        click.echo(f"Next:\n  PALM_HANDS={shlex.quote(str(folder))} {answer}make pipeline PRESET=own")


@click.command()
@_folder
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for the crops, new or empty."
)
@click.option(
    "--size",
    "image_size",
    type=click.IntRange(16, 1024),
    default=256,
    show_default=True,
    help="Side of a crop in pixels.",
)
@click.option(
    "--quarter-turns", is_flag=True, help="Also look for palms whose fingers point to the side or down."
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.25,
    show_default=True,
    help="Ignore detections with a lower confidence.",
)
@click.option(
    "--detector", metavar="VERSION", help="Version of a detector in the store.  [default: the starter's]"
)
@json_option("the counts")
@pass_store
def crop(
    store: Store,
    folder: Path,
    out: Path,
    image_size: int,
    quarter_turns: bool,
    min_confidence: float,
    detector: str | None,
    as_json: bool,
) -> None:
    """Crop the palms from the photographs in FOLDER.

    Writes a PNG for each photograph with a palm, a list of the others, and a contact sheet beside the
    folder of crops. `palms fid` compares the crops with real palms.

    \b
    Examples:
      palms crop photographs --out crops
      palms crop photographs --out crops --quarter-turns
    """
    from palm_assets.crops.config import CropConfig
    from palm_assets.crops.crop_folder import crop_folder
    from palm_assets.detector.detection import load_detector
    from palm_assets.photos.index import index_photos
    from palm_assets.progress import progress_bar
    from palm_assets.stages.detector import open_starter_detector

    artifact = store.open("detector", detector) if detector else open_starter_detector()
    config = CropConfig(image_size=image_size, quarter_turns=quarter_turns, min_confidence=min_confidence)
    index = index_photos(folder, max_set_aside=1)
    named = out.resolve() if out.name in ("", "..") else out  # "." has no name
    sheet = named.with_name(f"{named.name}-contact-sheet.png")
    with tells_replacement(sheet), progress_bar("photographs cropped", "photograph") as progress:
        count, without = crop_folder(
            index, load_detector(artifact.folder), config, out, sheet, progress=progress
        )
    counts = {"crops": count, "without_palm": len(without), "set_aside": len(index.set_aside)}
    if as_json:
        click.echo(json.dumps({**counts, "folder": str(out), "contact_sheet": str(sheet)}, indent=2))
    else:
        click.echo(
            f"{out}: {count} crops; no palm found on {len(without)} photographs, "
            f"{len(index.set_aside)} files set aside; contact sheet: {sheet}"
        )
