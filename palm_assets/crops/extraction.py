"""Crops the palms from all photographs of a set: decode, detect and crop, with decoding running ahead."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from palm_assets.crops.config import CONTACT_SHEET_FILE, CropConfig
from palm_assets.crops.geometry import Box, crop_box
from palm_assets.crops.splits import LABELS, SPLITS, PeopleSplit, Split, SplitLabel, assign_people
from palm_assets.crops.turns import Detector, TurnedDetections, choose_turns, detect_in_turns, detect_upright
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


@dataclass(frozen=True, eq=False)
class CroppedPhoto:
    """One photo and its crop.

    Attributes:
        photo: as the index lists it.
        turn: degrees against the clock by which it was turned before it was cropped.
        detection: of the palm in the turned photo; None if the whole photo was taken.
        box: region of the turned photo, in pixels.
        pixels: uint8 (3, S, S).
    """

    photo: Photo
    turn: int
    detection: Detection | None
    box: Box
    pixels: np.ndarray


@dataclass(frozen=True)
class Crop:
    """Origin of row `row` of the packed array.

    The box is in pixels of the photo, turned by `turn` degrees against the clock.
    """

    row: int
    path: str
    person: str
    aspect: str
    side: str
    skin: str
    split: SplitLabel
    confidence: float
    left: float
    top: float
    right: float
    bottom: float
    turn: int = 0


@dataclass(frozen=True)
class Crops:
    """Packed crops, uint8 RGB (N, 3, S, S): those of train first, then of validation, then of test."""

    images: np.ndarray
    index: tuple[Crop, ...]

    @property
    def train(self) -> np.ndarray:
        """Crops of the people in training, (N, 3, S, S)."""
        return self.images[self._rows("train")]

    @property
    def validation(self) -> np.ndarray:
        """Crops of the people who choose the checkpoint and calibrate the score, (M, 3, S, S)."""
        return self.images[self._rows("validation")]

    @property
    def test(self) -> np.ndarray:
        """Crops of the people whom models are measured against, (K, 3, S, S)."""
        return self.images[self._rows("test")]

    def rows(self, split: Split) -> tuple[Crop, ...]:
        """Where each crop of a split comes from, in order."""
        return self.index[self._rows(split)]

    def people_in_rows(self, split: Split) -> list[str]:
        """The person of each crop of a split, in order."""
        return [crop.person for crop in self.index[self._rows(split)]]

    @property
    def people(self) -> PeopleSplit:
        """The people of each split."""
        return PeopleSplit(*(frozenset(self.people_in_rows(split)) for split in SPLITS))

    def _rows(self, split: Split) -> slice:
        """The rows of a split; those of shared crops are between validation and test."""
        counts = Counter(crop.split for crop in self.index)
        validation = counts["train"]
        shared = validation + counts["validation"]
        test = shared + counts["shared"]
        ranges = {
            "train": slice(0, validation),
            "validation": slice(validation, test),
            "test": slice(shared, len(self.index)),
        }
        return ranges[split]


def make_crops(
    photos: PhotoIndex,
    detector: Detector,
    config: CropConfig,
    folder: Path,
    *,
    known: Collection[str] = (),
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Crop the palm from every photo.

    Writes `crops.npy`, `crops.csv`, `without_palm.csv` and `contact_sheet.png`.

    Args:
        photos: to crop.
        detector: finds the palms.
        config: how to crop.
        folder: to write into.
        known: people who may not be held out.
        progress: called with photos done and photos in all.

    Returns:
        Facts for the manifest: numbers of crops and people in each split, whether validation and test share
        theirs ("shared_holdout"), share of photos with a palm.

    Raises:
        DatasetError: fewer than two people, or no palm found at all.
    """
    assign_people({photo.person for photo in photos.photos}, config, known)  # refuses a single person at once
    crops, without = crop_photos(photos, detector, config, progress=progress)
    if not crops:
        raise DatasetError(
            f"The detector found no palm on any of {len(photos.photos)} photos",
            where=photos.root,
            hint="Check detections.png of the detector; train it longer or lower min_confidence.",
        )

    people = assign_people({crop.photo.person for crop in crops}, config, known)
    index = _pack(crops, people, config, folder)
    write_rows(folder / WITHOUT_PALM_FILE, Photo, without)
    return {
        **_counts(index),
        "share_with_palm": 1 - len(without) / len(photos.photos),
        "turned": sum(crop.turn != 0 for crop in index),
        "image_size": config.image_size,
    }


def crop_photos(
    photos: PhotoIndex, detector: Detector, config: CropConfig, *, progress: Progress = no_progress
) -> tuple[list[CroppedPhoto], list[Photo]]:
    """Crop the palm from every photo; returns the crops, and the photos in which none was detected."""
    detect = detect_in_turns if config.quarter_turns else detect_upright
    detected: list[TurnedDetections] = []
    crops: dict[Photo, CroppedPhoto] = {}
    for batch, decoded in _decoded_ahead(photos, photos.photos, config.batch):
        found = detect(detector, decoded, config.min_confidence)
        for photo, pixels, candidates, turn in zip(batch, decoded, found, choose_turns(found), strict=True):
            if candidates.found or config.no_palm == "whole_photo":
                crops[photo] = _cropped(photo, pixels, turn, candidates, config)
        detected += found
        progress(len(detected), len(photos.photos))
    # Only all photos together show which way up most are. The few that turn out otherwise are cropped again.
    turns = dict(zip(photos.photos, zip(choose_turns(detected), detected, strict=True), strict=True))
    again = [photo for photo, crop in crops.items() if crop.turn != 90 * turns[photo][0]]
    for batch, decoded in _decoded_ahead(photos, again, config.batch):
        for photo, pixels in zip(batch, decoded, strict=True):
            crops[photo] = _cropped(photo, pixels, *turns[photo], config)
    return list(crops.values()), [photo for photo in photos.photos if not turns[photo][1].found]


