"""Rendering one photo of a data set and writing it to disk: the work that several processes share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from palm_assets.synthetic.people import BOXES_STREAM, HANDS_STREAM, Person, sample_person
from palm_assets.synthetic.render import SyntheticHand, render_empty, render_hand
from palm_assets.synthetic.types import Aspect

JPEG_QUALITY = 92
SPLITS = ("train", "valid", "test")
_PHOTOS_PER_PERSON = 3  # a detector profits from many people more than from many photos of one
_EMPTY_SHARE, _DORSAL_SHARE, _ANY_ANGLE_SHARE = 0.06, 0.08, 0.3

Row: TypeAlias = list[str | int]
"""What a photo adds to the table of its data set."""


@dataclass(frozen=True)
class HandsJob:
    """A data set like the one on Kaggle; the fields are the arguments of ``write_kaggle_hands``."""

    folder: str
    photos: int
    people: int
    seed: int
    size: int

    @property
    def count(self) -> int:
        """Number of photos."""
        return self.photos

    def render(self, i: int) -> Row:
        """Render photo ``i`` to disk; returns its row of ``HandInfo.csv``."""
        person = _person(self.seed, i % self.people, HANDS_STREAM)
        photo = render_hand(self.seed, i, size=self.size, person=person)
        name = f"Hand_{i + 1:07d}.jpg"
        _write_jpeg(Path(self.folder, "Hands", "Hands", name), photo.image)
        return _row(photo, name)


@dataclass(frozen=True)
class BoxesJob:
    """A data set like a Roboflow export; the fields are the arguments of ``write_yolo_export``."""

    folder: str
    train: int
    valid: int
    test: int
    seed: int
    size: int

    @property
    def count(self) -> int:
        """Number of photos."""
        return self.train + self.valid + self.test

    def render(self, i: int) -> Row:
        """Render photo ``i``, counted over the three splits in order, and write it with its label."""
        split = 0
        for photos_of_split in (self.train, self.valid):
            if i < photos_of_split:
                break
            i, split = i - photos_of_split, split + 1
        image, label = _labeled_photo(self.seed, split, i, self.size)
        folder, stem = Path(self.folder, SPLITS[split]), f"hand_{i + 1:06d}"
        _write_jpeg(folder / "images" / f"{stem}.jpg", image)
        (folder / "labels" / f"{stem}.txt").write_text(label, encoding="ascii")
        return []


def _labeled_photo(seed: int, split: int, i: int, size: int) -> tuple[npt.NDArray[np.uint8], str]:
    """Photo ``i`` of a split and its label: empty, or one line ``0 x y w h`` in fractions of the image."""
    # Splits take every third photo and every third person: they share none, whatever their sizes.
    index = len(SPLITS) * i + split
    person = _person(seed, len(SPLITS) * (i // _PHOTOS_PER_PERSON) + split, BOXES_STREAM)
    kind, angle = np.random.default_rng([seed, BOXES_STREAM, 13, index]).random(2)
    if kind < _EMPTY_SHARE:
        return render_empty(seed, index, size=size, stream=BOXES_STREAM), ""
    aspect: Aspect = "dorsal" if kind < _EMPTY_SHARE + _DORSAL_SHARE else "palmar"
    max_tilt = 180.0 if angle < _ANY_ANGLE_SHARE else 40.0
    photo = render_hand(
        seed, index, size=size, person=person, aspect=aspect, max_tilt=max_tilt, stream=BOXES_STREAM
    )
    if aspect == "dorsal":
        return photo.image, ""
    x0, y0, x1, y1 = (v / size for v in photo.palm_box)
    return photo.image, f"0 {(x0 + x1) / 2:.6f} {(y0 + y1) / 2:.6f} {x1 - x0:.6f} {y1 - y0:.6f}\n"


def _row(photo: SyntheticHand, name: str) -> Row:
    person = photo.person
    polish = int(person.nail_polish and photo.aspect == "dorsal")
    aspect = f"{photo.aspect} {photo.side}"
    return [
        person.id, person.age, person.gender, person.skin_color, int(person.ring), polish, aspect, name, 0
    ]  # fmt: skip


@lru_cache(maxsize=4096)
def _person(seed: int, number: int, stream: int) -> Person:
    return sample_person(seed, number, stream=stream)


def _write_jpeg(path: Path, image: npt.NDArray[np.uint8]) -> None:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)  # OpenCV encodes BGR
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    path.write_bytes(data.tobytes())
