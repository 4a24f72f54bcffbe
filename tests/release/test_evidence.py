"""Evidence that says nothing of the candidate releases nothing: stale, incomplete, or not finite."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from palm_assets.errors import ArtifactCorruptError, LineageError
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.release import gate
from palm_assets.release.decisions import record_checks
from palm_assets.release.gate import decide, gather, release_if_passed
from palm_assets.release.serving import ModelWatcher, released_model
from palm_assets.stages.evaluation import evaluation_inputs
from palm_assets.store.artifacts import Artifact, Store
from tests.models import SMALL, fill_with_model
from tests.release.lineage import FACTS, METRICS, Data, publish_candidate, publish_data, publish_evaluation
from tests.release.test_gate import BOUNDS, EVIDENCE, LOADS, failed


@pytest.fixture
def data(store: Store, monkeypatch: pytest.MonkeyPatch) -> Data:
    """A lineage of photographs; every model loads."""
    monkeypatch.setattr(gate, "check_loading", lambda store, model: LOADS)
    return publish_data(store)


def make_again(store: Store, model: Artifact) -> Artifact:
    """Lose a model and train it to other weights, as on other hardware."""
    shutil.rmtree(model.folder)

    def train_again(folder: Path) -> dict[str, Any]:
        fill_with_model(folder, 99, SMALL)
        return {"image_size": SMALL.image_size}

    inputs, code_version = model.manifest.inputs, model.manifest.code_version
    again = store.make("models", train_again, inputs=inputs, config=SMALL, code_version=code_version)
    assert again.version == model.version
    return again


@pytest.mark.parametrize(
    ("metrics", "check"),
    [
        ({"frechet": [None] * 4}, "resembles_palms"),
        ({"kid": [float("-inf")] * 4}, "resembles_palms"),
        ({"frechet_collapsed": 0}, "resembles_palms"),
        ({"frechet_collapsed": -330.0}, "resembles_palms"),
        ({"frechet_collapsed": float("inf")}, "resembles_palms"),
        ({"kid_collapsed": 0.0}, "resembles_palms"),
        ({"variance_ratio": float("inf")}, "not_collapsed"),
        ({"copy_share": None}, "not_memorized"),
    ],
)
def test_a_metric_that_is_no_finite_number_or_scale_refuses(metrics: dict[str, Any], check: str) -> None:
    """A manifest has null for NaN, in lists, too."""
    changed = ModelMetrics.from_json(METRICS.to_json() | metrics)
    assert check in failed(decide(replace(EVIDENCE, metrics=changed), BOUNDS))


@pytest.mark.parametrize("facts", [{"auth_pct": None}, {"floor": {"auth_pct": None}}])
def test_a_share_of_authentic_samples_that_is_not_known_refuses(facts: dict[str, Any]) -> None:
    assert failed(decide(replace(EVIDENCE, evaluation=FACTS | facts), BOUNDS)) == {"not_memorized"}


@pytest.mark.parametrize(
    "metrics",
    [{"frechet": [], "kid": []}, {"frechet": [1.0], "kid": [1.0]}, {"kid": [1.0, 2.0]}, {"n": "100"}],
)
def test_metrics_of_no_sets_or_no_numbers_are_a_typed_error(metrics: dict[str, Any]) -> None:
    with pytest.raises(ArtifactCorruptError):
        ModelMetrics.from_json(METRICS.to_json() | metrics)


def test_an_evaluation_of_earlier_weights_releases_nothing(store: Store, data: Data) -> None:
    """A model that was lost and is trained again, on other hardware, has its version and other weights."""
    model = publish_candidate(store, data)
    evaluation = publish_evaluation(store, model, data.reference)
    again = make_again(store, model)
    with pytest.raises(LineageError, match="not up to date with the model_files"):
        release_if_passed(store, evaluation, BOUNDS)
    anew = publish_evaluation(store, again, data.reference)
    assert anew.version != evaluation.version
    assert release_if_passed(store, anew, BOUNDS).model == model.version


def test_a_released_model_that_is_made_again_is_not_served_until_it_is_released_again(
    store: Store, data: Data
) -> None:
    """It has the released version and other weights, which nobody has checked."""
    best, model = publish_candidate(store, data, 1), publish_candidate(store, data)
    release_if_passed(store, publish_evaluation(store, best, data.reference, 100), BOUNDS)
    watcher = ModelWatcher(store, store.home / "no starter")
    assert released_model(store).version == best.version
    served = watcher.served().model
    again = make_again(store, best)
    with pytest.raises(ArtifactCorruptError, match="made again after it was released"):
        released_model(store)
    assert watcher.served().model is served
    assert store.released() is not None
    evaluation = publish_evaluation(store, again, data.reference, 150)
    assert release_if_passed(store, evaluation, BOUNDS).files == again.manifest.content
    assert released_model(store).version == again.version
    anew = watcher.served()
    assert anew.model is not None
    assert anew.model is not served
    assert anew.problem is None
    assert (
        gather(store, publish_evaluation(store, model, data.reference)).incumbents[0].model == again.version
    )


def test_a_model_that_is_made_again_with_the_same_weights_stays_released(store: Store, data: Data) -> None:
    """Its metrics have times, so they are never the same again."""
    model = publish_candidate(store, data)
    evaluation = publish_evaluation(store, model, data.reference)
    release_if_passed(store, evaluation, BOUNDS)
    shutil.rmtree(model.folder)

    def train_again(folder: Path) -> dict[str, Any]:
        fill_with_model(folder, 0, SMALL)
        (folder / "metrics.json").write_text(datetime.now(UTC).isoformat())
        return {"image_size": SMALL.image_size}

    inputs, code_version = model.manifest.inputs, model.manifest.code_version
    store.make("models", train_again, inputs=inputs, config=SMALL, code_version=code_version)
    assert released_model(store).version == model.version
    assert release_if_passed(store, evaluation, BOUNDS).model == model.version


def test_a_load_check_of_earlier_files_does_not_count(
    store: Store, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = publish_candidate(store, data)
    record_checks(store, model.version, [LOADS])
    evaluation = publish_evaluation(store, model, data.reference)
    monkeypatch.setattr(gate, "check_loading", lambda store, model: replace(LOADS, passed=False))
    assert gather(store, evaluation).loading.passed
    content = json.loads(model.manifest_file.read_text())
    content["created"] = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    model.manifest_file.write_text(json.dumps(content))
    assert not gather(store, evaluation).loading.passed


def test_an_evaluation_by_another_version_of_the_program_releases_nothing(store: Store, data: Data) -> None:
    """The models that it would be compared with are evaluated by this one."""
    model = publish_candidate(store, data)
    facts = publish_evaluation(store, model, data.reference).facts
    older = store.make(
        "evaluations",
        lambda folder: facts,
        inputs=evaluation_inputs(model.manifest, data.reference.manifest),
        config=EvaluationConfig(),
        code_version="1",
    )
    with pytest.raises(LineageError, match="not up to date with the code version"):
        release_if_passed(store, older, BOUNDS)
    assert store.released() is None
