"""What a candidate is compared with: the served model, the best release so far, the model it started from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from palm_assets.errors import RefusedError
from palm_assets.release import gate
from palm_assets.release.checks import LOAD_CHECK, CheckResult
from palm_assets.release.config import GateConfig
from palm_assets.release.export import pack
from palm_assets.release.gate import gather, release_if_passed
from palm_assets.stages.start_model import open_start_model
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.releases import Release
from palm_assets.store.starter import STARTER, starter_folder
from tests.models import publish_model
from tests.release.lineage import Data, publish_candidate, publish_data, publish_evaluation

BOUNDS = GateConfig()


@pytest.fixture(autouse=True)
def _models_load(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = CheckResult(LOAD_CHECK, True, "it loads")
    monkeypatch.setattr(gate, "check_loading", lambda store, model: loads)


@pytest.fixture
def data(store: Store) -> Data:
    return publish_data(store)


@pytest.fixture
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """A bundled starter model."""
    made = publish_model(Store(tmp_path / "elsewhere"), seed=77)
    monkeypatch.setenv("PALM_STARTER", str(made.folder))
    return made


def evaluated(store: Store, data: Data, seed: int, frechet: float, start: Artifact | None = None) -> Release:
    model = publish_candidate(store, data, seed, start)
    return release_if_passed(store, publish_evaluation(store, model, data.reference, frechet), BOUNDS)


def compared(store: Store, data: Data, seed: int, start: Artifact | None = None) -> list[tuple[str, str]]:
    """Roles and versions of the models that a candidate is compared with."""
    model = publish_candidate(store, data, seed, start)
    evidence = gather(store, publish_evaluation(store, model, data.reference))
    return [(incumbent.role, incumbent.model) for incumbent in evidence.incumbents]


def test_the_starter_is_the_incumbent_until_a_model_is_released(
    store: Store, data: Data, starter: Artifact
) -> None:
    publish_evaluation(store, starter, data.reference, 200)
    assert compared(store, data, 0) == [("starter", starter.version)]
    with pytest.raises(RefusedError, match="Fréchet distance 300, the starter has 200"):
        evaluated(store, data, 0, 300)
    assert store.released() is None
    better = evaluated(store, data, 1, 150)
    assert better.champion == better.model
    assert compared(store, data, 2) == [("released", better.model)]


@pytest.fixture
def synthetic_starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """A starter that was packed from a model of synthetic hands."""
    elsewhere = Store(tmp_path / "elsewhere")
    model = publish_candidate(elsewhere, publish_data(elsewhere, "synthetic"), 77)
    packed = pack(elsewhere, model.version, tmp_path / "packed")
    monkeypatch.setenv("PALM_STARTER", str(packed.folder))
    return packed


def test_a_starter_of_synthetic_hands_is_compared_with_models_of_synthetic_hands_alone(
    store: Store, data: Data, synthetic_starter: Artifact
) -> None:
    assert compared(store, data, 0) == []
    synthetic = publish_data(store, "synthetic")
    publish_evaluation(store, synthetic_starter, synthetic.reference, 200)
    assert compared(store, synthetic, 1) == [("starter", synthetic_starter.version)]
    with pytest.raises(RefusedError, match="Fréchet distance 300, the starter has 200"):
        evaluated(store, synthetic, 1, 300)
    assert evaluated(store, data, 2, 300).origin == "photographs"


@pytest.mark.parametrize("name", ["starter", "hands"])
def test_the_bundled_models_are_found_as_the_start_of_a_training(
    store: Store, data: Data, starter: Artifact, name: str
) -> None:
    """Neither is in the store, and PALM_STARTER names another one."""
    start = open_start_model(store, name)
    assert start is not None
    publish_evaluation(store, starter, data.reference, 900)
    publish_evaluation(store, start, data.reference, 200)
    assert compared(store, data, 1, start) == [("starter", starter.version), ("start", start.version)]
    with pytest.raises(RefusedError, match="the model that training started from has 200"):
        evaluated(store, data, 1, 300, start)


def test_an_empty_variable_names_no_starter(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the bundled one, as when it is not set: not the folder where a process was started."""
    monkeypatch.setenv("PALM_STARTER", "")
    assert starter_folder() == STARTER


def test_a_damaged_starter_refuses(store: Store, data: Data, starter: Artifact) -> None:
    (starter.folder / "generator.safetensors").write_bytes(b"")
    with pytest.raises(RefusedError, match="cannot be measured"):
        evaluated(store, data, 0, 300)