def read_crops(folder: Path) -> Crops:
    """Open the crops that `make_crops` wrote; the array is a read-only memory map.

    Raises:
        ArtifactCorruptError: the array does not match the index, or the rows are not in order of their
            splits.
    """
    images = np.load(folder / CROPS_FILE, mmap_mode="r")
    with (folder / INDEX_FILE).open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        index = tuple(_crop(row) for row in csv.DictReader(stream))
    in_order = [crop.split for crop in index] == sorted((crop.split for crop in index), key=LABELS.index)
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(index) or not in_order:
        raise ArtifactCorruptError(
            "The array does not match the index", where=folder, hint="Materialize cropped_palms again."
        )
    return Crops(images, index)


def _cropped(
    photo: Photo, pixels: np.ndarray, turn: int, candidates: TurnedDetections, config: CropConfig
) -> CroppedPhoto:
    """The crop of a photo, turned by so many quarters against the clock."""
    detection = candidates.detections[turn]
    turned = np.rot90(pixels, turn)
    box = _box(turned, detection, config)
    return CroppedPhoto(photo, 90 * turn, detection, box, _resized(turned, box, config.image_size))


def _pack(
    crops: list[CroppedPhoto], people: PeopleSplit, config: CropConfig, folder: Path
) -> tuple[Crop, ...]:
    """Write the array in the order of the splits, with its index and a contact sheet."""
    crops.sort(key=lambda crop: (LABELS.index(people.label(crop.photo.person)), crop.photo.path))
    shape = (len(crops), 3, config.image_size, config.image_size)
    # Written directly: a large set would not fit into memory twice, and a full disk would end a process that
    # writes to a memory map.
    with (folder / CROPS_FILE).open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for crop in crops:
            file.write(crop.pixels.tobytes())
    index = tuple(indexed(row, crop, people.label(crop.photo.person)) for row, crop in enumerate(crops))
    write_rows(folder / INDEX_FILE, Crop, index)
    shown = np.linspace(0, len(crops) - 1, min(SHEET_TILES, len(crops))).astype(int)
    grid([crops[row].pixels for row in shown]).save(folder / CONTACT_SHEET_FILE)
    return index


def indexed(row: int, crop: CroppedPhoto, split: SplitLabel) -> Crop:
    """The row of the index for a crop."""
    photo = crop.photo
    left, top, right, bottom = (round(value, 1) for value in crop.box)
    return Crop(
        row,
        photo.path,
        photo.person,
        photo.aspect,
        photo.side,
        photo.skin,
        split,
        0.0 if crop.detection is None else round(crop.detection.confidence, 4),
        left,
        top,
        right,
        bottom,
        crop.turn,
    )


def _decoded_ahead(
    photos: PhotoIndex, chosen: Sequence[Photo], batch: int
) -> Iterator[tuple[list[Photo], list[np.ndarray]]]:
    """Batches of photos with their pixels; while one is used, the next one is decoded, and no more."""
    batches = [list(chosen[i : i + batch]) for i in range(0, len(chosen), batch)]
    with ThreadPoolExecutor(usable_cores()) as pool:

        def start(number: int) -> list[Any]:
            return [pool.submit(photos.read, photo) for photo in batches[number]]

        ahead = start(0) if batches else []
        for number, current in enumerate(batches):
            decoding, ahead = ahead, start(number + 1) if number + 1 < len(batches) else []
            yield current, [future.result() for future in decoding]


def _box(pixels: np.ndarray, detection: Detection | None, config: CropConfig) -> Box:
    height, width = pixels.shape[:2]
    whole = (0.0, 0.0, float(width), float(height))
    return crop_box(whole if detection is None else detection.box, width, height, config)


def _resized(pixels: np.ndarray, box: Box, size: int) -> np.ndarray:
    """The region `box`, resized to (3, size, size) with antialiasing: Pillow widens its filter to shrink."""
    resized = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(resized).transpose(2, 0, 1)


def _counts(index: Sequence[Crop]) -> dict[str, Any]:
    labels: dict[Split, tuple[SplitLabel, ...]] = {
        "train": ("train",),
        "validation": ("validation", "shared"),
        "test": ("shared", "test"),
    }
    rows = {split: [crop for crop in index if crop.split in labels[split]] for split in SPLITS}
    return {
        "crops": {split: len(crops) for split, crops in rows.items()},
        "people": {split: len({crop.person for crop in crops}) for split, crops in rows.items()},
        "shared_holdout": any(crop.split == "shared" for crop in index),
        "skin": dict(Counter(crop.skin for crop in index)),
        "side": dict(Counter(crop.side for crop in index)),
    }


def _crop(row: dict[str, str]) -> Crop:
    types: dict[str, type] = {"row": int, "turn": int, "confidence": float}
    types |= dict.fromkeys(("left", "top", "right", "bottom"), float)
    values = {name: types.get(name, str)(value) for name, value in row.items()}
    # An older version of the program used the same people for what validation and test are for now.
    label = "shared" if values["split"] == "holdout" else values["split"]
    return Crop(**{**values, "split": _known(label)})


def _known(label: str) -> SplitLabel:
    if label not in LABELS:
        raise ArtifactCorruptError(
            f"A crop is of an unknown split: {label}", hint="Materialize cropped_palms again."
        )
    return label
