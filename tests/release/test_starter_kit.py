"""The kit that comes with the starter: small, undamaged, without photographs, and good for what it is for."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from palm_assets.detector.config import DetectorConfig
from palm_assets.detector.detection import DETECTOR_FILE
from palm_assets.errors import RequestError
from palm_assets.evaluation.evaluation_files import read_evaluation
from palm_assets.evaluation.references import find_reference
from palm_assets.gan.people_record import NOBODY, PeopleRecord, read_people
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.reference_builder import reference_from_features
from palm_assets.quality.reference_files import load_reference, save_reference
from palm_assets.release.starter_kit import pack_detector, pack_reference, pack_reference_of
from palm_assets.store.artifacts import Artifact, Store, open_folder
from palm_assets.store.starter import (
    STARTER,
    find_starter,
    find_starter_detector,
    find_starter_reference,
    hands_folder,
)
from tests.app.real_palms import publish_crops, publish_reference
from tests.models import publish_model

MAX_BYTES = 20e6
MAX_REFERENCE_BYTES = 7e6


def evaluated(store: Store, *, seen: set[str], complete: bool = True) -> Artifact:
    """A model that was trained on these people, and evaluated against photographs of person "40"."""
    crops = publish_crops(store)
    reference = publish_reference(store, crops)
    model = publish_model(
        store, people=NOBODY.including(seen, "photographs") if complete else PeopleRecord(frozenset(), False)
    )

    def evaluation(folder: Path) -> dict[str, object]:
        return {}

    store.make(
        "evaluations",
        evaluation,
        inputs={"model": model.version, "reference": reference.version},
        config=ReferenceConfig(),
        code_version="1",
    )
    return model


def test_a_model_is_packed_with_what_it_was_evaluated_against_again_and_again(
    store: Store, tmp_path: Path
) -> None:
    model = evaluated(store, seen={"0", "1"})
    packed = tmp_path / "packed"
    shutil.copytree(model.folder, packed)
    for _ in range(2):
        made = pack_reference_of(store, model.version, packed)
        own = open_folder(packed / "reference", "reference")
        assert own.version == made.version
        whole = store.open("reference", store.manifests("reference")[0].version)
        assert own.manifest.inputs == whole.manifest.inputs
        np.testing.assert_allclose(
            load_reference(own.folder).mean, load_reference(whole.folder).mean, atol=1e-3
        )


@pytest.mark.parametrize(("seen", "complete"), [({"0", "47"}, True), (set(), False)])
def test_no_model_is_packed_with_photographs_of_people_whom_it_may_have_seen(
    store: Store, tmp_path: Path, seen: set[str], complete: bool
) -> None:
    model = evaluated(store, seen=seen, complete=complete)
    packed = tmp_path / "packed"
    shutil.copytree(model.folder, packed)
    with pytest.raises(RequestError, match="whom the model was trained on"):
        pack_reference_of(store, model.version, packed)
    assert not (packed / "reference").exists()


def test_a_model_that_was_never_evaluated_has_nothing_to_be_packed_with(store: Store, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="never evaluated"):
        pack_reference_of(store, publish_model(store).version, tmp_path)


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


def test_hands_come_with_photographs_of_people_whom_they_were_not_trained_on(
    store: Store, bundled: None
) -> None:
    hands, reference = find_starter(hands_folder(STARTER)), find_starter_reference(hands_folder(STARTER))
    assert hands is not None
    assert reference is not None
    found = find_reference(store, model=f"starter-{hands.version}")
    assert found.artifact.version == reference.version
    assert sum(path.stat().st_size for path in reference.folder.iterdir()) < MAX_REFERENCE_BYTES
    statistics, evaluation = load_reference(reference.folder), read_evaluation(hands.folder)
    assert statistics.n == evaluation["reference_n"]
    assert statistics.floor[-1].to_json() == evaluation["floor"]  # what the model was evaluated against


def test_the_bundled_reference_is_found_where_nothing_is_released(store: Store, bundled: None) -> None:
    assert find_reference(store).name.startswith("starter-")
