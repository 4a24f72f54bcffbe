"""A set of labeled images laid out as Ultralytics reads it, with what its loader cannot read converted."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from PIL import Image

from palm_assets.detector.boxes import BoxSet, LabeledImage
from palm_assets.detector.export_files import SPLITS
from palm_assets.errors import PhotoError
from palm_assets.photos.reader import read_photo
from palm_assets.runtime import usable_cores

log = logging.getLogger(__name__)

_LINK_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
_MAX_CONVERTED_SIDE = 4096


def lay_out_for_ultralytics(boxes: BoxSet, folder: Path) -> Path:
    """Write the set as Ultralytics wants it and return the path of its `data.yaml`.

    Plain images are linked. All others are converted: Ultralytics' own loader does not read every format, and
    ignores color profiles and transparency.
    """
    for split in SPLITS:
        (folder / split / "images").mkdir(parents=True)
        (folder / split / "labels").mkdir(parents=True)
    jobs = [(image, number) for split in SPLITS for number, image in enumerate(boxes.of(split))]
    with ThreadPoolExecutor(usable_cores()) as pool:
        list(pool.map(lambda job: _write(boxes, folder, *job), jobs))
    description = {
        "path": str(folder.absolute()),
        "train": "train/images",
        "val": "valid/images",
        "test": "test/images",
        "names": {0: "palm"},
    }
    path = folder / "data.yaml"
    path.write_text(yaml.safe_dump(description), encoding="utf-8")
    return path


def _write(boxes: BoxSet, folder: Path, image: LabeledImage, number: int) -> None:
    source = (boxes.root / image.path).absolute()
    name = f"{number:06d}"
    images = folder / image.split / "images"
    if image.plain:
        # The name only has to be one that Ultralytics looks for: the content decides how it is decoded.
        suffix = source.suffix.lower()
        (images / f"{name}{suffix if suffix in _LINK_SUFFIXES else '.jpg'}").symlink_to(source)
    else:
        try:
            pixels = read_photo(source, max_megapixels=boxes.max_megapixels)
        except PhotoError as error:  # changed since the set was read; Ultralytics leaves out damage, too
            log.warning("%s It is left out of the training.", error)
            return
        converted = Image.fromarray(pixels)
        converted.thumbnail((_MAX_CONVERTED_SIDE, _MAX_CONVERTED_SIDE))
        converted.save(images / f"{name}.png", compress_level=1)
    lines = ["0 " + " ".join(f"{value:.6f}" for value in box) for box in image.boxes]
    (folder / image.split / "labels" / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
