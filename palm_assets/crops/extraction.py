"""Cutting the palms out of all photographs of a set: decode, detect and cut, with decoding running ahead."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image

from palm_assets.crops.config import CropConfig
from palm_assets.crops.geometry import Box, crop_box
from palm_assets.detector.detection import Detection
from palm_assets.errors import ArtifactCorruptError, DatasetError
from palm_assets.image_grid import grid
from palm_assets.photos.index import Photo, PhotoIndex
from palm_assets.photos.reader import read_photo
from palm_assets.progress import Progress, no_progress

CROPS_FILE = "crops.npy"
SHEET_TILES = 100


Cut = tuple[Photo, Detection | None, Box, np.ndarray]


class Detector(Protocol):
    """What finds the palms."""

    def detect(self, photos: Sequence[np.ndarray], *, min_confidence: float = 0.25) -> list[Detection | None]:
        """The best palm of each photo, None where there is none."""
        ...


@dataclass(frozen=True)
class Crop:
    """Where row `row` of the packed array comes from; the box is in pixels of the photo."""

    row: int
    path: str
    person: str
    aspect: str
    side: str
    skin: str
    split: Literal["train", "holdout"]
    confidence: float
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Crops:
    """Packed crops, uint8 RGB (N, 3, S, S), those of the people in training first."""

    images: np.ndarray
    index: tuple[Crop, ...]

    @property
    def train(self) -> np.ndarray:
        """Crops of the people in training, (N, 3, S, S)."""
        return self.images[: self._n_train]

    @property
    def holdout(self) -> np.ndarray:
        """Crops of the people held out, (M, 3, S, S)."""
        return self.images[self._n_train :]

    @property
    def _n_train(self) -> int:
        return sum(crop.split == "train" for crop in self.index)


def make_crops(
    photos: PhotoIndex,
    detector: Detector,
    config: CropConfig,
    folder: Path,
    *,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Cut the palm out of every photo.

    Writes `crops.npy`, `crops.csv`, `without_palm.csv` and `contact_sheet.png`.

    Returns:
        Facts for the manifest: counts of crops and people a split, the share of photos with a palm.

    Raises:
        DatasetError: fewer than two people, or no palm found at all.
    """
    people_held_out({photo.person for photo in photos.photos}, config)  # refuses a single person at once
    cut: list[Cut] = []
    without: list[Photo] = []
    for batch, decoded in _decoded_ahead(photos, config.batch):
        found = detector.detect(decoded, min_confidence=config.min_confidence)
        for photo, pixels, detection in zip(batch, decoded, found, strict=True):
            if detection is None:
                without.append(photo)
                if config.no_palm == "set_aside":
                    continue
            box = _box(photo, detection, config)
            cut.append((photo, detection, box, _resized(pixels, box, config.image_size)))
        progress(len(cut) + (len(without) if config.no_palm == "set_aside" else 0), len(photos.photos))
    if not cut:
        raise DatasetError(
            f"The detector found no palm on any of {len(photos.photos)} photos",
            where=photos.root,
            hint="Look at the detector's detections.png; train it longer or lower min_confidence.",
        )

    index = _pack(cut, config, folder)
    _write_rows(folder / "without_palm.csv", Photo, without)
    return {
        **_counts(index),
        "share_with_palm": 1 - len(without) / len(photos.photos),
        "image_size": config.image_size,
    }


