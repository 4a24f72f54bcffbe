"""Cropping palms: order, split, provenance and image quality. The detector is not tested here."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from palm_assets.crops import cropping
from palm_assets.crops.config import CropConfig
from palm_assets.crops.extraction import Crops, make_crops, read_crops
from palm_assets.crops.shards import LocalEngine
from palm_assets.detector.config import DetectorConfig
from palm_assets.detector.detection import Detection
from palm_assets.errors import ArtifactCorruptError, DatasetError, PhotoError
from palm_assets.photos.contact_sheet import examples
from palm_assets.photos.index import Photo, PhotoIndex, index_photos
from palm_assets.photos.reader import read_photo
from tests.helpers import noise, save_picture


class MiddleDetector:
    """Finds the middle half of every photo whose first pixel is not black."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def detect(self, photos: Sequence[np.ndarray], *, min_confidence: float = 0.25) -> list[Detection | None]:
        self.batches.append(len(photos))
        return [self._one(photo) for photo in photos]

    def _one(self, photo: np.ndarray) -> Detection | None:
        height, width = photo.shape[:2]
        if not photo[0, 0].any():
            return None
        return Detection((width / 4, height / 4, width * 3 / 4, height * 3 / 4), 0.75)


def photo_of(gray: int, *, palm: bool = True, width: int = 48, height: int = 40) -> np.ndarray:
    pixels = np.full((height, width, 3), gray, np.uint8)
    if not palm:
        pixels[0, 0] = 0
    return pixels


def photos_of(
    root: Path, people: int, each: int = 2, *, without: Sequence[tuple[int, int]] = ()
) -> PhotoIndex:
    """`each` photos of each person, all of different grays; those in `without` show no palm."""
    for person in range(people):
        for number in range(each):
            gray = 20 + (person * each + number) % 200
            pixels = photo_of(
                gray, palm=(person, number) not in without, width=48 + (person * each + number) // 200
            )
            save_picture(root / f"person{person:03d}" / f"{number}.png", pixels)
    return index_photos(root)


def made(photos: PhotoIndex, folder: Path, **knobs: object) -> tuple[Crops, dict[str, object]]:
    folder.mkdir(exist_ok=True)
    config = CropConfig(image_size=16, **knobs)  # type: ignore[arg-type]
    facts = make_crops(photos, LocalEngine(MiddleDetector()), config, folder)
    return read_crops(folder), facts


# The split


def test_each_person_is_in_one_split_and_each_split_in_its_own_rows(tmp_path: Path) -> None:
    crops, facts = made(photos_of(tmp_path / "photos", people=20, each=3), tmp_path / "crops")
    people = crops.people
    assert not people.train & people.held_out
    assert not people.shared
    sizes = {"train": len(people.train), "validation": len(people.validation), "test": len(people.test)}
    assert sum(sizes.values()) == 20
    assert min(sizes.values()) >= 2
    assert facts["people"] == sizes
    assert facts["crops"] == {name: 3 * size for name, size in sizes.items()}
    assert facts["shared_holdout"] is False
    assert [crop.split for crop in crops.index] == [
        label for label, size in sizes.items() for _ in range(3 * size)
    ]
    assert len(crops.train) == 3 * sizes["train"]
    both = np.concatenate([crops.train, crops.validation, crops.test])
    assert (both == crops.images).all()


def test_with_few_people_validation_and_test_are_the_same_ones_and_the_facts_say_so(tmp_path: Path) -> None:
    crops, facts = made(photos_of(tmp_path / "photos", people=5, each=3), tmp_path / "crops")
    assert facts["shared_holdout"] is True
    assert facts["people"] == {"train": 3, "validation": 2, "test": 2}
    assert facts["crops"] == {"train": 9, "validation": 6, "test": 6}
    assert crops.people.shared
    assert (crops.validation == crops.test).all()
    assert crops.people_in_rows("validation") == crops.people_in_rows("test")
    assert len(crops.train) + len(crops.test) == 15


