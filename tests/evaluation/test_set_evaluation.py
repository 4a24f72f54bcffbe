"""The minimum score of a set from its PNG metadata. Metrics of sets are tested with the public API."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from palm_assets.evaluation.set_evaluation import min_score_of
from palm_assets.generation.png_metadata import PngMetadata, encode_png
from palm_assets.quality.image_sets import open_images

BLACK = np.zeros((3, 4, 4), np.uint8)


def write_png(path: Path, min_score: float | None) -> None:
    path.write_bytes(encode_png(BLACK, PngMetadata(7, 0, "starter", 0.9, min_score=min_score)))


def test_the_minimum_score_of_a_set_is_the_lowest_in_its_pngs(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    Image.new("RGB", (4, 4)).save(folder / "foreign.png")
    Image.new("RGB", (4, 4)).save(folder / "foreign.jpg")
    (folder / "damaged.png").write_bytes(b"\x89PNG")
    write_png(folder / "unfiltered.png", None)
    assert min_score_of(open_images(folder)) is None
    write_png(folder / "x.png", 0.75)
    write_png(folder / "y.png", 0.6)
    assert min_score_of(open_images(folder)) == 0.6
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(folder / "x.png", "x.png")
    assert min_score_of(open_images(tmp_path / "set.zip")) == 0.75
