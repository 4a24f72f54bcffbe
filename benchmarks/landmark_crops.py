"""Crops for a model of palms and backs: cut upright by hand landmarks, without copies, thumb on the right.

The model `hands` is trained on such crops. Each FOLDER is laid out as 11k Hands, with `HandInfo.csv`, and has
`landmarks.csv` beside it: for each photograph the 21 points of a hand in the usual order (0 wrist, 5 and 9
the roots of index and middle finger, 17 that of the little one), in columns `x0`, `y0`, ... of pixels. A
folder without `HandInfo.csv`, such as a YOLO export, is taken for palms of unknown people. They are trained
on and never held out; those that resemble a crop of people who are held out are left out.

A crop is a square with the middle finger pointing up, mirrored where needed so that the thumb is on the
right. The side that is recorded is the one that the crop shows, so photographs that were published mirrored
do no harm. What is in several folders is taken from the first, so name the one with the largest photographs
first.

Example:
    python benchmarks/landmark_crops.py --home palm_home hands-hires hands-11k palm-yolo
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from palm_assets.crops.config import CONTACT_SHEET_FILE, CropConfig
from palm_assets.crops.extraction import CROPS_FILE, INDEX_FILE, Crop
from palm_assets.crops.splits import LABELS, PeopleSplit, SplitLabel
from palm_assets.gan.hand_labels import from_metadata
from palm_assets.gan.people_record import read_people
from palm_assets.image_grid import grid
from palm_assets.photos.hand_info import HAND_INFO, join_table
from palm_assets.photos.index import write_rows
from palm_assets.photos.reader import read_photo
from palm_assets.quality.copies import Thumbnails, copy_similarity, shifted_similarity, thumbnails
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.starter import STARTER, hands_folder

LANDMARKS = "landmarks.csv"
SIDE, CENTER = (
    1.22,
    0.56,
)  # of the square, and of its middle above the wrist; in lengths from wrist to middle finger
MIN_PIXELS = 155  # of the square in the photograph; smaller ones are blurred at 256 px
STRANGERS = "phone"  # stands for the people of all photographs without HandInfo.csv
COPY, RESEMBLES = 0.95, 0.85  # correlation of copies; and above that of photographs of two people
SAME_PERSON = 0.96  # correlation, over turns and zooms, too, above which two people are one
SHEET_TILES = 100
WRIST, INDEX, MIDDLE, LITTLE = 0, 5, 9, 17  # landmarks
MAX_OUTSIDE = 0.1  # share of a crop that may lie outside of its photograph, where the border is repeated
SHIFTS = np.arange(0, 0.4, 0.05)  # towards the fingers, in lengths; backs are often cut off at the wrist
CODE_VERSION = "upright-landmarks-4"


@dataclass(frozen=True)
class Hand:
    """One crop, uint8 RGB (3, S, S), with the thumb on the right, and where it comes from.

    Attributes:
        aspect: "palmar" or "dorsal".
        photo_side: side of the square in the photograph, in pixels.
    """

    pixels: np.ndarray
    path: str
    person: str
    aspect: str
    skin: str
    photo_side: float

    @property
    def side(self) -> str:
        """Whose hand has its thumb on the right of an image: left or right."""
        left = from_metadata(self.aspect, "left", "")
        return "right" if left.thumb_left else "left"


def hands_in(root: Path, size: int) -> Iterator[Hand]:
    """A crop of each photograph of a folder whose landmarks are known."""
    points = _landmarks(root / LANDMARKS)
    folder = next((found for found in (root / "Hands/Hands", root / "Hands") if found.is_dir()), root)
    table = join_table(root / HAND_INFO, points) if (root / HAND_INFO).exists() else None
    for name, landmarks in points.items():
        if table is not None and name not in table:
            continue
        crop = upright_crop(read_photo(folder / name), landmarks, size)
        if crop is None:
            continue
        path, (pixels, photo_side) = f"{root.name}/{name}", crop
        if table is None:
            yield Hand(pixels, path, STRANGERS, "palmar", "unknown", photo_side)
        else:
            known = table[name]
            yield Hand(pixels, path, known.person, known.aspect, known.skin or "unknown", photo_side)


def upright_crop(photo: np.ndarray, landmarks: np.ndarray, size: int) -> tuple[np.ndarray, float] | None:
    """The square with the middle finger pointing up and the thumb on the right.

    Args:
        photo: uint8 RGB (H, W, 3).
        landmarks: float64 (21, 2), x and y in pixels.
        size: side S of the crop.

    Returns:
        uint8 RGB (3, S, S), and the side of the square in pixels of the photograph; None if the hand is too
        small or too much of the square lies outside of the photograph.
    """
    up = landmarks[MIDDLE] - landmarks[WRIST]
    length = float(np.linalg.norm(up))
    side = SIDE * length
    if side < MIN_PIXELS:
        return None
    up = up / length
    right = np.array([-up[1], up[0]])  # y points down
    if (landmarks[INDEX] - landmarks[LITTLE]) @ right < 0:  # the thumb is beside the index finger
        right = -right
    knuckles = (landmarks[INDEX] + landmarks[LITTLE]) / 2
    sideways = ((knuckles + landmarks[WRIST]) / 2 - landmarks[WRIST]) @ right
    whole = np.full(photo.shape[:2], 255, np.uint8)
    best: tuple[float, np.ndarray] | None = None
    for shift in SHIFTS:
        center = landmarks[WRIST] + up * length * (CENTER + shift) + right * sideways
        corner = center - right * side / 2 + up * side / 2
        side_pixels = round(side)
        # From pixels of the square to pixels of the photograph.
        matrix = np.column_stack([right * side / side_pixels, -up * side / side_pixels, corner])
        inside = cv2.warpAffine(whole, matrix, (side_pixels, side_pixels), flags=cv2.WARP_INVERSE_MAP)
        outside = 1 - float(inside.mean()) / 255
        if best is None or outside < best[0] - 0.005:
            best = outside, matrix
    assert best is not None
    if best[0] > MAX_OUTSIDE:
        return None
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    square = cv2.warpAffine(
        photo, best[1], (side_pixels, side_pixels), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    small = Image.fromarray(square).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(small).transpose(2, 0, 1), side


def split_of(hands: Sequence[Hand]) -> PeopleSplit:
    """Whom no bundled model was trained on is held out: half of them in validation, half in test.

    But not who has a crop that is nearly one of somebody trained on: numbers of people may be guesses.
    """
    people = {hand.person for hand in hands} - {STRANGERS}
    known = {STRANGERS}.union(
        *(
            read_people(folder).known_among(people, "photographs")
            for folder in (STARTER, hands_folder(STARTER))
        )
    )
    small = thumbnails(np.stack([hand.pixels for hand in hands]))
    while alike := _resembling(hands, small, known):
        known |= alike
    free = sorted(people - known)
    return PeopleSplit(frozenset(known), frozenset(free[::2]), frozenset(free[1::2]))


def _resembling(hands: Sequence[Hand], small: Thumbnails, known: Collection[str]) -> set[str]:
    """Others than the known people and strangers who have a crop that is nearly one of a known person."""
    theirs = np.array([hand.person in known and hand.person != STRANGERS for hand in hands])
    others = np.flatnonzero([hand.person not in known for hand in hands])
    similarity = copy_similarity(small[others], small[theirs])
    return {hands[row].person for row in others[similarity > SAME_PERSON]}


def without_copies(folders: Sequence[Sequence[Hand]], split: PeopleSplit) -> tuple[list[Hand], Counter[str]]:
    """The hands of all folders, without copies and without strangers who resemble people held out.

    What a folder has in common with one before it is taken from that one. Several photographs of a hand in
    one folder are kept, however similar.
    """
    left_out: Counter[str] = Counter()
    kept: list[Hand] = []
    for hands in folders:
        small = thumbnails(np.stack([hand.pixels for hand in hands]))
        before = thumbnails(np.stack([hand.pixels for hand in kept])) if kept else small[:0]
        held_out = before[[hand.person in split.held_out for hand in kept]]
        copies = shifted_similarity(small, before) > COPY
        alike = shifted_similarity(small, held_out) > RESEMBLES
        for hand, is_copy, resembles in zip(hands, copies, alike, strict=True):
            if is_copy:
                left_out["copies"] += 1
            elif resembles and hand.person == STRANGERS:
                left_out["strangers who resemble people held out"] += 1
            else:
                kept.append(hand)
    return kept, left_out


def write_crops(hands: Sequence[Hand], split: PeopleSplit, size: int, folder: Path) -> Mapping[str, Any]:
    """Write the files of crops in order of their splits; returns the facts for the manifest."""
    ordered = sorted(hands, key=lambda hand: (LABELS.index(split.label(hand.person)), hand.path))
    images = np.stack([hand.pixels for hand in ordered])
    np.save(folder / CROPS_FILE, images)
    box = (0.0, 0.0, float(size), float(size))
    rows = [
        Crop(
            row, hand.path, hand.person, hand.aspect, hand.side, hand.skin, split.label(hand.person), 1, *box
        )
        for row, hand in enumerate(ordered)
    ]
    write_rows(folder / INDEX_FILE, Crop, rows)
    shown = np.linspace(0, len(images) - 1, min(SHEET_TILES, len(images))).astype(int)
    grid(images[shown]).save(folder / CONTACT_SHEET_FILE)
    crops: Counter[SplitLabel] = Counter(row.split for row in rows)
    people = {label: len({row.person for row in rows if row.split == label}) for label in LABELS}
    return {
        "crops": {label: crops[label] for label in LABELS if label != "shared"},
        "people": {label: people[label] for label in LABELS if label != "shared"},
        "aspect": dict(Counter(f"{row.aspect}, {row.split}" for row in rows)),
        "skin": dict(Counter(hand.skin for hand in hands)),
        "side": dict(Counter(hand.side for hand in hands)),
        "shared_holdout": False,
        "share_with_palm": 1.0,
        "image_size": size,
        "population": "photographs",
    }


def _landmarks(table: Path) -> dict[str, np.ndarray]:
    with table.open(newline="", encoding="utf-8") as stream:
        return {
            row["imageName"]: np.array(
                [[float(row[f"{axis}{point}"]) for axis in "xy"] for point in range(21)]
            )
            for row in csv.DictReader(stream)
        }


def make_landmark_crops(store: Store, folders: Sequence[Path], size: int) -> Artifact:
    """Make the crops of all folders and publish them in the store, where trainings find them by version."""
    config = CropConfig(image_size=size)

    def build(folder: Path) -> Mapping[str, Any]:
        found = []
        for root in folders:
            found.append(list(hands_in(root, size)))
            print(f"{root}: {len(found[-1])} crops", flush=True)
        split = split_of([hand for hands in found for hand in hands])
        kept, left_out = without_copies(found, split)
        print(", ".join(f"{count} {what}" for what, count in left_out.items()), "left out")
        return write_crops(kept, split, size, folder)

    inputs = {"photos": "-".join(sorted(root.name for root in folders))}
    return store.make("crops", build, inputs=inputs, config=config, code_version=CODE_VERSION)


def main() -> None:
    """Make the crops."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="FOLDER", help="with landmarks.csv; largest first"
    )
    parser.add_argument("--home", type=Path, default=Path("palm_home"), help="the artifact store")
    parser.add_argument("--size", type=int, default=256, help="side of a crop in pixels (256)")
    options = parser.parse_args()
    made = make_landmark_crops(Store(options.home), options.folders, options.size)
    print(f"{made.folder}: {made.facts['crops']} crops of {made.facts['people']} people")


if __name__ == "__main__":
    main()
