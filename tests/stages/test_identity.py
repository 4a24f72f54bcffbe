"""Identity: what can change an artifact is part of its version, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from palm_assets.crops.config import CropConfig
from palm_assets.detector.config import DetectorConfig
from palm_assets.detector.detection import Detection
from palm_assets.errors import DatasetError, DetectorError, PhotoError
from palm_assets.gan.config import GanConfig
from palm_assets.gan.trainer import Trainer
from palm_assets.gan.training_loop import training_loop
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.extractors import fingerprint
from palm_assets.quality.extractors.fingerprint import extractor_fingerprint
from palm_assets.quality.features import load_extractor
from palm_assets.sources.config import BoxesConfig, PhotosConfig
from palm_assets.stages import reference as reference_stage
from palm_assets.stages.boxes import make_boxes, open_unchanged_boxes
from palm_assets.stages.crops import make_crops
from palm_assets.stages.detector import make_detector
from palm_assets.stages.photos import make_photos, open_photos
from palm_assets.stages.reference import make_reference
from palm_assets.stages.training_job import DetectorJob, run_job
from palm_assets.store.artifacts import Artifact, Kind, Store
from palm_assets.store.identity import StageConfig, operational_fields
from pipelines.launchpad import config_schema
from tests.detector.exports import write_export
from tests.gan.recipes import IMAGES, tiny
from tests.helpers import save_picture
from tests.stages.identity_table import CONFIGS, bases, belongs, document, rows, with_another_value

ROOT = Path(__file__).parents[2]
FIELDS = [
    pytest.param(kind, base, name, id=" ".join(filter(None, (kind, name, label))))
    for kind, config_type in CONFIGS.items()
    for label, base in bases(config_type).items()
    for name in config_type.model_fields
]

# Fields


@pytest.mark.parametrize(("kind", "base", "name"), FIELDS)
def test_a_field_belongs_to_the_identity_or_not(kind: Kind, base: StageConfig, name: str) -> None:
    # A field that is newer than some versions is left out as long as it is off.
    identities = (base.identity(), with_another_value(base, name).identity())
    assert belongs(kind, base, name) == any(name in identity for identity in identities)
    assert (name in base.identity()) <= (name not in operational_fields(type(base)))


def test_every_field_that_is_left_out_says_why_and_names_the_test_that_shows_it() -> None:
    for row in rows():
        if row.inside and not row.sources:
            continue
        assert row.reason or row.field.startswith("synthetic_"), row
        path, _, name = row.proof.partition("::")
        assert f"\ndef {name}" in (ROOT / path).read_text(encoding="utf-8"), row


def test_the_table_in_the_documentation_is_that_of_the_code() -> None:
    written = (ROOT / "docs" / "identity.md").read_text(encoding="utf-8")
    assert written == document(), "run: python -m tests.stages.identity_table > docs/identity.md"


@pytest.mark.parametrize("kind", CONFIGS)
def test_dagster_makes_the_versions_that_a_shell_makes(kind: Kind) -> None:
    fields = config_schema(kind, CONFIGS[kind]).config_type.fields
    of_the_launchpad = CONFIGS[kind](**{name: field.default_value for name, field in fields.items()})
    assert of_the_launchpad.identity() == CONFIGS[kind]().identity()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PhotosConfig(aspects=["palmar", "dorsal"]), PhotosConfig(aspects=["dorsal", "palmar", "palmar"])),
        (BoxesConfig(palm_classes=["Palm", "hand"]), BoxesConfig(palm_classes=[" hand", "palm"])),
        (GanConfig(augment=["cutout", "color"]), GanConfig(augment=["color", "cutout"])),
        (ReferenceConfig(floor_counts=[8, 2, 4]), ReferenceConfig(floor_counts=[2, 4, 8, 8])),
    ],
)
def test_the_order_of_a_list_that_has_none_does_not_count(one: StageConfig, other: StageConfig) -> None:
    assert one != other
    assert one.identity() == other.identity()


def test_another_value_is_another_value() -> None:
    for config_type in CONFIGS.values():
        for base in bases(config_type).values():
            for name in config_type.model_fields:
                assert getattr(with_another_value(base, name), name) != getattr(base, name)


# Photographs


class CornerDetector:
    """Finds a palm in the upper left of every photograph."""

    def detect(self, photos: list[np.ndarray], *, min_confidence: float) -> list[Detection | None]:
        return [Detection((0.0, 0.0, 20.0, 20.0), 0.9) for _ in photos]


@pytest.fixture
def hands(tmp_path: Path) -> Path:
    for person in range(6):
        for number in range(2):
            save_picture(tmp_path / "hands" / f"person{person}" / f"{number}.png", seed=2 * person + number)
    return tmp_path / "hands"


@pytest.fixture
def detector(store: Store, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    monkeypatch.setattr("palm_assets.detector.detection.load_detector", lambda folder: CornerDetector())
    return store.make("detector", lambda folder: {}, inputs={}, config=DetectorConfig(), code_version="1")


def photos_of(folder: Path, **changes: Any) -> PhotosConfig:
    return PhotosConfig(source="folder", folder=str(folder), **changes)


def test_photographs_changed_in_place_are_refused_until_they_are_indexed_again(
    store: Store, hands: Path, detector: Artifact
) -> None:
    photos = make_photos(store, photos_of(hands))
    changed = save_picture(hands / "person0" / "0.png", np.full((30, 40, 3), 200, np.uint8))
    config = CropConfig(image_size=16)
    with pytest.raises(PhotoError, match="changed after it was indexed") as raised:
        make_crops(store, photos, detector, config)
    assert str(changed) in str(raised.value)
    assert "Materialize raw_hands again" in str(raised.value)
    assert not store.versions("crops")
    again = make_photos(store, photos_of(hands))
    assert again.version != photos.version
    assert make_crops(store, again, detector, config).facts["image_size"] == 16


def test_a_file_written_anew_with_the_same_pixels_is_no_change_of_a_photograph(
    store: Store, hands: Path, detector: Artifact
) -> None:
    photos = make_photos(store, photos_of(hands))
    save_picture(hands / "person0" / "0.png", seed=0)
    made = make_crops(store, photos, detector, CropConfig(image_size=16))
    assert made.manifest.inputs["photos"] == photos.version


def test_the_same_files_from_kaggle_are_the_same_version(
    store: Store, hands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fetched:
        root = hands

    monkeypatch.setattr("palm_assets.sources.kaggle.fetch_dataset", lambda *args, **options: Fetched)
    one = make_photos(store, PhotosConfig(source="kaggle", kaggle_set="a/b", kaggle_version=1))
    other = make_photos(store, PhotosConfig(source="kaggle", kaggle_set="a/c", kaggle_version=2))
    assert (other.version, other.reused) == (one.version, True)


@pytest.mark.parametrize(
    "changes", [{"synthetic_photos": 30}, {"synthetic_size": 100}, {"synthetic_people": 9}, {"seed": 3}]
)
def test_what_concerns_another_source_changes_nothing(
    store: Store, hands: Path, changes: dict[str, int]
) -> None:
    one, other = make_photos(store, photos_of(hands)), make_photos(store, photos_of(hands, **changes))
    assert (other.version, other.reused) == (one.version, True)


def test_a_level_of_folders_does_not_change_rendered_photographs(tmp_path: Path) -> None:
    people = [
        [photo.person for photo in open_photos(make_photos(Store(tmp_path / str(level)), config)).photos]
        for level in (1, 2)
        for config in [
            PhotosConfig(synthetic_photos=20, synthetic_people=4, synthetic_size=64, person_level=level)
        ]
    ]
    assert people[0] == people[1]


def test_a_stricter_limit_refuses_what_was_made_before(store: Store, hands: Path, tmp_path: Path) -> None:
    (hands / "person0" / "0.png").write_bytes(b"text")
    made = make_photos(store, photos_of(hands, max_set_aside=0.5))
    with pytest.raises(DatasetError, match="1 of 12 files are unusable"):
        make_photos(store, photos_of(hands, max_set_aside=0.01))
    assert make_photos(store, photos_of(hands, max_set_aside=0.2)).version == made.version

    write_export(tmp_path / "export")
    (tmp_path / "export" / "train" / "images" / "0.jpg").write_bytes(b"text")
    source = {"source": "folder", "folder": str(tmp_path / "export")}
    boxes = make_boxes(store, BoxesConfig(**source, max_set_aside=0.5))
    with pytest.raises(DatasetError, match="1 of 10 files are unusable"):
        make_boxes(store, BoxesConfig(**source, max_set_aside=0.01))
    assert make_boxes(store, BoxesConfig(**source, max_set_aside=0.2)).version == boxes.version


# Detector


@pytest.fixture
def boxes(store: Store, tmp_path: Path) -> Artifact:
    write_export(tmp_path / "export" / "deeper")
    return make_boxes(store, BoxesConfig(source="folder", folder=str(tmp_path / "export")))


def detector_from(store: Store, boxes: Artifact, start: str) -> Artifact:
    return make_detector(store, boxes, DetectorConfig(start=start), run=lambda job: {})


def test_a_detector_starts_from_the_content_of_a_file(store: Store, boxes: Artifact, tmp_path: Path) -> None:
    start = tmp_path / "start.pt"
    start.write_bytes(b"weights")
    first = detector_from(store, boxes, str(start))
    moved = start.rename(tmp_path / "moved.pt")
    assert detector_from(store, boxes, str(moved)).version == first.version
    moved.write_bytes(b"others")
    assert detector_from(store, boxes, str(moved)).version != first.version
    assert detector_from(store, boxes, "yolo11n.yaml").manifest.inputs["start"] == "yolo11n.yaml"
    assert detector_from(store, boxes, "yolo11s.yaml").manifest.inputs["start"] == "yolo11s.yaml"


def test_published_weights_are_downloaded_before_they_are_named(
    store: Store, boxes: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the version would change once the file is there."""
    monkeypatch.chdir(tmp_path)

    def download(name: str) -> str:
        Path(name).write_bytes(b"published")
        return name

    monkeypatch.setattr("palm_assets.detector.ultralytics_import.attempt_download_asset", download)
    first = detector_from(store, boxes, "yolo11n.pt")
    monkeypatch.delattr("palm_assets.detector.ultralytics_import.attempt_download_asset")
    assert detector_from(store, boxes, "yolo11n.pt").version == first.version


