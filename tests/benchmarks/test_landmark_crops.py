"""Crops by landmarks are upright, with the thumb on the right, whichever way the photograph lies."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import landmark_crops
from benchmarks.landmark_crops import CENTER, SIDE, Hand, hands_in, split_of, upright_crop, without_copies
from palm_assets.crops.splits import PeopleSplit
from palm_assets.gan.people_record import PeopleRecord, hash_of

SIZE = 128
LENGTH = 180.0  # from wrist to the root of the middle finger, in pixels of the photograph
MARKS = {0: (255, 0, 0), 5: (0, 255, 0), 17: (0, 0, 255)}  # wrist, index finger, little finger


def photograph(degrees: float, *, mirrored: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A photograph with a colored disk on three landmarks, and all landmarks; the hand turned clockwise."""
    upright = np.zeros((21, 2))
    upright[5], upright[9], upright[17] = (50, -LENGTH), (0, -LENGTH), (-50, -LENGTH)
    if mirrored:
        upright[:, 0] *= -1
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    landmarks = upright @ np.array([[cos, sin], [-sin, cos]]) + 300
    y, x = np.mgrid[:600, :600]
    pixels = np.full((600, 600, 3), 128, np.uint8)
    for number, color in MARKS.items():
        pixels[(x - landmarks[number, 0]) ** 2 + (y - landmarks[number, 1]) ** 2 < 100] = color
    return pixels, landmarks


def middle(crop: np.ndarray, number: int) -> np.ndarray:
    """Where the disk of a landmark is in a crop, (x, y)."""
    off = np.abs(crop - np.array(MARKS[number])[:, None, None]).sum(0)
    y, x = np.nonzero(off < 150)
    return np.array([x.mean(), y.mean()])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 33, 90, 180, -120])
def test_a_hand_is_turned_upright_with_the_thumb_on_the_right(degrees: float, mirrored: bool) -> None:
    found = upright_crop(*photograph(degrees, mirrored=mirrored), SIZE)
    assert found is not None
    crop, side = found
    scale = SIZE / side
    assert side == pytest.approx(SIDE * LENGTH)
    below = SIZE / 2 + CENTER * LENGTH * scale
    assert middle(crop, 0) == pytest.approx([SIZE / 2, below], abs=1.5)
    assert middle(crop, 5) == pytest.approx([SIZE / 2 + 50 * scale, below - LENGTH * scale], abs=1.5)
    assert middle(crop, 17) == pytest.approx([SIZE / 2 - 50 * scale, below - LENGTH * scale], abs=1.5)


def test_a_hand_that_is_small_or_cut_off_is_left_out() -> None:
    pixels, landmarks = photograph(0)
    assert upright_crop(pixels[::2, ::2], landmarks / 2, SIZE) is None
    assert upright_crop(pixels[:200], landmarks, SIZE) is None


def test_the_side_is_that_of_the_crop_and_not_the_published_one(tmp_path: Path) -> None:
    (tmp_path / "Hands").mkdir()
    for name, mirrored in (("a.png", False), ("b.png", True)):
        pixels, landmarks = photograph(0, mirrored=mirrored)
        Image.fromarray(pixels).save(tmp_path / "Hands" / name)
        write(tmp_path / "landmarks.csv", {"imageName": name} | coordinates(landmarks))
    for name, aspect in (("a.png", "palmar left"), ("b.png", "dorsal right")):
        info = {"id": "7", "skinColor": "dark", "aspectOfHand": aspect, "imageName": name}
        write(tmp_path / "HandInfo.csv", info)
    palm, back = hands_in(tmp_path, SIZE)
    assert (palm.aspect, palm.side, palm.person, palm.skin) == ("palmar", "right", "7", "dark")
    assert (back.aspect, back.side) == ("dorsal", "left")
    assert middle(palm.pixels, 5)[0] > middle(palm.pixels, 17)[0]
    assert middle(back.pixels, 5)[0] > middle(back.pixels, 17)[0]


def test_copies_and_strangers_like_those_held_out_are_left_out() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 3, 8, 8), dtype=np.uint8)
    one, other, third = (image.repeat(8, 1).repeat(8, 2) for image in noise)
    held_out, trained = hand(one, "ann"), hand(other, "bob")
    near = (0.7 * one + 0.3 * third).astype(np.uint8)  # correlated by about 0.92 with the hand held out
    split = PeopleSplit(frozenset({"bob", "phone"}), frozenset({"ann"}), frozenset())
    folders = [
        [held_out, trained],
        [hand(other[..., ::-1], "bob")],
        [hand(third, "phone"), hand(near, "phone")],
    ]
    kept, left_out = without_copies(folders, split)
    assert [kept_hand.person for kept_hand in kept] == ["ann", "bob", "phone"]
    assert left_out == {"copies": 1, "strangers who resemble people held out": 1}


def hand(pixels: np.ndarray, person: str) -> Hand:
    return Hand(pixels, "a.png", person, "palmar", "unknown", 200.0)


def coordinates(landmarks: np.ndarray) -> dict[str, float]:
    return {
        f"{axis}{i}": float(value)
        for i, point in enumerate(landmarks)
        for axis, value in zip("xy", point, strict=True)
    }


def write(table: Path, row: dict[str, object] | dict[str, str] | dict[str, float]) -> None:
    """Append a row to a table, which gets its header with the first one."""
    new = not table.exists()
    with table.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def test_who_is_trained_on_under_another_number_is_not_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (5, 3, 8, 8), dtype=np.uint8)
    images = [image.repeat(8, 1).repeat(8, 2) for image in noise]
    known = PeopleRecord(frozenset({hash_of("ann", "photographs")}), complete=True)
    monkeypatch.setattr(landmark_crops, "read_people", lambda folder: known)
    # Bob is Ann, by a mirrored photograph; Cid is Bob, by another one; Dan and Eve are not.
    hands = [
        hand(images[0], "ann"),
        hand(images[0][..., ::-1], "bob"),
        hand(images[1], "bob"),
        hand(images[1], "cid"),
        hand(images[2], "dan"),
        hand(images[3], "eve"),
        hand(images[4], "phone"),
    ]
    split = split_of(hands)
    assert split.train == {"ann", "bob", "cid", "phone"}
    assert split.held_out == {"dan", "eve"}
