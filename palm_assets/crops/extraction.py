"""Crops of a whole set of photographs: made shard by shard, merged into one file, and read through a map."""

from __future__ import annotations

import contextlib
import csv
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from palm_assets.crops.config import CONTACT_SHEET_FILE, CropConfig
from palm_assets.crops.cropping import CroppedPhoto, cropped, decoded_ahead, region
from palm_assets.crops.geometry import Box
from palm_assets.crops.shards import Engine, Shard, ShardCrops, read_shard, shard_file, split_into_shards
from palm_assets.crops.splits import LABELS, SPLITS, PeopleSplit, Split, SplitLabel, assign_people
from palm_assets.crops.turns import TURNS, most_probable_turns
from palm_assets.detector.detection import Detection
from palm_assets.errors import ArtifactCorruptError, DatasetError
from palm_assets.image_grid import grid
from palm_assets.photos.index import Photo, PhotoIndex, write_rows
from palm_assets.progress import Progress, no_progress

CROPS_FILE = "crops.npy"
INDEX_FILE = "crops.csv"
WITHOUT_PALM_FILE = "without_palm.csv"
SHEET_TILES = 100


@dataclass(frozen=True, slots=True)
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
        return self.images[self.span("train")]

    @property
    def validation(self) -> np.ndarray:
        """Crops of the people who choose the checkpoint and calibrate the score, (M, 3, S, S)."""
        return self.images[self.span("validation")]

    @property
    def test(self) -> np.ndarray:
        """Crops of the people whom models are measured against, (K, 3, S, S)."""
        return self.images[self.span("test")]

    def rows(self, split: Split) -> tuple[Crop, ...]:
        """Where each crop of a split comes from, in order."""
        return self.index[self.span(split)]

    def people_in_rows(self, split: Split) -> list[str]:
        """The person of each crop of a split, in order."""
        return [crop.person for crop in self.index[self.span(split)]]

    @property
    def people(self) -> PeopleSplit:
        """The people of each split."""
        return PeopleSplit(*(frozenset(self.people_in_rows(split)) for split in SPLITS))

    def span(self, split: Split) -> slice:
        """Where the rows of a split are; those of shared crops are between validation and test."""
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
    engine: Engine,
    config: CropConfig,
    folder: Path,
    *,
    known: Collection[str] = (),
    shards: Path | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Crop the palm from every photo, shard by shard: only a batch of crops is in memory.

    Writes `crops.npy`, `crops.csv`, `without_palm.csv` and `contact_sheet.png`.

    Args:
        photos: to crop.
        engine: crops the shards.
        config: how to crop.
        folder: to write into.
        known: people who may not be held out.
        shards: folder of finished shards of this detector and config, which are reused; see `Engine`. By
            default they are not kept.
        progress: called with photos done and photos in all.

    Returns:
        Facts for the manifest: numbers of crops and people in each split, whether validation and test share
        theirs ("shared_holdout"), share of photos with a palm.

    Raises:
        DatasetError: fewer than two people, or no palm found at all.
        PhotoError: a photo is gone or has changed.
    """
    assign_people({photo.person for photo in photos.photos}, config, known)  # refuses a single person at once
    if shards is None:
        with tempfile.TemporaryDirectory(prefix=".shards-", dir=folder) as temporary:
            return _make(photos, engine, config, folder, known, Path(temporary), progress)
    return _make(photos, engine, config, folder, known, shards, progress)


def _make(
    photos: PhotoIndex,
    engine: Engine,
    config: CropConfig,
    folder: Path,
    known: Collection[str],
    shards_folder: Path,
    progress: Progress,
) -> dict[str, Any]:
    total, palms = len(photos.photos), _Palms(len(photos.photos), len(TURNS) if config.quarter_turns else 1)
    shards = split_into_shards(photos.photos, config.shard_photos)
    # Closed, so that an engine ends its work at once if this one is interrupted.
    finished = engine.crop(shards, photos, config, shards_folder, progress=progress)
    with contextlib.closing(finished):
        for shard, crops in finished:
            palms.add(shard.first, crops)
    kept = np.arange(total) if config.no_palm == "whole_photo" else np.flatnonzero(palms.found)
    if not len(kept):
        raise DatasetError(
            f"The detector found no palm on any of {total} photos",
            where=photos.root,
            hint="Check detections.png of the detector; train it longer or lower min_confidence.",
        )
    # Only all photos together show which way up most are. The few that turn out otherwise are cropped again.
    palms.choose_turns()
    people = assign_people({photos.photos[position].person for position in kept}, config, known)
    order = _in_order_of_splits(photos.photos, kept, people)
    with (folder / CROPS_FILE).open("wb") as file:
        shape = (len(order), 3, config.image_size, config.image_size)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        rows = np.full(total, -1)
        rows[order] = np.arange(len(order))
        start, size = file.tell(), 3 * config.image_size**2
        # Written directly: a full disk would end a process that writes to a memory map.
        for shard in shards:
            for row, pixels in _final_crops(
                shard, read_shard(shard_file(shards_folder, shard)), rows, palms, photos, config
            ):
                file.seek(start + int(row) * size)
                file.write(pixels.tobytes())
    write_rows(folder / INDEX_FILE, Crop, _index(photos.photos, order, people, palms, config))
    without = (photo for photo, found in zip(photos.photos, palms.found, strict=True) if not found)
    write_rows(folder / WITHOUT_PALM_FILE, Photo, without)
    images = np.load(folder / CROPS_FILE, mmap_mode="r")
    shown = np.linspace(0, len(images) - 1, min(SHEET_TILES, len(images))).astype(int)
    grid([images[row] for row in shown]).save(folder / CONTACT_SHEET_FILE)
    return {
        **_counts([photos.photos[position] for position in order], people),
        "share_with_palm": 1 - (total - int(palms.found.sum())) / total,
        "turned": int((palms.turns[order] != 0).sum()),
        "image_size": config.image_size,
    }


class _Palms:
    """What was detected in all N photographs of a set, in each of T turns.

    Attributes:
        detections: float64 (N, T, 5), see `ShardCrops`.
        turns: int64 (N,), quarter turns of the crop.
    """

    def __init__(self, photos: int, turns: int) -> None:
        self.detections = np.full((photos, turns, 5), np.nan)
        self.turns = np.zeros(photos, np.int64)
        self._log_odds = np.zeros((photos, turns))

    def add(self, first: int, crops: ShardCrops) -> None:
        """Take over a shard that begins at position `first`."""
        rows = slice(first, first + len(crops.turns))
        self.detections[rows], self._log_odds[rows] = crops.detections, crops.log_odds

    def choose_turns(self) -> None:
        """Choose the most probable turn of each photograph, given all of them."""
        self.turns = most_probable_turns(self._log_odds, ~np.isnan(self.detections[..., 0]))

    @property
    def found(self) -> np.ndarray:
        """Whether a palm was detected in any turn, bool (N,)."""
        found: np.ndarray = ~np.isnan(self.detections[..., 0]).all(1)
        return found

    def detection(self, position: int) -> Detection | None:
        """Of a photograph in the turn of its crop."""
        left, top, right, bottom, confidence = self.detections[position, self.turns[position]].tolist()
        return None if np.isnan(confidence) else Detection((left, top, right, bottom), confidence)


def _in_order_of_splits(photos: tuple[Photo, ...], kept: np.ndarray, people: PeopleSplit) -> np.ndarray:
    """Positions of the photos that are cropped: by split, and by path within a split."""
    by_path = np.array(sorted(kept.tolist(), key=lambda position: photos[position].path))
    labels = np.array([LABELS.index(people.label(photos[position].person)) for position in by_path])
    ordered: np.ndarray = by_path[np.argsort(labels, kind="stable")]
    return ordered


def _final_crops(
    shard: Shard,
    crops: ShardCrops,
    rows: np.ndarray,
    palms: _Palms,
    photos: PhotoIndex,
    config: CropConfig,
) -> Iterator[tuple[int, np.ndarray]]:
    """The crops of a shard with their rows, which are below 0 if a photo has none."""
    positions = np.arange(shard.first, shard.first + len(shard.photos))
    differs = crops.turns != palms.turns[positions]
    for number in np.flatnonzero((rows[positions] >= 0) & ~differs):
        yield int(rows[positions[number]]), crops.images[number]
    again = np.flatnonzero((rows[positions] >= 0) & differs)
    chosen = [shard.photos[number] for number in again]
    numbers = iter(again.tolist())
    for batch, decoded in decoded_ahead(photos, chosen, config.batch):
        for photo, pixels in zip(batch, decoded, strict=True):
            position = shard.first + next(numbers)
            crop = cropped(photo, pixels, int(palms.turns[position]), palms.detection(position), config)
            yield int(rows[position]), crop.pixels


def _index(
    photos: tuple[Photo, ...], order: np.ndarray, people: PeopleSplit, palms: _Palms, config: CropConfig
) -> Iterator[Crop]:
    """The rows of the index, in order."""
    for row, position in enumerate(order.tolist()):
        photo, turn, detection = photos[position], int(palms.turns[position]), palms.detection(position)
        width, height = (photo.height, photo.width) if turn % 2 else (photo.width, photo.height)
        box = region(width, height, detection, config)
        yield _row(row, photo, 90 * turn, detection, box, people.label(photo.person))


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


def indexed(row: int, crop: CroppedPhoto, split: SplitLabel) -> Crop:
    """The row of the index for a crop."""
    return _row(row, crop.photo, crop.turn, crop.detection, crop.box, split)


def _row(row: int, photo: Photo, turn: int, detection: Detection | None, box: Box, split: SplitLabel) -> Crop:
    left, top, right, bottom = (round(value, 1) for value in box)
    return Crop(
        row,
        photo.path,
        photo.person,
        photo.aspect,
        photo.side,
        photo.skin,
        split,
        0.0 if detection is None else round(detection.confidence, 4),
        left,
        top,
        right,
        bottom,
        turn,
    )


def _counts(photos: Sequence[Photo], people: PeopleSplit) -> dict[str, Any]:
    """Facts of the photos of all crops, in the order of the crops."""
    labels: dict[Split, tuple[SplitLabel, ...]] = {
        "train": ("train",),
        "validation": ("validation", "shared"),
        "test": ("shared", "test"),
    }
    of_person = Counter(photo.person for photo in photos)
    crops: Counter[SplitLabel] = Counter()
    persons: Counter[SplitLabel] = Counter()
    for person, count in of_person.items():
        crops[people.label(person)] += count
        persons[people.label(person)] += 1
    return {
        "crops": {split: sum(crops[label] for label in labels[split]) for split in SPLITS},
        "people": {split: sum(persons[label] for label in labels[split]) for split in SPLITS},
        "shared_holdout": crops["shared"] > 0,
        "skin": dict(Counter(photo.skin for photo in photos)),
        "side": dict(Counter(photo.side for photo in photos)),
    }


def _crop(row: dict[str, str]) -> Crop:
    types: dict[str, Callable[[str], Any]] = {"row": int, "turn": int, "confidence": float}
    types |= dict.fromkeys(("left", "top", "right", "bottom"), float)
    values = {name: types.get(name, sys.intern)(value) for name, value in row.items() if name != "path"}
    values["path"] = row["path"]  # unlike the others it is that of one crop
    # An older version of the program used the same people for what validation and test are for now.
    label = "shared" if values["split"] == "holdout" else values["split"]
    return Crop(**{**values, "split": _known(label)})


def _known(label: str) -> SplitLabel:
    if label not in LABELS:
        raise ArtifactCorruptError(
            f"A crop is of an unknown split: {label}", hint="Materialize cropped_palms again."
        )
    return label
