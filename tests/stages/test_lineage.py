"""What meets must be made from the same data, and a release names all that it was made from."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from unittest.mock import MagicMock

import pytest

from palm_assets.errors import LineageError
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.stages.evaluation import evaluation_inputs, make_evaluation
from palm_assets.stages.lineage import lineage_of
from palm_assets.store.artifacts import Artifact, Kind, Store


@dataclass
class Chain:
    """Empty artifacts of each kind, made from each other."""

    store: Store
    name: str

    def __post_init__(self) -> None:
        self.photos = self.make("photos")
        self.boxes = self.make("boxes")
        self.detector = self.make("detector", boxes=self.boxes)
        self.crops = self.make("crops", photos=self.photos, detector=self.detector)
        self.model = self.make("models", crops=self.crops)
        self.reference = self.make("reference", crops=self.crops)
        self.evaluation = self.make("evaluations", model=self.model, reference=self.reference)

    def make(self, kind: Kind, **inputs: Artifact) -> Artifact:
        versions = {role: artifact.version for role, artifact in inputs.items()}
        return self.store.make(
            kind, lambda folder: {}, inputs=versions, config=EvaluationConfig(), code_version=self.name
        )


def test_a_lineage_names_every_artifact_up_to_the_photographs(store: Store) -> None:
    chain = Chain(store, "a")
    lineage = lineage_of(store, chain.evaluation)
    for name in ("photos", "boxes", "detector", "crops", "model", "reference", "evaluation"):
        assert getattr(lineage, name).version == getattr(chain, name).version


@pytest.mark.parametrize("gone", ["photos", "boxes", "detector", "crops", "model", "reference"])
def test_a_lineage_with_a_gap_is_refused(store: Store, gone: str) -> None:
    chain = Chain(store, "a")
    shutil.rmtree(getattr(chain, gone).folder)
    with pytest.raises(LineageError, match="is gone"):
        lineage_of(store, chain.evaluation)


def test_a_model_that_names_no_crops_has_no_lineage(store: Store) -> None:
    chain = Chain(store, "a")
    imported = chain.make("models")
    with pytest.raises(LineageError):
        lineage_of(store, chain.make("evaluations", model=imported, reference=chain.reference))


def test_a_model_and_a_reference_of_other_crops_have_no_common_lineage(store: Store) -> None:
    one, other = Chain(store, "a"), Chain(store, "b")
    with pytest.raises(LineageError, match=one.crops.version):
        lineage_of(store, one.make("evaluations", model=one.model, reference=other.reference))


def test_an_evaluation_refuses_artifacts_of_different_crops(store: Store) -> None:
    one, other = Chain(store, "a"), Chain(store, "b")
    for model, reference, crops in [
        (one.model, other.reference, other.crops),
        (one.model, one.reference, other.crops),
        (one.model, other.reference, one.crops),
        (one.make("models"), one.reference, one.crops),
    ]:
        with pytest.raises(LineageError):
            make_evaluation(store, model, reference, crops, EvaluationConfig())
    assert len(store.versions("evaluations")) == 2


def test_a_model_to_compare_with_may_be_of_other_crops_but_its_reference_may_not(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluate(*args: object, **keywords: object) -> dict[str, object]:
        return {}

    monkeypatch.setattr("palm_assets.evaluation.model_evaluation.evaluate_model", evaluate)
    monkeypatch.setattr("palm_assets.stages.evaluation.open_crops", MagicMock())
    one, other = Chain(store, "a"), Chain(store, "b")
    config = EvaluationConfig()
    made = make_evaluation(store, one.model, other.reference, other.crops, config, of_other_crops=True)
    assert made.manifest.inputs == evaluation_inputs(one.model.manifest, other.reference.manifest)
    assert made.manifest.inputs["model"] == one.model.version
    with pytest.raises(LineageError):
        make_evaluation(store, one.model, other.reference, one.crops, config, of_other_crops=True)
