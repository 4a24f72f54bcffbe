"""One photo of a set, drawn and written to disk: the part of the work that several processes share."""

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
"""What a photo adds to the table of its set."""


@dataclass(frozen=True)
class HandsJob:
    """A set like the Kaggle one; the arguments are those of ``write_kaggle_hands``."""

    folder: str
    photos: int
    people: int
    seed: int
    size: int

    @property
    def count(self) -> int:
        """Number of photos."""
        return self.photos

    def draw(self, i: int) -> Row:
        """Draw photo ``i`` to disk; returns its row of ``HandInfo.csv``."""
        person = _person(self.seed, i % self.people, HANDS_STREAM)
        drawn = render_hand(self.seed, i, size=self.size, person=person)
        name = f"Hand_{i + 1:07d}.jpg"
        _write_jpeg(Path(self.folder, "Hands", "Hands", name), drawn.image)
        return _row(drawn, name)


@dataclass(frozen=True)
class BoxesJob:
    """A set like the Roboflow one; the arguments are those of ``write_yolo_export``."""

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

    def draw(self, i: int) -> Row:
        """Draw photo ``i`` of all splits in a row, and its label, to disk."""
        split = 0
        for held in (self.train, self.valid):
            if i < held:
                break
            i, split = i - held, split + 1
        image, label = _labeled(self.seed, split, i, self.size)
        home, stem = Path(self.folder, SPLITS[split]), f"hand_{i + 1:06d}"
        _write_jpeg(home / "images" / f"{stem}.jpg", image)
        (home / "labels" / f"{stem}.txt").write_text(label, encoding="ascii")
        return []


def _labeled(seed: int, split: int, i: int, size: int) -> tuple[npt.NDArray[np.uint8], str]:
    """Photo ``i`` of a split and its label: empty, or one line ``0 x y w h`` in shares of the picture."""
    # Splits take every third photo and every third person: none is shared, whatever their sizes.
    index = len(SPLITS) * i + split
    person = _person(seed, len(SPLITS) * (i // _PHOTOS_PER_PERSON) + split, BOXES_STREAM)
    kind, angle = np.random.default_rng([seed, BOXES_STREAM, 13, index]).random(2)
    if kind < _EMPTY_SHARE:
        return render_empty(seed, index, size=size, stream=BOXES_STREAM), ""
    aspect: Aspect = "dorsal" if kind < _EMPTY_SHARE + _DORSAL_SHARE else "palmar"
    tilt = 180.0 if angle < _ANY_ANGLE_SHARE else 40.0
    drawn = render_hand(
        seed, index, size=size, person=person, aspect=aspect, max_tilt=tilt, stream=BOXES_STREAM
    )
    if aspect == "dorsal":
        return drawn.image, ""
    x0, y0, x1, y1 = (v / size for v in drawn.palm_box)
    return drawn.image, f"0 {(x0 + x1) / 2:.6f} {(y0 + y1) / 2:.6f} {x1 - x0:.6f} {y1 - y0:.6f}\n"


def _row(drawn: SyntheticHand, name: str) -> Row:
    who = drawn.person
    polish = int(who.nail_polish and drawn.aspect == "dorsal")
    aspect = f"{drawn.aspect} {drawn.side}"
    return [who.id, who.age, who.gender, who.skin_color, int(who.ring), polish, aspect, name, 0]


@lru_cache(maxsize=4096)
def _person(seed: int, number: int, stream: int) -> Person:
    return sample_person(seed, number, stream=stream)


def _write_jpeg(path: Path, image: npt.NDArray[np.uint8]) -> None:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)  # OpenCV encodes BGR
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    path.write_bytes(data.tobytes())
