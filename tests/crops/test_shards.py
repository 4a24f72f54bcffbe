"""Crops made shard by shard are those of the whole set; a change or an interruption costs one shard."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from palm_assets.crops import shards as shards_module
from palm_assets.crops.config import CropConfig
from palm_assets.crops.cropping import crop_photos, first_crops
from palm_assets.crops.extraction import make_crops, read_crops
from palm_assets.crops.shards import LocalEngine, read_shard, shard_file, split_into_shards
from palm_assets.detector.detection import Detection
from palm_assets.errors import PhotoError
from palm_assets.photos.index import Photo, PhotoIndex, index_photos
from tests.crops.test_extraction import MiddleDetector, photos_of
from tests.helpers import noise, save_picture


def photo(path: str, digest: str = "0") -> Photo:
    return Photo(path, 9, 9, path.split("/")[0], "palmar", "left", "fair", digest)


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class CountingDetector(MiddleDetector):
    """Counts the photographs that it sees."""

    @property
    def photos(self) -> int:
        return sum(self.batches)


class TurnedDetector:
    """Finds a palm on any photo, with the confidence that its first pixel says."""

    def detect(self, photos: Sequence[np.ndarray], *, min_confidence: float = 0.25) -> list[Detection | None]:
        found: list[Detection | None] = []
        for pixels in photos:
            height, width = pixels.shape[:2]
            confidence = float(pixels[0, 0, 0]) / 256
            box = (width / 8, height / 4, width / 2, height * 3 / 4)
            found.append(Detection(box, confidence) if confidence >= min_confidence else None)
        return found


# How a set is cut


def test_shards_are_the_set_in_order_and_of_bounded_size() -> None:
    photos = [photo(f"person{number // 7:04d}/{number}.jpg") for number in range(3000)]
    shards = split_into_shards(photos, 100)
    assert [one for shard in shards for one in shard.photos] == photos
    assert [shard.first for shard in shards] == list(
        np.cumsum([0, *(len(shard.photos) for shard in shards[:-1])])
    )
    lengths = [len(shard.photos) for shard in shards]
    assert all(50 <= length <= 200 for length in lengths[:-1])
    assert 80 <= np.mean(lengths) <= 120
    assert len(split_into_shards(photos[:49], 100)) == 1
    assert split_into_shards([], 100) == []


def test_a_changed_added_or_removed_photo_changes_its_own_shard_and_few_others() -> None:
    photos = [photo(f"person{number // 7:04d}/{number}.jpg", str(number)) for number in range(3000)]
    before = {shard.key for shard in split_into_shards(photos, 100)}
    changed = [*photos[:1500], replace(photos[1500], pixels_sha256="new"), *photos[1501:]]
    assert len({shard.key for shard in split_into_shards(changed, 100)} - before) == 1
    added = [*photos[:1500], photo("person0214/new.jpg", "new"), *photos[1500:]]
    assert 1 <= len({shard.key for shard in split_into_shards(added, 100)} - before) <= 3
    removed = [*photos[:1500], *photos[1501:]]
    assert 1 <= len({shard.key for shard in split_into_shards(removed, 100)} - before) <= 3


# The same crops


@pytest.mark.parametrize("no_palm", ["set_aside", "whole_photo"])
def test_shards_of_any_size_give_the_same_bytes(no_palm: str, tmp_path: Path) -> None:
    photos = photos_of(tmp_path / "photos", people=8, each=4, without=[(0, 0), (3, 2)])
    files, facts = [], []
    for size in (1, 5, 12, 2000):
        config = CropConfig(image_size=16, shard_photos=size, no_palm=no_palm)
        (folder := tmp_path / str(size)).mkdir()
        facts.append(make_crops(photos, LocalEngine(MiddleDetector()), config, folder))
        files.append(written(folder))
    assert files[0] == files[1] == files[2] == files[3]
    assert facts[0] == facts[1] == facts[2] == facts[3]
    assert sorted(files[0]) == ["contact_sheet.png", "crops.csv", "crops.npy", "without_palm.csv"]


@pytest.mark.parametrize("size", [3, 2000])
def test_the_crops_are_those_of_the_whole_set_at_once_turned_as_most_of_it(size: int, tmp_path: Path) -> None:
    for number in range(24):
        pixels = noise(48, 40, seed=number)
        # Upside down with few exceptions, which are only a little more probable as they are.
        pixels[0, 0], pixels[0, -1] = 130, 130
        pixels[-1, 0] = pixels[-1, -1] = 128 if number % 12 < 2 else 142
        save_picture(tmp_path / "photos" / f"person{number // 3}" / f"{number}.png", pixels)
    photos = index_photos(tmp_path / "photos")
    config = CropConfig(image_size=16, quarter_turns=True, batch=2, shard_photos=size)
    at_first = [crop.turn for _, crop in first_crops(photos, photos.photos, TurnedDetector(), config) if crop]
    whole, without = crop_photos(photos, TurnedDetector(), config)
    assert at_first != [crop.turn for crop in whole]  # so some are cropped again
    facts = make_crops(photos, LocalEngine(TurnedDetector()), config, tmp_path)
    crops = read_crops(tmp_path)
    assert not without
    assert facts["turned"] == sum(crop.turn != 0 for crop in whole) > 0
    by_path = {crop.photo.path: crop for crop in whole}
    for pixels, row in zip(crops.images, crops.index, strict=True):
        expected = by_path[row.path]
        assert (pixels == expected.pixels).all()
        assert row.turn == expected.turn
        assert (row.left, row.top, row.right, row.bottom) == tuple(round(x, 1) for x in expected.box)


# What is reused


def cropped_with(photos: PhotoIndex, out: Path, shards: Path) -> int:
    """Crop in shards of five or so; returns how many photos the detector saw."""
    out.mkdir()
    shards.mkdir(exist_ok=True)
    detector = CountingDetector()
    make_crops(photos, LocalEngine(detector), CropConfig(image_size=16, shard_photos=5), out, shards=shards)
    return detector.photos


def test_finished_shards_are_reused_and_a_changed_photo_costs_its_shard(tmp_path: Path) -> None:
    photos, shards = photos_of(tmp_path / "photos", people=12, each=4), tmp_path / "shards"
    assert cropped_with(photos, tmp_path / "first", shards) == 48
    assert cropped_with(photos, tmp_path / "second", shards) == 0
    assert written(tmp_path / "first") == written(tmp_path / "second")

    save_picture(photos.root / photos.photos[20].path, noise(48, 40))
    changed = index_photos(photos.root)
    (own,) = (
        shard for shard in split_into_shards(changed.photos, 5) if 0 <= 20 - shard.first < len(shard.photos)
    )
    assert cropped_with(changed, tmp_path / "third", shards) == len(own.photos)
    assert cropped_with(changed, tmp_path / "fresh", tmp_path / "none") == 48
    assert written(tmp_path / "third") == written(tmp_path / "fresh")


def test_an_interrupted_run_goes_on_with_the_shards_that_are_complete(tmp_path: Path) -> None:
    photos, shards = photos_of(tmp_path / "photos", people=12, each=4), tmp_path / "shards"
    missing = photos.root / photos.photos[-1].path
    content = missing.read_bytes()
    missing.unlink()
    with pytest.raises(PhotoError, match="gone") as raised:
        cropped_with(photos, tmp_path / "first", shards)
    last = split_into_shards(photos.photos, 5)[-1]
    assert f"in the shard {last.photos[0].path} to {last.photos[-1].path}" in raised.value.__notes__[0]
    assert all(path.suffix == ".shard" for path in shards.iterdir())  # nothing unfinished stays
    missing.write_bytes(content)
    assert cropped_with(photos, tmp_path / "second", shards) == len(last.photos)


def test_a_shard_that_fails_once_is_named_and_tried_again_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photos = photos_of(tmp_path / "photos", people=12, each=4)
    shards = split_into_shards(photos.photos, 5)

    class Flaky(CountingDetector):
        def detect(
            self, photos: Sequence[np.ndarray], *, min_confidence: float = 0.25
        ) -> list[Detection | None]:
            found = super().detect(photos, min_confidence=min_confidence)
            if len(self.batches) == 3:
                raise RuntimeError("the network drive is away")
            return found

    detector = Flaky()
    with caplog.at_level(logging.WARNING):
        make_crops(photos, LocalEngine(detector), CropConfig(image_size=16, shard_photos=5), tmp_path)
    assert detector.photos == 48 + len(shards[2].photos)
    assert f"{shards[2].photos[0].path} to {shards[2].photos[-1].path} failed" in caplog.text
    assert len(read_crops(tmp_path).images) == 48


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty"])
def test_a_damaged_shard_is_made_again(damage: str, tmp_path: Path) -> None:
    photos, shards = photos_of(tmp_path / "photos", people=12, each=4), tmp_path / "shards"
    cropped_with(photos, tmp_path / "first", shards)
    shard = split_into_shards(photos.photos, 5)[1]
    path = shard_file(shards, shard)
    content = bytearray(path.read_bytes())
    content[300] ^= 1
    path.write_bytes({"flipped": bytes(content), "truncated": path.read_bytes()[:-40], "empty": b""}[damage])
    assert cropped_with(photos, tmp_path / "second", shards) == len(shard.photos)
    assert written(tmp_path / "first") == written(tmp_path / "second")


def test_the_crops_of_a_shard_are_a_read_only_map(tmp_path: Path) -> None:
    photos, shards = photos_of(tmp_path / "photos", people=2, each=4), tmp_path / "shards"
    cropped_with(photos, tmp_path / "crops", shards)
    shard = split_into_shards(photos.photos, 5)[0]
    opened = read_shard(shard_file(shards, shard))
    assert isinstance(opened.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        opened.images[0] = 0
    assert opened.images.shape == (len(shard.photos), 3, 16, 16)


def test_tidying_keeps_the_shards_of_a_set_alone(tmp_path: Path) -> None:
    photos, shards = photos_of(tmp_path / "photos", people=12, each=4), tmp_path / "shards"
    cropped_with(photos, tmp_path / "first", shards)
    (shards / ".unfinished-abc").write_bytes(b"left by a killed process")
    kept = split_into_shards(photos.photos, 5)[:2]
    shards_module.tidy(shards, kept)
    assert sorted(shards.iterdir()) == sorted(shard_file(shards, shard) for shard in kept)
