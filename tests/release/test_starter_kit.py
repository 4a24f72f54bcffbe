"""The kit that comes with the starter: small, undamaged, without photographs, and good for what it is for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from palm_assets.detector.config import DetectorConfig
from palm_assets.detector.detection import DETECTOR_FILE
from palm_assets.evaluation.references import find_reference
from palm_assets.gan.people_record import read_people
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.reference_builder import reference_from_features
from palm_assets.quality.reference_files import load_reference, save_reference
from palm_assets.release.starter_kit import pack_detector, pack_reference
from palm_assets.store.artifacts import Store, open_folder
from palm_assets.store.starter import STARTER, find_starter, find_starter_detector, find_starter_reference

MAX_BYTES = 20e6


def test_a_packed_reference_is_compact_and_a_packed_detector_has_no_photographs(
    store: Store, tmp_path: Path
) -> None:
    features = np.random.default_rng(0).normal(size=(48, 16)).astype(np.float32)
    whole = reference_from_features(
        features[:32], features[32:], ReferenceConfig(), extractor="e", digest="d"
    )

    def reference(folder: Path) -> dict[str, object]:
        save_reference(whole, folder)
        return {"n": 32}

    def detector(folder: Path) -> dict[str, object]:
        weights = {"weight": torch.linspace(0, 1, 9), "count": torch.tensor(7)}
        save_file(weights, folder / DETECTOR_FILE, metadata={"image_size": "224"})
        (folder / "detections.png").write_bytes(b"a photograph")
        return {"ap50": 0.9}

    made = store.make(
        "reference", reference, inputs={"crops": "c"}, config=ReferenceConfig(), code_version="1"
    )
    packed = pack_reference(made, tmp_path)
    assert open_folder(tmp_path / "reference", "reference").version == packed.version
    assert (packed.manifest.inputs, packed.facts) == ({"crops": "c"}, {"n": 32})
    np.testing.assert_allclose(load_reference(packed.folder).mean, whole.mean, atol=1e-3)

    trained = store.make("detector", detector, inputs={}, config=DetectorConfig(), code_version="1")
    packed = pack_detector(trained, tmp_path)
    assert sorted(path.name for path in packed.folder.iterdir()) == [DETECTOR_FILE, "manifest.json"]
    weights = load_file(packed.folder / DETECTOR_FILE)
    assert (weights["weight"].dtype, weights["count"].dtype) == (torch.float16, torch.int64)
    assert packed.facts == {"ap50": 0.9}


@pytest.fixture
def bundled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The starter that comes with the program."""
    monkeypatch.setenv("PALM_STARTER", str(STARTER))


def test_the_bundled_kit_is_undamaged_and_small() -> None:
    starter, reference, detector = find_starter(), find_starter_reference(STARTER), find_starter_detector()
    assert starter is not None
    assert reference is not None
    assert detector is not None
    assert reference.manifest.inputs["crops"] == starter.manifest.inputs["crops"]
    assert sum(path.stat().st_size for path in STARTER.rglob("*") if path.is_file()) < MAX_BYTES


def test_the_bundled_kit_is_of_the_people_whom_the_starter_was_trained_on() -> None:
    record = read_people(STARTER)
    assert (len(record.hashes), record.complete) == (102, True)
    artifact = find_starter_reference(STARTER)
    assert artifact is not None
    reference = load_reference(artifact.folder)
    assert (reference.n, len(reference.holdout)) == (1323, 174)
    assert reference.precision == "float32"  # any machine computes in it
    assert reference.floor[-1].n == 174


def test_the_bundled_reference_is_found_where_nothing_is_released(store: Store, bundled: None) -> None:
    assert find_reference(store).name.startswith("starter-")
