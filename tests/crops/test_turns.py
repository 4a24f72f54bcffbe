"""Photos with fingers down or to the side are cropped upright."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from palm_assets.crops.config import CropConfig
from palm_assets.crops.extraction import make_crops, read_crops
from palm_assets.crops.shards import LocalEngine
from palm_assets.crops.turns import TurnedDetections, choose_turns, detect_in_turns
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
    facts = make_crops(index_photos(tmp_path / "photos"), LocalEngine(UprightDetector()), config, tmp_path)
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
        LocalEngine(UprightDetector()),
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


class FlatDetector:
    """Finds the whole of every photo; its confidence is the gray value of the first pixel, in percent."""

    def detect(self, photos: Sequence[np.ndarray], *, min_confidence: float = 0.25) -> list[Detection | None]:
        found = [Detection((0, 0, 9, 9), float(photo[0, 0, 0]) / 100) for photo in photos]
        return [one if one.confidence >= min_confidence else None for one in found]


def detected(*confidences: float) -> TurnedDetections:
    """What was detected in the four turns; 0 is nothing."""
    found = tuple(Detection((0, 0, 9, 9), one) if one else None for one in confidences)
    return TurnedDetections(
        found, tuple(float(np.log(one / (1 - one))) if one else -1.1 for one in confidences)
    )


def test_most_photos_of_a_set_decide_for_one_that_says_little() -> None:
    upside_down, sideways = detected(0.5, 0.6, 0.8, 0.6), detected(0.5, 0.62, 0.6, 0.5)
    assert choose_turns([sideways]) == [1]
    assert choose_turns([upside_down] * 30 + [sideways]) == [2] * 31


def test_a_photo_that_says_much_keeps_its_turn_among_others() -> None:
    upright, sideways = detected(0.8, 0.6, 0.5, 0.6), detected(0.4, 0.9, 0.5, 0.4)
    assert choose_turns([upright] * 30 + [sideways]) == [0] * 30 + [1]


def test_a_turn_without_a_palm_is_never_chosen() -> None:
    upside_down, missed, nothing = (
        detected(0.5, 0.6, 0.8, 0.6),
        detected(0.3, 0.3, 0, 0.4),
        detected(0, 0, 0, 0),
    )
    assert choose_turns([upside_down] * 30 + [missed, nothing]) == [2] * 30 + [3, 0]
    assert choose_turns([nothing]) == [0]
    assert choose_turns([]) == []


def test_the_odds_are_the_mean_of_a_photo_and_its_mirror_image() -> None:
    photo = np.zeros((9, 9, 3), np.uint8)
    photo[0, 0], photo[0, 8], photo[8, 8], photo[8, 0] = 80, 60, 50, 10
    (found,) = detect_in_turns(FlatDetector(), [photo], 0.25)

    def odds(*percent: int) -> float:
        return float(np.mean([np.log(one / (100 - one)) for one in percent]))

    assert [one and one.confidence for one in found.detections] == [0.8, 0.6, 0.5, None]
    expected = (odds(80, 60), odds(60, 50), odds(50, 25), odds(25, 80))  # nothing counts as the least
    assert found.log_odds == pytest.approx(expected)


def test_a_photo_is_cropped_again_as_the_rest_of_the_set_is(tmp_path: Path) -> None:
    for number in range(12):
        gray = np.full((40, 48, 3), 40, np.uint8)
        gray[20:] = 200 + number  # upside down
        if number == 0:
            gray[:] = 40
            gray[:, :24] = 43  # a trace of being turned to the side
        save_picture(tmp_path / "photos" / "abcd"[number % 4] / f"{number}.png", gray)
    config = CropConfig(image_size=16, quarter_turns=True, batch=1, min_confidence=0.1)
    facts = make_crops(index_photos(tmp_path / "photos"), LocalEngine(UprightDetector()), config, tmp_path)
    crops = read_crops(tmp_path)
    assert [crop.turn for crop in crops.index] == [180] * 12
    assert facts["turned"] == 12
    for crop, image in zip(crops.index, crops.images, strict=True):
        if crop.path.endswith("/0.png"):
            assert image[0, 8, 3] < image[0, 8, 12]  # what was on the left is now on the right
