"""Crops the palms from all photographs of a set: decode, detect and crop, with decoding running ahead."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image

from palm_assets.crops.config import CONTACT_SHEET_FILE, CropConfig
from palm_assets.crops.geometry import Box, crop_box
from palm_assets.detector.detection import Detection
from palm_assets.errors import ArtifactCorruptError, DatasetError
from palm_assets.image_grid import grid
from palm_assets.photos.index import Photo, PhotoIndex, write_rows
from palm_assets.progress import Progress, no_progress
from palm_assets.runtime import usable_cores

CROPS_FILE = "crops.npy"
INDEX_FILE = "crops.csv"
WITHOUT_PALM_FILE = "without_palm.csv"
SHEET_TILES = 100

Cropped = tuple[Photo, Detection | None, Box, np.ndarray]


class Detector(Protocol):
    """Detects palms; `PalmDetector` is one."""

    def detect(self, photos: Sequence[np.ndarray], *, min_confidence: float = 0.25) -> list[Detection | None]:
        """The most confident palm of each photo; None without one."""
        ...


@dataclass(frozen=True)
class Crop:
    """Origin of row `row` of the packed array; the box is in pixels of the photo."""

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
    """Packed crops, uint8 RGB (N, 3, S, S): first those of the people in training."""

    images: np.ndarray
    index: tuple[Crop, ...]

    @property
    def train(self) -> np.ndarray:
        """Crops of the people in training, (N, 3, S, S)."""
        return self.images[: self._n_train]

    @property
    def holdout(self) -> np.ndarray:
        """Crops of the people who are held out, (M, 3, S, S)."""
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
    """Crop the palm from every photo.

    Writes `crops.npy`, `crops.csv`, `without_palm.csv` and `contact_sheet.png`.

    Returns:
        Facts for the manifest: numbers of crops and people in each split, share of photos with a palm.

    Raises:
        DatasetError: fewer than two people, or no palm found at all.
    """
    people_held_out({photo.person for photo in photos.photos}, config)  # refuses a single person at once
    crops: list[Cropped] = []
    without: list[Photo] = []
    for batch, decoded in _decoded_ahead(photos, config.batch):
        found = detector.detect(decoded, min_confidence=config.min_confidence)
        for photo, pixels, detection in zip(batch, decoded, found, strict=True):
            if detection is None:
                without.append(photo)
                if config.no_palm == "set_aside":
                    continue
            box = _box(photo, detection, config)
            crops.append((photo, detection, box, _resized(pixels, box, config.image_size)))
        progress(len(crops) + (len(without) if config.no_palm == "set_aside" else 0), len(photos.photos))
    if not crops:
        raise DatasetError(
            f"The detector found no palm on any of {len(photos.photos)} photos",
            where=photos.root,
            hint="Check detections.png of the detector; train it longer or lower min_confidence.",
        )

    index = _pack(crops, config, folder)
    write_rows(folder / WITHOUT_PALM_FILE, Photo, without)
    return {
        **_counts(index),
        "share_with_palm": 1 - len(without) / len(photos.photos),
        "image_size": config.image_size,
    }


def read_crops(folder: Path) -> Crops:
    """Open the crops that `make_crops` wrote; the array is a read-only memory map.

    Raises:
        ArtifactCorruptError: the array does not match the index.
    """
    images = np.load(folder / CROPS_FILE, mmap_mode="r")
    with (folder / INDEX_FILE).open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        index = tuple(_crop(row) for row in csv.DictReader(stream))
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(index):
        raise ArtifactCorruptError(
            "The array does not match the index", where=folder, hint="Materialize cropped_palms again."
        )
    return Crops(images, index)


def people_held_out(people: set[str], config: CropConfig) -> set[str]:
    """The people who are held out of training: a pseudo-random choice that depends on the seed alone.

    These are `holdout_share` of them, and at least `min_holdout_people` as far as half of them remain.

    Raises:
        DatasetError: fewer than two people.
    """
    if len(people) < 2:
        raise DatasetError(
            "All photographs are of one person, so nobody can be held out of training",
            hint="Add photographs of other people, one subfolder for each, or correct `person_level`.",
        )

    def rank(person: str) -> str:
        return hashlib.sha256(f"{config.seed}:{person}".encode(errors="surrogateescape")).hexdigest()

    least = min(config.min_holdout_people, len(people) // 2)
    count = min(max(least, round(config.holdout_share * len(people))), len(people) - 1)
    return set(sorted(people, key=rank)[:count])


def _pack(crops: list[Cropped], config: CropConfig, folder: Path) -> tuple[Crop, ...]:
    """Write the array, people in training first, with its index and a contact sheet."""
    held_out = people_held_out({photo.person for photo, _, _, _ in crops}, config)
    crops.sort(key=lambda entry: (entry[0].person in held_out, entry[0].path))
    shape = (len(crops), 3, config.image_size, config.image_size)
    # Written directly: a large set would not fit into memory twice, and a full disk would end a process that
    # writes to a memory map.
    with (folder / CROPS_FILE).open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for _, _, _, pixels in crops:
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
        for row, (photo, detection, box, _) in enumerate(crops)
    )
    write_rows(folder / INDEX_FILE, Crop, index)
    shown = np.linspace(0, len(crops) - 1, min(SHEET_TILES, len(crops))).astype(int)
    grid([crops[row][3] for row in shown]).save(folder / CONTACT_SHEET_FILE)
    return index


def _decoded_ahead(photos: PhotoIndex, batch: int) -> Iterator[tuple[list[Photo], list[np.ndarray]]]:
    """Batches of photos with their pixels; while one is used, the next one is decoded, and no more."""
    batches = [list(photos.photos[i : i + batch]) for i in range(0, len(photos.photos), batch)]
    with ThreadPoolExecutor(usable_cores()) as pool:

        def start(number: int) -> list[Any]:
            return [pool.submit(photos.read, photo) for photo in batches[number]]

        ahead = start(0) if batches else []
        for number, current in enumerate(batches):
            decoding, ahead = ahead, start(number + 1) if number + 1 < len(batches) else []
            yield current, [future.result() for future in decoding]


def _box(photo: Photo, detection: Detection | None, config: CropConfig) -> Box:
    whole = (0.0, 0.0, float(photo.width), float(photo.height))
    return crop_box(whole if detection is None else detection.box, photo.width, photo.height, config)


def _resized(pixels: np.ndarray, box: Box, size: int) -> np.ndarray:
    """The region `box`, resized to (3, size, size) with antialiasing: Pillow widens its filter to shrink."""
    resized = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(resized).transpose(2, 0, 1)


def _counts(index: Sequence[Crop]) -> dict[str, Any]:
    return {
        "crops": dict(Counter(crop.split for crop in index)),
        "people": {s: len({c.person for c in index if c.split == s}) for s in ("train", "holdout")},
        "skin": dict(Counter(crop.skin for crop in index)),
        "side": dict(Counter(crop.side for crop in index)),
    }


def _crop(row: dict[str, str]) -> Crop:
    types: dict[str, type] = {"row": int, "confidence": float}
    types |= dict.fromkeys(("left", "top", "right", "bottom"), float)
    return Crop(**{name: types.get(name, str)(value) for name, value in row.items()})