def test_crops_of_an_older_version_have_one_group_for_validation_and_test(tmp_path: Path) -> None:
    crops, _ = made(photos_of(tmp_path / "photos", people=5, each=3), tmp_path / "crops")
    index = tmp_path / "crops" / "crops.csv"
    index.write_text(index.read_text().replace(",shared,", ",holdout,"))
    assert read_crops(tmp_path / "crops").people == crops.people


@pytest.mark.parametrize("label", ["train", "tset"])
def test_rows_of_a_split_that_is_unknown_or_out_of_order_are_corrupt(label: str, tmp_path: Path) -> None:
    made(photos_of(tmp_path / "photos", people=5), tmp_path / "crops")
    index = tmp_path / "crops" / "crops.csv"
    before, after = index.read_text().rsplit(",shared,", 1)
    index.write_text(f"{before},{label},{after}")
    with pytest.raises(ArtifactCorruptError):
        read_crops(tmp_path / "crops")


def test_a_single_person_is_refused_before_any_detection(tmp_path: Path) -> None:
    detector = MiddleDetector()
    photos = photos_of(tmp_path / "photos", people=1)
    with pytest.raises(DatasetError, match="one person"):
        make_crops(photos, LocalEngine(detector), CropConfig(), tmp_path)
    assert detector.batches == []


def test_somebody_is_held_out_and_somebody_trained_on_whoever_has_no_palm(tmp_path: Path) -> None:
    for person in range(6):
        without = [
            (other, number)
            for other in range(6)
            for number in range(2)
            if other not in (person, (person + 1) % 6)
        ]
        photos = photos_of(tmp_path / f"photos{person}", people=6, without=without)
        crops, _ = made(photos, tmp_path / f"crops{person}")
        assert (len(crops.train), len(crops.validation), len(crops.test)) == (2, 2, 2)


# Photos without a palm


def test_photos_without_a_palm_are_set_aside_and_listed(tmp_path: Path) -> None:
    photos = photos_of(tmp_path / "photos", people=4, without=[(0, 0), (2, 1)])
    crops, facts = made(photos, tmp_path / "crops")
    assert len(crops.images) == 6
    assert facts["share_with_palm"] == 0.75
    with (tmp_path / "crops" / "without_palm.csv").open() as stream:
        assert [row["path"] for row in csv.DictReader(stream)] == ["person000/0.png", "person002/1.png"]
    assert not {"person000/0.png", "person002/1.png"} & {crop.path for crop in crops.index}


@pytest.mark.parametrize(("shape", "box"), [("stretch", (0, 0, 48, 40)), ("square", (4, 0, 44, 40))])
def test_photos_without_a_palm_are_kept_as_large_as_the_shape_allows_and_still_listed(
    shape: str, box: tuple[int, ...], tmp_path: Path
) -> None:
    photos = photos_of(tmp_path / "photos", people=4, without=[(0, 0), (2, 1)])
    crops, facts = made(photos, tmp_path / "crops", no_palm="whole_photo", shape=shape)
    assert len(crops.images) == 8
    assert facts["share_with_palm"] == 0.75
    whole = {crop.path: crop for crop in crops.index if crop.confidence == 0}
    assert sorted(whole) == ["person000/0.png", "person002/1.png"]
    assert {(c.left, c.top, c.right, c.bottom) for c in whole.values()} == {box}
    assert (tmp_path / "crops" / "without_palm.csv").read_text().count("\n") == 3


def test_no_palm_on_any_photo_is_an_error(tmp_path: Path) -> None:
    photos = photos_of(tmp_path / "photos", people=2, without=[(p, n) for p in range(2) for n in range(2)])
    with pytest.raises(DatasetError, match="no palm on any of 4 photos"):
        made(photos, tmp_path / "crops")


# What is written


def test_each_row_is_the_crop_of_the_photo_that_the_index_names(tmp_path: Path) -> None:
    photos = photos_of(tmp_path / "photos", people=5)
    crops, facts = made(photos, tmp_path / "crops", margin=0, batch=3)
    assert facts["image_size"] == 16
    assert crops.images.dtype == np.uint8
    assert [crop.row for crop in crops.index] == list(range(10))
    for image, crop in zip(crops.images, crops.index, strict=True):
        gray = read_photo(photos.root / crop.path)[20, 24, 0]
        assert (image == gray).all()
        assert (crop.left, crop.top, crop.right, crop.bottom) == (12, 8, 36, 32)
        assert (crop.confidence, crop.person) == (0.75, crop.path.split("/")[0])


