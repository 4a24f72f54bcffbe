"""Crops of a folder as files: each photo once, under its own name, with what was set aside."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from palm_assets.crops.config import CropConfig
from palm_assets.crops.crop_folder import crop_folder
from palm_assets.errors import DatasetError, RequestError
from palm_assets.photos.index import index_photos
from palm_assets.quality.image_sets import open_images
from tests.crops.test_extraction import MiddleDetector, photo_of
from tests.helpers import save_picture

CONFIG = CropConfig(image_size=16, margin=0)


def photographs(root: Path) -> Path:
    """Two photos that differ in their suffix alone, one in a folder, one without a palm, one damaged."""
    save_picture(root / "x.png", photo_of(50))
    save_picture(root / "x.bmp", photo_of(60))
    save_picture(root / "person" / "x.png", photo_of(70))
    save_picture(root / "none.png", photo_of(80, palm=False))
    (root / "damaged.jpg").write_bytes(b"\xff\xd8\xff")
    return root


def test_each_photo_with_a_palm_is_a_crop_and_the_others_are_listed(tmp_path: Path) -> None:
    photos = index_photos(photographs(tmp_path / "photos"), max_set_aside=1)
    out, sheet = tmp_path / "out", tmp_path / "sheets" / "sheet.png"
    count, without = crop_folder(photos, MiddleDetector(), CONFIG, out, sheet)
    assert count == 3
    assert [photo.path for photo in without] == ["none.png"]
    written = {path.relative_to(out).as_posix() for path in out.rglob("*.png")}
    assert written == {"x.png.png", "x.bmp.png", "person/x.png.png"}
    for name, gray in (("x.png.png", 50), ("x.bmp.png", 60), ("person/x.png.png", 70)):
        pixels = np.asarray(Image.open(out / name))
        assert pixels.shape == (16, 16, 3)
        assert (pixels == gray).all()
    assert len(open_images(out)) == 3  # the folder can be evaluated as it is
    assert Image.open(sheet).size == (2 * 16 + 3 * 2, 2 * 16 + 3 * 2)
    for name, paths in (("without_palm.csv", ["none.png"]), ("set_aside.csv", ["damaged.jpg"])):
        with (out / name).open() as stream:
            assert [row["path"] for row in csv.DictReader(stream)] == paths


def test_a_folder_with_files_is_not_written_to(tmp_path: Path) -> None:
    photos = index_photos(photographs(tmp_path / "photos"), max_set_aside=1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(RequestError, match="not empty"):
        crop_folder(photos, MiddleDetector(), CONFIG, tmp_path / "out", tmp_path / "sheet.png")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_without_any_palm_nothing_is_written(tmp_path: Path) -> None:
    save_picture(tmp_path / "photos" / "x.png", photo_of(80, palm=False))
    photos = index_photos(tmp_path / "photos")
    with pytest.raises(DatasetError, match="no palm"):
        crop_folder(photos, MiddleDetector(), CONFIG, tmp_path / "out", tmp_path / "sheet.png")
    assert not (tmp_path / "out").exists()
