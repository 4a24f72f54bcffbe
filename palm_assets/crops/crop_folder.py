"""Crops the palms of a folder of photographs into a folder of images, for use without the pipeline."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from palm_assets.crops.config import CropConfig
from palm_assets.crops.cropping import CroppedPhoto, crop_photos
from palm_assets.crops.extraction import (
    INDEX_FILE,
    SHEET_TILES,
    WITHOUT_PALM_FILE,
    Crop,
    indexed,
)
from palm_assets.crops.turns import Detector
from palm_assets.errors import DatasetError, RequestError
from palm_assets.image_grid import grid
from palm_assets.photos.index import SET_ASIDE_FILE, Photo, PhotoIndex, write_rows
from palm_assets.progress import Progress, no_progress
from palm_assets.sources.folders import SetAside
from palm_assets.store.os_errors import typed_write_errors


def crop_folder(
    photos: PhotoIndex,
    detector: Detector,
    config: CropConfig,
    out: Path,
    sheet: Path,
    *,
    progress: Progress = no_progress,
) -> tuple[int, list[Photo]]:
    """Write each crop as a PNG of the photo's name, with `crops.csv` and the CSV of what was set aside.

    Args:
        photos: to crop.
        detector: finds the palms.
        config: how to crop; its splits are not used.
        out: folder to write into, new or empty.
        sheet: image to write with up to a hundred of the crops, outside of `out`.
        progress: called with photos done and photos in all.

    Returns:
        The number of crops, and the photos in which no palm was detected.

    Raises:
        RequestError: `out` has files already.
        DatasetError: no palm was detected at all.
        DiskFullError, RequestError: it cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError("The folder exists already and is not empty", where=out, hint="Name a new one.")
    crops, without = crop_photos(photos, detector, config, progress=progress)
    if not crops:
        raise DatasetError(
            f"The detector found no palm on any of {len(photos.photos)} photos",
            where=photos.root,
            hint="Try --quarter-turns if the fingers do not point up, or a lower --min-confidence.",
        )
    with typed_write_errors(out, RequestError, "The crops cannot be written", hint="Name another folder."):
        out.mkdir(parents=True, exist_ok=True)
        for crop in crops:
            path = out / _file_name(crop)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(crop.pixels.transpose(1, 2, 0)).save(path)
        write_rows(out / INDEX_FILE, Crop, [indexed(row, crop, "train") for row, crop in enumerate(crops)])
        write_rows(out / WITHOUT_PALM_FILE, Photo, without)
        write_rows(out / SET_ASIDE_FILE, SetAside, photos.set_aside)
        shown = np.linspace(0, len(crops) - 1, min(SHEET_TILES, len(crops))).astype(int)
        sheet.parent.mkdir(parents=True, exist_ok=True)
        grid([crops[row].pixels for row in shown]).save(sheet)
    return len(crops), without


def _file_name(crop: CroppedPhoto) -> str:
    """The photo's path with its whole name, because two photos may differ in their suffix alone."""
    path = PurePosixPath(crop.photo.path)
    return str(path.with_name(path.name + ".png"))
