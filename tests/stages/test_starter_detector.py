"""The starter's detector in place of a trained one, and people whom the starter knows."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from palm_assets.crops.config import CropConfig
from palm_assets.detector.config import DetectorConfig
from palm_assets.errors import ArtifactMissingError, DatasetError
from palm_assets.gan.people_record import NOBODY, write_people
from palm_assets.sources.config import BoxesConfig, PhotosConfig
from palm_assets.stages import detector as detector_stage
from palm_assets.stages import start_model
from palm_assets.stages.boxes import make_boxes, open_boxes
from palm_assets.stages.crops import make_crops, split_people
from palm_assets.stages.detector import make_detector
from palm_assets.stages.photos import make_photos
from palm_assets.store.artifacts import Artifact, Store
from tests.crops.test_extraction import MiddleDetector
from tests.helpers import save_picture

FACTS = {"ap50": 0.97}
PEOPLE = [f"person{number:02d}" for number in range(20)]


@pytest.fixture
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A starter with a detector, whose model was trained on all but the last six people."""
    folder = tmp_path / "starter"

    def weights(draft: Path) -> dict[str, object]:
        (draft / "detector.safetensors").write_bytes(b"weights")
        return dict(FACTS)

    def model(draft: Path) -> dict[str, object]:
        write_people(NOBODY.including(PEOPLE[:-6], "photographs"), draft)
        return {}

    elsewhere = Store(tmp_path / "elsewhere")
    for kind, build, target in (("models", model, folder), ("detector", weights, folder / "detector")):
        made = elsewhere.make(kind, build, inputs={}, config=DetectorConfig(), code_version="1")  # type: ignore[arg-type]
        shutil.copytree(made.folder, target)
    monkeypatch.setattr(detector_stage, "STARTER", folder)
    monkeypatch.setattr(start_model, "STARTER", folder)
    return folder


@pytest.fixture
def no_boxes(store: Store) -> Artifact:
    return make_boxes(store, BoxesConfig(source="none"))


def test_the_starters_detector_is_published_without_a_training(
    store: Store, starter: Path, no_boxes: Artifact
) -> None:
    assert open_boxes(no_boxes).images == ()
    assert no_boxes.facts["palms"] == {"train": 0, "valid": 0, "test": 0}

    def run(job: object) -> dict[str, object]:
        pytest.fail("it trains")

    made = make_detector(store, no_boxes, DetectorConfig(start="starter"), run=run)
    assert (made.folder / "detector.safetensors").read_bytes() == b"weights"
    assert made.facts == FACTS
    assert made.manifest.inputs["boxes"] == no_boxes.version
    assert make_detector(store, no_boxes, DetectorConfig(start="starter", epochs=3)).version == made.version


def test_without_labeled_palms_and_starter_it_says_which_settings_to_change(
    store: Store, tmp_path: Path, no_boxes: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DatasetError, match=r"no labeled palms.*start: starter"):
        make_detector(store, no_boxes, DetectorConfig())
    monkeypatch.setattr(detector_stage, "STARTER", tmp_path / "nothing")
    with pytest.raises(ArtifactMissingError, match="no palm detector"):
        make_detector(store, no_boxes, DetectorConfig(start="starter"))


def test_nobody_whom_the_starter_was_trained_on_is_held_out(
    store: Store, starter: Path, no_boxes: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("palm_assets.detector.detection.load_detector", lambda folder: MiddleDetector())
    for number, person in enumerate(PEOPLE):
        pixels = np.full((20, 20, 3), 10 + number, np.uint8)
        save_picture(tmp_path / "photos" / person / "x.png", pixels)
    photos = make_photos(store, PhotosConfig(source="folder", folder=str(tmp_path / "photos")))
    detector = make_detector(store, no_boxes, DetectorConfig(start="starter"))
    config = CropConfig(image_size=16, validation_share=0.3, test_share=0.3)
    anyone = split_people(make_crops(store, photos, detector, config))
    assert anyone.held_out & set(PEOPLE[:-6])  # so the next lines can fail
    config = config.model_copy(update={"hold_out": "not_in_starter"})
    split = split_people(make_crops(store, photos, detector, config))
    assert split.held_out
    assert split.held_out <= set(PEOPLE[-6:])
    assert split.train | split.held_out == set(PEOPLE)
