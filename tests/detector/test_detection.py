"""A detector is really trained here, from scratch, on two dozen tiny images of one bright ellipse."""

from __future__ import annotations

import csv
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, UnidentifiedImageError
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from palm_assets.detector.boxes import BoxSet, LabeledImage
from palm_assets.detector.config import DetectorConfig
from palm_assets.detector.detection import (
    DETECTOR_FILE,
    PADDING,
    PalmDetector,
    _detection,
    _letterbox,
    load_detector,
)
from palm_assets.detector.training import train_detector
from palm_assets.errors import DetectorError, TrainingStoppedError
from palm_assets.runtime import usable_cores

SIZES = [(80, 64), (64, 80), (96, 96)]


def ellipse(seed: int) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Dark noise with one bright ellipse, and its box (center and size as fractions)."""
    rng = np.random.default_rng(seed)
    width, height = SIZES[seed % len(SIZES)]
    pixels = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
    x, y, w, h = rng.uniform((0.35, 0.35, 0.3, 0.3), (0.65, 0.65, 0.55, 0.55))
    down, across = np.mgrid[0:height, 0:width]
    inside = (((across + 0.5) / width - x) / (w / 2)) ** 2 + (((down + 0.5) / height - y) / (h / 2)) ** 2 <= 1
    pixels[inside] = (230, 190, 160)
    return pixels, (x, y, w, h)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> BoxSet:
    root = tmp_path_factory.mktemp("ellipses")
    images = []
    for number in range(24):
        pixels, box = ellipse(number)
        Image.fromarray(pixels).save(root / f"{number}.png")
        split = "train" if number < 16 else "valid" if number < 20 else "test"
        images.append(LabeledImage(f"{number}.png", split, (box,)))  # type: ignore[arg-type]
    (root / "23.png").write_bytes(b"not an image")  # one is broken, as in every set
    return BoxSet(root, tuple(images), ("palm",))


@pytest.fixture(scope="module")
def trained(boxes: BoxSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("detector")
    folder, work = home / "folder", home / "work"
    folder.mkdir()
    (work / "set" / "train").mkdir(parents=True)  # left behind by a killed run
    epochs: list[tuple[int, dict[str, float]]] = []
    facts = train_detector(
        boxes,
        DetectorConfig(epochs=2, image_size=64, batch=8),
        folder,
        work,
        on_epoch=lambda epoch, metrics: epochs.append((epoch, metrics)),
    )
    return {"folder": folder, "work": work, "facts": facts, "epochs": epochs}


@pytest.fixture(scope="module")
def detector(trained: dict[str, Any]) -> PalmDetector:
    return load_detector(trained["folder"])


# Training


def test_training_leaves_weights_curves_and_an_image_in_its_folder(trained: dict[str, Any]) -> None:
    assert sorted(path.name for path in trained["folder"].iterdir()) == [
        "curves.csv",
        "detections.png",
        DETECTOR_FILE,
    ]
    with (trained["folder"] / "curves.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    with Image.open(trained["folder"] / "detections.png") as image:
        assert image.size[0] > 300


def test_training_reports_each_epoch_and_measures_on_the_test_split(trained: dict[str, Any]) -> None:
    assert [epoch for epoch, _ in trained["epochs"]][:2] == [1, 2]
    assert any("mAP50" in name for name in trained["epochs"][0][1])
    facts = trained["facts"]
    assert facts["epochs"] == 2
    assert 0 <= facts["ap50_95"] <= facts["ap50"] <= 1
    json.dumps(facts)


def test_training_leaves_the_photographs_alone(trained: dict[str, Any], boxes: BoxSet) -> None:
    assert {path.suffix for path in boxes.root.rglob("*") if path.is_file()} == {".png"}


def test_training_leaves_every_core_to_torch(trained: dict[str, Any]) -> None:
    assert torch.get_num_threads() == usable_cores()


def test_the_weights_are_plain_tensors_that_say_what_network_they_are_of(trained: dict[str, Any]) -> None:
    with safe_open(trained["folder"] / DETECTOR_FILE, framework="pt") as stored:
        metadata = stored.metadata()
    assert metadata["image_size"] == "64"
    assert json.loads(metadata["architecture"])["nc"] == 1


def test_a_set_that_cannot_be_trained_on_is_a_typed_error(tmp_path: Path) -> None:
    images = []
    for number, split in enumerate(("train", "valid", "test")):
        (tmp_path / f"{number}.png").write_bytes(b"not an image")
        images.append(LabeledImage(f"{number}.png", split, ((0.5, 0.5, 0.2, 0.2),)))  # type: ignore[arg-type]
    with pytest.raises(DetectorError, match="Training the detector failed"):
        train_detector(
            BoxSet(tmp_path, tuple(images), ("palm",)),
            DetectorConfig(epochs=1, image_size=64),
            tmp_path,
            tmp_path / "work",
        )


# Starting weights


class _Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["absent", "garbage", "pickle"])
def test_starting_weights_that_are_not_available_are_an_error_and_never_from_scratch(
    boxes: BoxSet, tmp_path: Path, kind: str
) -> None:
    start, proof = tmp_path / "mine.pt", tmp_path / "proof"
    if kind == "garbage":
        start.write_bytes(b"garbage" * 100)
    if kind == "pickle":
        torch.save({"model": _Bomb(proof)}, start)
    with pytest.raises(DetectorError, match="Cannot start from"):
        train_detector(boxes, DetectorConfig(start=str(start), epochs=1), tmp_path, tmp_path / "work")
    assert not (tmp_path / DETECTOR_FILE).exists()
    assert not proof.exists(), "the pickle was run"


def test_training_may_start_from_weights_of_any_file_name(
    trained: dict[str, Any], boxes: BoxSet, tmp_path: Path
) -> None:
    """And it does start from them: after one epoch most of each weight is still what it was."""
    from palm_assets.detector.ultralytics_import import YOLO, DetectionModel

    before = load_file(trained["folder"] / DETECTOR_FILE)
    model = DetectionModel("yolo11n.yaml", nc=1, verbose=False)
    model.load_state_dict(before)
    yolo = YOLO("yolo11n.yaml", task="detect")
    yolo.model = model
    yolo.save(tmp_path / "my best.pt")
    few = [*boxes.of("train")[:8], *boxes.of("valid")[:2], *boxes.of("test")[:2]]
    train_detector(
        BoxSet(boxes.root, tuple(few), ("palm",)),
        DetectorConfig(start=str(tmp_path / "my best.pt"), epochs=1, image_size=64, batch=8),
        tmp_path,
        tmp_path / "work",
    )
    after = load_file(tmp_path / DETECTOR_FILE)
    kept = [name for name in before if name.endswith("conv.weight")]
    moved = torch.stack([(after[name] - before[name]).norm() / before[name].norm() for name in kept])
    assert moved.median() < 0.3
    assert load_detector(tmp_path).detect([ellipse(0)[0]], min_confidence=0.001)[0] is not None


@pytest.mark.parametrize("start", ["yolo11n", "yolo11n.onnx", ""])
def test_a_start_that_is_neither_scratch_nor_weights_is_refused(start: str) -> None:
    with pytest.raises(ValueError, match="start"):
        DetectorConfig(start=start)


# Detecting


def test_a_palm_is_found_the_same_alone_and_in_a_batch(detector: PalmDetector) -> None:
    photos = [ellipse(seed)[0] for seed in range(30, 37)]
    together = detector.detect(photos, min_confidence=0.0001)
    assert sum(found is not None for found in together) >= 5
    for photo, found in zip(photos, together, strict=True):
        (alone,) = detector.detect([photo], min_confidence=0.0001)
        assert (alone is None) == (found is None)
        if alone is not None and found is not None:
            assert alone.box == pytest.approx(found.box, abs=0.01)
            assert alone.confidence == pytest.approx(found.confidence, rel=1e-3)


def test_boxes_lie_inside_the_photo_and_are_not_empty(detector: PalmDetector) -> None:
    rng = np.random.default_rng(0)
    photos = [
        rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        for width, height in [(200, 20), (20, 200), (1, 1), (300, 1), (64, 64), (401, 299)]
    ]
    for photo, found in zip(photos, detector.detect(photos, min_confidence=1e-7), strict=True):
        if found is not None:
            left, top, right, bottom = found.box
            assert 0 <= left < right <= photo.shape[1]
            assert 0 <= top < bottom <= photo.shape[0]
            assert 0 <= found.confidence <= 1


def test_what_is_not_confident_enough_is_not_found_and_no_photos_are_no_detections(
    detector: PalmDetector,
) -> None:
    assert detector.detect([ellipse(1)[0]], min_confidence=0.999) == [None]
    assert detector.detect([]) == []


@pytest.mark.parametrize(
    ("width", "height"), [(640, 480), (480, 640), (640, 481), (999, 13), (50, 50), (3, 700)]
)
def test_the_way_into_the_square_and_back_is_exact(width: int, height: int) -> None:
    photo = np.full((height, width, 3), 255, np.uint8)
    square, placement = _letterbox(photo, 224)
    assert square.shape == (224, 224, 3)
    rows, columns = np.nonzero((square == 255).all(2))
    assert np.unique(square[(square != 255).all(2)]).tolist() in ([], [PADDING])
    # The photo's own part of the square, seen as a detection, is the whole photo...
    corners = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1, 0.5, 0]
    whole = _detection(torch.tensor([corners], dtype=torch.float64), photo.shape, placement)
    assert whole is not None
    assert whole.box == pytest.approx((0, 0, width, height), abs=1e-9)
    # ...and any part of the photo comes back as that part.
    across, down, left, top = placement
    part = (0.25 * width, 0.5 * height, 0.75 * width, 0.9 * height)
    row = [
        part[0] * across + left,
        part[1] * down + top,
        part[2] * across + left,
        part[3] * down + top,
        0.5,
        0,
    ]
    found = _detection(torch.tensor([row], dtype=torch.float64), photo.shape, placement)
    assert found is not None
    assert found.box == pytest.approx(part, abs=1e-9)


def test_a_marked_square_lands_where_the_letterbox_geometry_says() -> None:
    photo = np.zeros((300, 400, 3), np.uint8)
    photo[100:200, 80:160] = 255
    square, placement = _letterbox(photo, 200)
    rows, columns = np.nonzero(square[:, :, 0] > 180)
    found = _detection(
        torch.tensor([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1, 0.9, 0.0]]),
        photo.shape,
        placement,
    )
    assert found is not None
    assert found.box == pytest.approx((80, 100, 160, 200), abs=1)


def test_a_box_that_lies_in_the_padding_is_no_palm() -> None:
    _, placement = _letterbox(np.zeros((10, 100, 3), np.uint8), 64)
    assert _detection(torch.tensor([[5.0, 0.0, 20.0, 10.0, 0.9, 0.0]]), (10, 100, 3), placement) is None


# Files that are not a detector


def _without_metadata(path: Path) -> None:
    save_file(load_file(path), path)


def _with_metadata(path: Path, **changes: str) -> None:
    with safe_open(path, framework="pt") as stored:
        metadata = stored.metadata()
    save_file(load_file(path), path, metadata={**metadata, **changes})


def _flip_header(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[12] ^= 0xFF
    path.write_bytes(content)


DAMAGE = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "flipped": _flip_header,
    "a pickle": lambda path: path.write_bytes(pickle.dumps({"a": 1})),
    "of something else": lambda path: save_file(
        {"main.0.weight": torch.zeros(3)}, path, {"architecture": "{}"}
    ),
    "without metadata": _without_metadata,
    "of an unknown size": lambda path: _with_metadata(path, image_size="large"),
    "of an unknown network": lambda path: _with_metadata(path, architecture="[]"),
    "of a network by name": lambda path: _with_metadata(path, architecture="yolo11n.yaml"),
    "of a broken network": lambda path: _with_metadata(path, architecture='{"backbone": 1, "head": 2}'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_file_that_is_not_a_detector_is_a_typed_error(
    trained: dict[str, Any], tmp_path: Path, damage: Any
) -> None:
    path = tmp_path / DETECTOR_FILE
    path.write_bytes((trained["folder"] / DETECTOR_FILE).read_bytes())
    damage(path)
    with pytest.raises(DetectorError, match="Not a palm detector") as refused:
        load_detector(tmp_path)
    assert str(path) in str(refused.value)


# Resuming an interrupted training

INTERRUPTED = DetectorConfig(epochs=3, image_size=64, batch=8)


def interrupted_after(epochs: int, boxes: BoxSet, folder: Path) -> Path:
    """The work folder of a training that was stopped in the epoch after so many whole ones."""
    done: list[int] = []
    folder.mkdir()
    with pytest.raises(TrainingStoppedError, match="resumes"):
        train_detector(
            boxes,
            INTERRUPTED,
            folder,
            folder / "work",
            on_epoch=lambda epoch, _: done.append(epoch),
            should_stop=lambda: len(done) == epochs,
        )
    assert not (folder / DETECTOR_FILE).exists()
    return folder / "work"


def epochs_trained(boxes: BoxSet, folder: Path) -> list[int]:
    """Which epochs are trained when the same training is asked for again."""
    done: list[int] = []
    facts = train_detector(
        boxes, INTERRUPTED, folder, folder / "work", on_epoch=lambda epoch, _: done.append(epoch)
    )
    assert facts["epochs"] == 3
    rows = (folder / "curves.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == [1, 2, 3]
    assert (folder / DETECTOR_FILE).is_file()
    return done


def test_a_training_that_was_stopped_resumes_after_its_last_whole_epoch(
    boxes: BoxSet, tmp_path: Path
) -> None:
    interrupted_after(1, boxes, tmp_path / "a")
    assert epochs_trained(boxes, tmp_path / "a") == [2, 3]


def test_a_checkpoint_that_was_cut_in_half_or_replaced_costs_no_epoch(boxes: BoxSet, tmp_path: Path) -> None:
    """Ultralytics overwrites its checkpoint in place. What it left is not opened: pickles run code."""
    weights = interrupted_after(1, boxes, tmp_path / "a") / "run" / "weights"
    proof = tmp_path / "proof"
    torch.save({"epoch": 1, "model": _Bomb(proof)}, weights / "last.pt")
    (weights / "best.pt").write_bytes((weights / "best.pt").read_bytes()[:1000])
    assert epochs_trained(boxes, tmp_path / "a") == [2, 3]
    assert not proof.exists(), "the pickle was run"
    before = load_file(tmp_path / "a" / DETECTOR_FILE)
    assert epochs_trained(boxes, tmp_path / "a") == []  # finished, though not published
    after = load_file(tmp_path / "a" / DETECTOR_FILE)  # not as bytes: the order in the header is random
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_damaged_image_is_still_pillows_own_error_once_ultralytics_is_loaded(tmp_path: Path) -> None:
    import palm_assets.detector.ultralytics_import  # noqa: F401

    path = tmp_path / "damaged.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(UnidentifiedImageError):
        Image.open(path)