def test_starting_weights_that_are_nowhere_are_a_typed_error(
    store: Store, boxes: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "palm_assets.detector.ultralytics_import.attempt_download_asset", lambda name: "/nowhere.pt"
    )
    with pytest.raises(DetectorError, match=r"Cannot start from mine\.pt"):
        detector_from(store, boxes, "mine.pt")


def test_labeled_images_changed_in_place_are_refused_at_the_training(
    store: Store, boxes: Artifact, tmp_path: Path
) -> None:
    assert open_unchanged_boxes(boxes).images
    save_picture(tmp_path / "export" / "deeper" / "train" / "images" / "0.jpg", seed=77)
    job = DetectorJob(
        home=store.home,
        inputs={"boxes": boxes.version, "start": "yolo11n.yaml"},
        config=DetectorConfig(),
        folder=tmp_path,
        work=tmp_path,
    )
    with pytest.raises(DatasetError, match="Materialize raw_palm_boxes again"):
        run_job(job, log=print)


def test_starting_weights_changed_since_the_training_was_asked_for_are_refused(
    store: Store, boxes: Artifact, tmp_path: Path
) -> None:
    start = tmp_path / "start.pt"
    start.write_bytes(b"weights")
    inputs = {"boxes": boxes.version, "start": "0123456789ab"}
    config = DetectorConfig(start=str(start))
    job = DetectorJob(home=store.home, inputs=inputs, config=config, folder=tmp_path, work=tmp_path)
    with pytest.raises(DetectorError, match="has changed"):
        run_job(job, log=print)


