"""Photos with fingers down or to the side are cropped upright."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from palm_assets.crops.config import CropConfig
from palm_assets.crops.extraction import make_crops, read_crops
from palm_assets.detector.detection import Detection
from palm_assets.photos.index import index_photos
from tests.crops.test_extraction import made, photos_of
from tests.helpers import save_picture


class UprightDetector:
    """Finds the whole of every photo, the more confidently the brighter its upper half is than its lower."""

    def detect(self, photos: Sequence[np.ndarray], *, min_confidence: float = 0.25) -> list[Detection | None]:
        found: list[Detection | None] = []
        for photo in photos:
            height, width = photo.shape[:2]
            confidence = 0.5 + float(photo[: height // 2].mean() - photo[height // 2 :].mean()) / 512
            whole = Detection((0, 0, width, height), confidence)
            found.append(whole if confidence >= min_confidence else None)
        return found


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_photo_is_cropped_upright_whichever_way_it_was_turned(quarters: int, tmp_path: Path) -> None:
    upright = np.full((40, 48, 3), 40, np.uint8)
    upright[:20] = 200
    upright[:20, :24, 0] = 255
    for person in "ab":
        save_picture(tmp_path / "photos" / person / "x.png", np.rot90(upright, -quarters))
        upright = upright.copy()
        upright[39, 47] = 9  # not a duplicate
    config = CropConfig(image_size=16, margin=0, shape="stretch", quarter_turns=True)
    facts = make_crops(index_photos(tmp_path / "photos"), UprightDetector(), config, tmp_path)
    crops = read_crops(tmp_path)
    assert [crop.turn for crop in crops.index] == [90 * quarters] * 2
    assert facts["turned"] == (2 if quarters else 0)
    for crop in crops.index:
        assert (crop.left, crop.top, crop.right, crop.bottom) == (0, 0, 48, 40)
    for image in crops.images:
        assert image[:, 3, 3].tolist() == [255, 200, 200]
        assert image[:, 3, 12].tolist() == [200, 200, 200]
        assert image[:, 12, 3].tolist() == [40, 40, 40]


def test_photos_are_turned_only_if_asked_for(tmp_path: Path) -> None:
    for person, gray in (("a", 200), ("b", 190)):
        pixels = np.full((40, 48, 3), 40, np.uint8)
        pixels[20:] = gray
        save_picture(tmp_path / "photos" / person / "x.png", pixels)
    facts = make_crops(
        index_photos(tmp_path / "photos"),
        UprightDetector(),
        CropConfig(image_size=16, min_confidence=0.1),
        tmp_path,
    )
    assert facts["turned"] == 0
    assert [crop.turn for crop in read_crops(tmp_path).index] == [0, 0]


def test_crops_of_an_older_version_were_not_turned(tmp_path: Path) -> None:
    made(photos_of(tmp_path / "photos", people=2), tmp_path / "crops")
    index = tmp_path / "crops" / "crops.csv"
    lines = [line.rsplit(",", 1)[0] for line in index.read_text().splitlines()]
    index.write_text("\n".join(lines) + "\n")
    assert [crop.turn for crop in read_crops(tmp_path / "crops").index] == [0] * 4
