"""The stage "crops": which shards it keeps in the work folder, and what they are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from palm_assets.crops.config import CropConfig
from palm_assets.crops.shards import split_into_shards
from palm_assets.detector.config import DetectorConfig
from palm_assets.release.own_photographs import are_cropped
from palm_assets.release.retention import RetentionConfig, remove_unused
from palm_assets.sources.config import PhotosConfig
from palm_assets.stages.crops import make_crops, shards_key
from palm_assets.stages.photos import make_photos, open_photos
from palm_assets.store.artifacts import Artifact, Store
from tests.crops.test_extraction import MiddleDetector
from tests.helpers import save_picture


@pytest.fixture
def hands(tmp_path: Path) -> Path:
    for number in range(48):
        save_picture(tmp_path / "hands" / f"person{number // 4:02d}" / f"{number}.png", seed=number)
    return tmp_path / "hands"


@pytest.fixture
def detector(store: Store) -> Artifact:
    return store.make("detector", lambda folder: {}, inputs={}, config=DetectorConfig(), code_version="1")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of photos in the batches that the detector sees."""
    detector = MiddleDetector()
    monkeypatch.setattr("palm_assets.detector.detection.load_detector", lambda folder: detector)
    return detector.batches


def photos_in(store: Store, hands: Path) -> Artifact:
    return make_photos(store, PhotosConfig(source="folder", folder=str(hands)))


def shards_in(store: Store) -> list[str]:
    return sorted(path.name for path in (store.home / "work").glob("crops-*-shards/*"))


def test_one_changed_photograph_or_another_split_crops_no_more_than_its_shard(
    store: Store, hands: Path, detector: Artifact, seen: list[int]
) -> None:
    config = CropConfig(image_size=16, shard_photos=5)
    first = make_crops(store, photos_in(store, hands), detector, config)
    assert sum(seen) == 48
    other_split = make_crops(store, photos_in(store, hands), detector, config.model_copy(update={"seed": 1}))
    assert other_split.version != first.version
    assert sum(seen) == 48

    before = shards_in(store)
    save_picture(hands / "person05" / "20.png", seed=99)
    photos = photos_in(store, hands)
    make_crops(store, photos, detector, config)
    shards = split_into_shards(open_photos(photos).photos, 5)
    (changed,) = (shard for shard in shards if "person05/20.png" in [photo.path for photo in shard.photos])
    assert sum(seen) == 48 + len(changed.photos)
    assert shards_in(store) == sorted(f"{shard.key}.shard" for shard in shards)  # those of before are gone
    assert len(set(before) & set(shards_in(store))) == len(shards) - 1


def test_a_set_of_one_shard_leaves_nothing_in_the_work_folder(
    store: Store, hands: Path, detector: Artifact, seen: list[int]
) -> None:
    make_crops(store, photos_in(store, hands), detector, CropConfig(image_size=16))
    assert sum(seen) == 48
    assert not list((store.home / "work").glob("crops-*/"))


def test_photographs_are_cropped_whatever_the_operational_settings_were(
    store: Store, hands: Path, detector: Artifact, seen: list[int]
) -> None:
    source, config = PhotosConfig(source="folder", folder=str(hands)), CropConfig(image_size=16)
    assert not are_cropped(store, source, config)
    other = config.model_copy(update={"batch": 4, "shard_photos": 5, "ray_address": "head:6379"})
    make_crops(store, photos_in(store, hands), detector, other)
    assert are_cropped(store, source, config)
    assert not are_cropped(store, source, CropConfig(image_size=32))


def test_shards_that_no_run_has_used_for_long_are_removed_by_retention(
    store: Store, hands: Path, detector: Artifact, seen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_crops(store, photos_in(store, hands), detector, CropConfig(image_size=16, shard_photos=5))
    remove_unused(store, RetentionConfig())
    assert len(shards_in(store)) > 5
    monkeypatch.setattr("palm_assets.release.retention._seconds_unused", lambda folder: 15 * 86_400.0)
    with store.lock(shards_key(detector, CropConfig(image_size=16))):  # a run that uses them
        remove_unused(store, RetentionConfig())
    assert len(shards_in(store)) > 5
    remove_unused(store, RetentionConfig())
    assert not shards_in(store)


@pytest.mark.parametrize(
    ("field", "value", "matters"),
    [
        *(("image_size", 32, True), ("margin", 0.5, True), ("margin_of", "photo", True)),
        *(("shape", "stretch", True), ("no_palm", "whole_photo", True), ("min_confidence", 0.5, True)),
        *(("quarter_turns", True, True), ("validation_share", 0.2, False), ("test_share", 0.2, False)),
        *(("min_split_people", 1, False), ("hold_out", "not_in_starter", False), ("seed", 1, False)),
        *(("batch", 1, False), ("shard_photos", 9, False)),
        *(("engine", "ray", False), ("ray_address", "head:6379", False)),
    ],
)
def test_shards_are_of_one_way_of_cropping(field: str, value: Any, matters: bool, detector: Artifact) -> None:
    changed = CropConfig().model_copy(update={field: value})
    assert (shards_key(detector, changed) != shards_key(detector, CropConfig())) == matters


def test_the_list_of_fields_is_complete() -> None:
    (marks,) = (
        mark for mark in test_shards_are_of_one_way_of_cropping.pytestmark if mark.name == "parametrize"
    )
    assert {case[0] for case in marks.args[1]} == set(CropConfig.model_fields)