# Model


def test_saving_more_often_trains_the_same_weights(tmp_path: Path) -> None:
    results = []
    for minutes in (1e-6, 60.0):
        (tmp_path / str(minutes)).mkdir()
        results.append(training_loop(IMAGES, tiny(save_minutes=minutes), tmp_path / str(minutes)))
    one, other = (result.generator.state_dict() for result in results if result is not None)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_random_numbers_come_from_the_cpu() -> None:
    assert Trainer(IMAGES, tiny()).random.device.type == "cpu"


# Reference


@pytest.fixture
def crops(store: Store) -> Artifact:
    return store.make("crops", lambda folder: {}, inputs={}, config=CropConfig(), code_version="1")


def fake_build(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reference:
        extractor, digest, n = "efficientnet-lite0", "", 1

    monkeypatch.setattr(
        "palm_assets.quality.reference_builder.build_reference", lambda *args, **options: Reference
    )
    monkeypatch.setattr("palm_assets.quality.reference_files.save_reference", lambda *args: None)

    monkeypatch.setattr(reference_stage, "open_crops", MagicMock())


def test_other_weights_of_an_extractor_make_another_reference(
    store: Store, crops: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_build(monkeypatch)
    config = ReferenceConfig(extractor="efficientnet-lite0")
    first = make_reference(store, crops, config)
    assert first.manifest.inputs["precision"] == "float32"
    monkeypatch.setattr(fingerprint, "sha256_of", lambda path: "0" * 64)
    assert make_reference(store, crops, config).version != first.version


def test_another_precision_makes_another_reference(
    store: Store, crops: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_build(monkeypatch)
    config, versions = ReferenceConfig(extractor="inception-v3"), set()
    for precise in (False, True):
        monkeypatch.setattr(fingerprint, "computes_in_bfloat16", lambda precise=precise: precise)
        made = make_reference(store, crops, config)
        versions.add((made.version, made.manifest.inputs["precision"]))
    assert len({version for version, _ in versions}) == 2
    assert {precision for _, precision in versions} == {"bfloat16", "float32"}


def test_the_fingerprint_of_an_extractor_is_that_of_the_loaded_one() -> None:
    loaded = load_extractor("efficientnet-lite0")
    assert extractor_fingerprint("efficientnet-lite0") == (loaded.digest, loaded.precision)
    assert re.fullmatch("[0-9a-f]{12}", loaded.digest)