def test_the_array_is_a_read_only_memory_map(tmp_path: Path) -> None:
    crops, _ = made(photos_of(tmp_path / "photos", people=2), tmp_path / "crops")
    assert isinstance(crops.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        crops.images[0] = 0


def test_the_same_photos_give_the_same_bytes_whatever_the_batch(tmp_path: Path) -> None:
    photos = photos_of(tmp_path / "photos", people=5, each=3)
    written = []
    for batch in (1, 4, 100):
        made(photos, tmp_path / f"crops{batch}", batch=batch)
        written.append({path.name: path.read_bytes() for path in (tmp_path / f"crops{batch}").iterdir()})
    assert written[0] == written[1] == written[2]
    assert sorted(written[0]) == ["contact_sheet.png", "crops.csv", "crops.npy", "without_palm.csv"]


def test_color_and_orientation_survive(tmp_path: Path) -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:20, :20], pixels[:20, 20:], pixels[20:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    for person in "ab":
        save_picture(tmp_path / "photos" / person / "x.png", pixels)
        pixels = pixels.copy()
        pixels[39, 39] = 9  # not a duplicate
    crops, _ = made(index_photos(tmp_path / "photos"), tmp_path / "crops", margin=0)
    for image in crops.images:
        assert image[:, 3, 3].tolist() == [255, 0, 0]
        assert image[:, 3, 12].tolist() == [0, 255, 0]
        assert image[:, 12, 8].tolist() == [0, 0, 255]


def test_an_array_that_does_not_fit_its_index_is_corrupt(tmp_path: Path) -> None:
    crops, _ = made(photos_of(tmp_path / "photos", people=3), tmp_path / "crops")
    for wrong in (crops.images[:-1], crops.images.astype(np.float32), crops.images[:, 0]):
        wrong = np.array(wrong)
        np.save(tmp_path / "other.npy", wrong)
        (tmp_path / "other.npy").replace(tmp_path / "crops" / "crops.npy")
        with pytest.raises(ArtifactCorruptError):
            read_crops(tmp_path / "crops")


def test_a_person_of_any_name_comes_back(tmp_path: Path) -> None:
    for number, name in enumerate(
        ["a, b", 'say "hi"', "ладонь", b"caf\xe9".decode(errors="surrogateescape")]
    ):
        save_picture(tmp_path / "photos" / "x.png", photo_of(30 + number))
        folder = tmp_path / "photos" / name
        folder.mkdir()
        (tmp_path / "photos" / "x.png").rename(folder / "x.png")
    photos = index_photos(tmp_path / "photos")
    crops, _ = made(photos, tmp_path / "crops")
    assert {crop.person for crop in crops.index} == {photo.person for photo in photos.photos}


# Image quality and speed


def test_shrinking_averages_a_checkerboard_finer_than_the_result_is_flat_gray(tmp_path: Path) -> None:
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    pixels = np.repeat(board[:, :, None], 3, 2)
    shrunk = cropping.resized(pixels, (0, 0, 256, 256), 16)
    assert np.abs(shrunk.astype(int) - 127).max() <= 2
    careless = np.asarray(Image.fromarray(pixels).resize((16, 16), Image.Resampling.NEAREST))
    assert np.abs(careless.astype(int) - 127).max() > 100  # the test would notice


def test_the_box_fills_the_crop() -> None:
    pixels = np.full((100, 100, 3), 255, np.uint8)
    pixels[30:70, 20:80] = 50
    crop = cropping.resized(pixels, (20, 30, 80, 70), 32)
    assert (crop[:, 3:-3, 3:-3] == 50).all()
    assert crop.max() < 80  # the filter reaches a pixel or two beyond the edge


def test_reading_ahead_keeps_the_order_and_stays_one_batch_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photos_of(tmp_path / "photos", people=6, each=4)
    started: list[str] = []
    lock = threading.Lock()

    def uneven(self: PhotoIndex, photo: Photo) -> np.ndarray:
        with lock:
            started.append(photo.path)
        time.sleep(0.01 * (hash(photo.path) % 3))  # they finish in another order than they start
        return read_photo(self.root / photo.path)

    monkeypatch.setattr(PhotoIndex, "read", uneven)
    seen = []
    for number, (batch, decoded) in enumerate(cropping.decoded_ahead(photos, photos.photos, 5)):
        time.sleep(0.05)
        assert len(started) <= (number + 2) * 5
        if number < 3:
            assert len(started) > (number + 1) * 5, "nothing is being decoded meanwhile"
        for photo, pixels in zip(batch, decoded, strict=True):
            assert (pixels == read_photo(photos.root / photo.path)).all()
            seen.append(photo)
    assert seen == list(photos.photos)


def test_a_photo_that_vanished_since_it_was_indexed_is_a_typed_error(tmp_path: Path) -> None:
    photos = photos_of(tmp_path / "photos", people=3)
    (photos.root / photos.photos[-1].path).unlink()
    with pytest.raises(PhotoError, match="gone"):
        made(photos, tmp_path / "crops")


@pytest.mark.parametrize("no_palm", ["set_aside", "whole_photo"])
def test_progress_ends_at_the_number_of_photos(
    tmp_path: Path, no_palm: Literal["set_aside", "whole_photo"]
) -> None:
    photos = photos_of(tmp_path / "photos", people=3, without=[(0, 0)])
    config = CropConfig(image_size=16, batch=4, no_palm=no_palm)
    reported: list[tuple[int, int]] = []
    make_crops(
        photos,
        LocalEngine(MiddleDetector()),
        config,
        tmp_path,
        progress=lambda done, total: reported.append((done, total)),
    )
    assert reported == [(4, 6), (6, 6)]


def test_noise_is_cut_where_the_detector_says_and_nowhere_else(tmp_path: Path) -> None:
    for person in "ab":
        save_picture(tmp_path / "photos" / person / "x.png", noise(64, 64, seed=ord(person)))
    crops, _ = made(index_photos(tmp_path / "photos"), tmp_path / "crops", margin=0)
    for image, crop in zip(crops.images, crops.index, strict=True):
        part = read_photo(tmp_path / "photos" / crop.path)[16:48, 16:48].astype(float)
        averaged = part.reshape(16, 2, 16, 2, 3).mean((1, 3)).transpose(2, 0, 1)
        assert np.corrcoef(averaged.ravel(), image.astype(float).ravel())[0, 1] > 0.9


def test_a_large_photo_that_was_indexed_is_cropped_and_shown_whatever_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is that of the index: neither the contact sheet nor cropping has one of its own."""
    monkeypatch.setattr("palm_assets.photos.reader.MAX_MEGAPIXELS", 0.001)
    monkeypatch.setitem(read_photo.__kwdefaults__, "max_megapixels", 0.001)
    for person in range(4):
        save_picture(tmp_path / "photos" / f"person{person}" / "x.png", photo_of(30 + person))
    photos = index_photos(tmp_path / "photos", max_megapixels=0.00192)  # exactly 48 x 40 pixels
    assert len(photos.photos) == 4
    assert examples(photos).width > 0
    crops, _ = made(photos, tmp_path / "crops")
    assert len(crops.images) == 4
    with pytest.raises(DatasetError, match=r"4 too large.*48x40 pixels, max_megapixels is 0\.0019"):
        index_photos(tmp_path / "photos", max_megapixels=0.0019)


def test_a_set_of_ten_people_holds_out_as_many_as_the_checks_want(tmp_path: Path) -> None:
    _, facts = made(photos_of(tmp_path / "photos", people=10, each=2), tmp_path / "crops")
    assert facts["people"] == {"train": 6, "validation": 2, "test": 2}


def test_every_field_is_described_in_a_sentence() -> None:
    for config in (CropConfig, DetectorConfig):
        for name, field in config.model_fields.items():
            assert field.description, name
            assert field.description.endswith("."), name