def read_crops(folder: Path) -> Crops:
    """Open what `make_crops` wrote; the array is a read-only memory map.

    Raises:
        ArtifactCorruptError: the array and the index do not fit.
    """
    images = np.load(folder / CROPS_FILE, mmap_mode="r")
    with (folder / "crops.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        index = tuple(_crop(row) for row in csv.DictReader(stream))
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(index):
        raise ArtifactCorruptError(
            "Array and index do not fit", where=folder, hint="Materialize cropped_palms again."
        )
    return Crops(images, index)


def people_held_out(people: set[str], config: CropConfig) -> set[str]:
    """The people that training never sees: a fixed, pseudo-random choice, at least one.

    Raises:
        DatasetError: fewer than two people.
    """
    if len(people) < 2:
        raise DatasetError(
            "All photographs are of one person, so nobody can be held out of training",
            hint="Add photographs of other people; a subfolder for each person tells them apart.",
        )

    def rank(person: str) -> str:
        return hashlib.sha256(f"{config.seed}:{person}".encode(errors="surrogateescape")).hexdigest()

    count = min(max(1, round(config.holdout_share * len(people))), len(people) - 1)
    return set(sorted(people, key=rank)[:count])


def _pack(cut: list[Cut], config: CropConfig, folder: Path) -> tuple[Crop, ...]:
    """Write the array, people in training first, with its index and a sheet of it."""
    held_out = people_held_out({photo.person for photo, _, _, _ in cut}, config)
    cut.sort(key=lambda entry: (entry[0].person in held_out, entry[0].path))
    shape = (len(cut), 3, config.image_size, config.image_size)
    # Straight into the file: a large set would not fit into memory twice. Not through a memory map: where the
    # disk is full, that ends the process.
    with (folder / CROPS_FILE).open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for _, _, _, pixels in cut:
            file.write(pixels.tobytes())
    index = tuple(
        Crop(
            row,
            photo.path,
            photo.person,
            photo.aspect,
            photo.side,
            photo.skin,
            "holdout" if photo.person in held_out else "train",
            0.0 if detection is None else round(detection.confidence, 4),
            *(round(value, 1) for value in box),
        )
        for row, (photo, detection, box, _) in enumerate(cut)
    )
    _write_rows(folder / "crops.csv", Crop, index)
    shown = np.linspace(0, len(cut) - 1, min(SHEET_TILES, len(cut))).astype(int)
    grid([cut[row][3] for row in shown]).save(folder / "contact_sheet.png")
    return index


def _decoded_ahead(photos: PhotoIndex, batch: int) -> Iterator[tuple[list[Photo], list[np.ndarray]]]:
    """Batches of photos with their pixels; while one is used the next is being decoded, and no more."""
    batches = [list(photos.photos[i : i + batch]) for i in range(0, len(photos.photos), batch)]
    with ThreadPoolExecutor() as pool:

        def start(number: int) -> list[Any]:
            return [pool.submit(read_photo, photos.root / photo.path) for photo in batches[number]]

        ahead = start(0) if batches else []
        for number, current in enumerate(batches):
            decoding, ahead = ahead, start(number + 1) if number + 1 < len(batches) else []
            yield current, [future.result() for future in decoding]


def _box(photo: Photo, detection: Detection | None, config: CropConfig) -> Box:
    whole = (0.0, 0.0, float(photo.width), float(photo.height))
    return crop_box(whole if detection is None else detection.box, photo.width, photo.height, config)


def _resized(pixels: np.ndarray, box: Box, size: int) -> np.ndarray:
    """The part inside `box`, antialiased to (3, size, size); Pillow widens its filter when it shrinks."""
    part = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(part).transpose(2, 0, 1)


def _counts(index: Sequence[Crop]) -> dict[str, Any]:
    return {
        "crops": dict(Counter(crop.split for crop in index)),
        "people": {s: len({c.person for c in index if c.split == s}) for s in ("train", "holdout")},
        "skin": dict(Counter(crop.skin for crop in index)),
        "side": dict(Counter(crop.side for crop in index)),
    }


def _crop(row: dict[str, str]) -> Crop:
    kinds: dict[str, type] = {"row": int, "confidence": float}
    kinds |= dict.fromkeys(("left", "top", "right", "bottom"), float)
    return Crop(**{name: kinds.get(name, str)(value) for name, value in row.items()})


def _write_rows(path: Path, row_type: type, rows: Sequence[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(row_type)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
