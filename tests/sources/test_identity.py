"""Photographs are identified by their content, not by where they lie or what lies beside them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from palm_assets.sources.config import BoxesConfig, PhotosConfig
from palm_assets.stages.boxes import make_boxes, open_boxes
from palm_assets.stages.photos import make_photos, open_photos
from palm_assets.store.artifacts import Store
from tests.detector.exports import write_export
from tests.helpers import save_picture


@pytest.fixture
def hands(tmp_path: Path) -> Path:
    for person in range(4):
        for number in range(2):
            save_picture(tmp_path / "hands" / f"person{person}" / f"{number}.jpg", seed=2 * person + number)
    return tmp_path / "hands"


def photos_config(folder: Path) -> PhotosConfig:
    return PhotosConfig(source="folder", folder=str(folder))


def test_litter_and_videos_make_no_new_version(tmp_path: Path, hands: Path) -> None:
    store = Store(tmp_path / "home")
    first = make_photos(store, photos_config(hands))
    (hands / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (hands / "person0" / "Thumbs.db").write_bytes(b"x")
    (hands / "holiday.mp4").write_bytes(b"x")
    again = make_photos(store, photos_config(hands))
    assert (again.version, again.reused) == (first.version, True)


def test_a_folder_that_was_moved_or_copied_is_the_same_version_and_is_read_where_it_is(
    tmp_path: Path, hands: Path
) -> None:
    store = Store(tmp_path / "home")
    first = make_photos(store, photos_config(hands))
    moved = tmp_path / "другое место"
    hands.rename(moved)
    again = make_photos(store, photos_config(moved))
    assert (again.version, again.reused) == (first.version, True)
    assert open_photos(again).root == open_photos(first).root == moved
    shutil.copytree(moved, hands)
    shutil.rmtree(moved)
    make_photos(store, photos_config(hands))
    index = open_photos(store.open("photos", first.version))
    assert index.root == hands
    assert index.read(index.photos[0]).shape == (30, 40, 3)


def test_pixels_changed_in_place_with_size_and_time_kept_are_another_version(
    tmp_path: Path, hands: Path
) -> None:
    store = Store(tmp_path / "home")
    first = make_photos(store, photos_config(hands))
    path = hands / "person0" / "0.jpg"
    before, data = path.stat(), bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert make_photos(store, photos_config(hands)).version != first.version


def test_a_moved_export_is_the_same_version_and_is_read_where_it_is(tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    write_export(tmp_path / "a" / "deeper")
    first = make_boxes(store, BoxesConfig(source="folder", folder=str(tmp_path / "a")))
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "b" / ".DS_Store").write_bytes(b"x")
    again = make_boxes(store, BoxesConfig(source="folder", folder=str(tmp_path / "b")))
    assert (again.version, again.reused) == (first.version, True)
    boxes = open_boxes(again)
    assert boxes.root == tmp_path / "b" / "deeper"
    assert all((boxes.root / image.path).is_file() for image in boxes.images)


def test_what_was_set_aside_stands_beside_the_index(tmp_path: Path, hands: Path) -> None:
    (hands / "person0" / "0.jpg").write_bytes(b"text")
    config = PhotosConfig(source="folder", folder=str(hands), max_set_aside=0.2)
    made = make_photos(Store(tmp_path / "home"), config)
    assert (made.folder / "set_aside.csv").read_text().splitlines() == [
        "path,reason",
        "person0/0.jpg,not an image",
    ]
    assert made.facts["set_aside_reasons"] == {"not an image": 1}


def test_more_people_than_photographs_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="synthetic_people is larger than synthetic_photos"):
        PhotosConfig(synthetic_photos=20, synthetic_people=21)
    PhotosConfig(source="folder", folder="x", synthetic_photos=20, synthetic_people=21)


@pytest.mark.parametrize("config", [PhotosConfig, BoxesConfig])
def test_every_field_is_described_in_a_sentence(config: type[PhotosConfig] | type[BoxesConfig]) -> None:
    for name, field in config.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