def test_a_fine_tuned_model_is_compared_with_the_one_that_it_started_from(store: Store, data: Data) -> None:
    start = publish_candidate(store, data, 0)
    publish_evaluation(store, start, data.reference, 200)
    assert compared(store, data, 1, start) == [("start", start.version)]
    with pytest.raises(RefusedError, match="the model that training started from has 200"):
        evaluated(store, data, 1, 300, start)
    assert evaluated(store, data, 2, 150, start).origin == "photographs"


def test_a_start_model_that_is_gone_refuses(store: Store, data: Data) -> None:
    start = publish_candidate(store, data, 0)
    model = publish_candidate(store, data, 1, start)
    evaluation = publish_evaluation(store, model, data.reference)
    shutil.rmtree(start.folder)
    with pytest.raises(RefusedError, match="training started from cannot be measured"):
        release_if_passed(store, evaluation, BOUNDS)


def test_synthetic_models_have_a_release_of_their_own(store: Store, data: Data, starter: Artifact) -> None:
    """A better model of synthetic hands neither replaces one of photographs nor is compared with it."""
    photographic = store.release(publish_candidate(store, data, 0), data.reference)
    synthetic = publish_data(store, "synthetic")
    assert compared(store, synthetic, 1) == []
    first = evaluated(store, synthetic, 1, 100)
    assert first.origin == "synthetic"
    assert store.released() == photographic
    assert store.released("synthetic") == first
    assert compared(store, synthetic, 2) == [("released", first.model)]
    publish_evaluation(store, store.open("models", photographic.model), data.reference, 90)
    assert compared(store, data, 3) == [("released", photographic.model)]


def test_a_model_that_started_from_synthetic_hands_is_synthetic(store: Store, data: Data) -> None:
    start = publish_candidate(store, publish_data(store, "synthetic"), 0)
    publish_evaluation(store, start, data.reference, 400)
    assert evaluated(store, data, 1, 300, start).origin == "synthetic"
    assert store.released() is None


def test_small_losses_do_not_add_up(store: Store, data: Data) -> None:
    """A model within the tolerance is released, but the next one is compared with the best so far, too."""
    best = evaluated(store, data, 0, 300)
    within = evaluated(store, data, 1, 303)
    assert (within.model == best.model, within.champion) == (False, best.model)
    assert compared(store, data, 2) == [("released", within.model), ("best", best.model)]
    with pytest.raises(RefusedError, match="the best model so far has 300"):
        evaluated(store, data, 3, 306)  # it is within the tolerance of the released one
    better = evaluated(store, data, 4, 290)
    assert better.champion == better.model


def test_a_year_of_weekly_candidates_4_percent_worse_releases_nothing(store: Store, data: Data) -> None:
    """The sets of each vary by 5 %, as at n = 174; a distance measured too small by chance must not pass."""
    random = np.random.default_rng(0)
    first = evaluated(store, data, 0, 100)
    released, sets = first, 8
    for week in range(1, 53):
        model = publish_candidate(store, data, week)
        distances = tuple(random.normal(104, 5, sets).tolist())
        evaluation = publish_evaluation(store, model, data.reference, 104)
        facts = json.loads(json.dumps(evaluation.facts))
        facts["model_metrics"] |= {"frechet": distances, "kid": [value / 1000 for value in distances]}
        changed = evaluation.manifest.model_copy(update={"facts": facts})
        with pytest.raises(RefusedError, match="not_worse_than_released"):
            release_if_passed(
                store, Artifact("evaluations", evaluation.version, evaluation.folder, changed), BOUNDS
            )
        released = store.released() or released
    assert released == first


def test_a_release_by_hand_is_what_later_candidates_are_compared_with(store: Store, data: Data) -> None:
    evaluated(store, data, 0, 300)
    worse = publish_candidate(store, data, 1)
    publish_evaluation(store, worse, data.reference, 400)
    by_hand = store.release(worse, data.reference, by="hand")
    assert by_hand.champion == worse.version
    assert compared(store, data, 2) == [("released", worse.version)]


def test_a_model_of_unknown_origin_is_refused(store: Store, data: Data) -> None:
    model = publish_candidate(store, data, 0)
    evaluation = publish_evaluation(store, model, data.reference)
    shutil.rmtree(data.photos.folder)
    with pytest.raises(RefusedError, match="is gone"):
        release_if_passed(store, evaluation, BOUNDS)
