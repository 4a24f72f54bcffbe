"""Releases of each origin: the pointer, the history, and a release that was decided against another one."""

from __future__ import annotations

import json
import shutil
import threading
from datetime import UTC, datetime

import pytest

from palm_assets.errors import ArtifactCorruptError, ReleaseChangedError
from palm_assets.release.retention import RetentionConfig, remove_unused
from palm_assets.stages.start_model import open_start_model
from palm_assets.store.artifacts import Store
from palm_assets.store.origins import origin_of, origin_of_training
from palm_assets.store.releases import HISTORY_FILE, RELEASED_FILE, is_withdrawn, read_history, read_released
from tests.models import publish_model
from tests.release.lineage import publish_candidate, publish_data


def test_each_origin_has_a_release_of_its_own(store: Store) -> None:
    first, second, third = (publish_model(store, seed) for seed in range(3))
    photographs = store.release(first, first)
    synthetic = store.release(second, second, origin="synthetic")
    assert (store.released(), store.released("synthetic")) == (photographs, synthetic)
    newest = store.release(third, third, origin="synthetic")
    assert (store.released("photographs"), store.released("synthetic")) == (photographs, newest)
    assert read_history(store.home) == [photographs, synthetic, newest]


def test_the_pointer_of_an_older_version_of_the_program_is_understood(store: Store) -> None:
    """It had one release, of any origin."""
    for source, origin in (("folder", "photographs"), ("synthetic", "synthetic")):
        model = publish_candidate(store, publish_data(store, source))  # type: ignore[arg-type]
        old = {"schema_version": 2, "model": model.version, "reference": "abc", "by": "hand"}
        old["released_at"] = datetime(2024, 1, 2, tzinfo=UTC).isoformat()
        (store.home / RELEASED_FILE).write_text(json.dumps(old))
        (store.home / HISTORY_FILE).write_text(json.dumps([old]))
        (release,) = read_released(store.home).all
        assert (release.model, release.origin, release.champion) == (model.version, origin, model.version)
        assert read_history(store.home) == [release]


def test_the_origin_of_a_model_follows_what_its_training_started_from(store: Store) -> None:
    photographs, synthetic = publish_data(store), publish_data(store, "synthetic")
    assert origin_of(store.home, publish_candidate(store, photographs).version) == "photographs"
    start = publish_candidate(store, synthetic)
    assert origin_of(store.home, start.version) == "synthetic"
    assert origin_of(store.home, publish_candidate(store, photographs, 1, start).version) == "synthetic"
    assert origin_of(store.home, publish_model(store).version) == "photographs"  # an imported one
    lost = publish_model(store, inputs={"crops": "gone"})
    assert origin_of(store.home, lost.version) is None
    of_photographs, of_synthetic = photographs.crops.version, synthetic.crops.version
    assert origin_of_training(store.home, of_photographs) == "photographs"
    assert origin_of_training(store.home, of_photographs, start.version) == "synthetic"
    assert origin_of_training(store.home, of_synthetic, lost.version) == "synthetic"
    assert origin_of_training(store.home, of_photographs, lost.version) is None


def test_the_origin_of_a_model_whose_start_is_gone_is_not_known(store: Store) -> None:
    """It may have been of synthetic hands; the models that come with the program are in no store."""
    photographs, start = publish_data(store), publish_candidate(store, publish_data(store, "synthetic"))
    fine_tuned = publish_candidate(store, photographs, 1, start)
    shutil.rmtree(start.folder)
    assert origin_of(store.home, fine_tuned.version) is None
    for name in ("starter", "hands"):
        bundled = open_start_model(store, name)
        assert (
            origin_of(store.home, publish_candidate(store, photographs, 2, bundled).version) == "photographs"
        )


def test_a_pointer_that_is_gone_forgets_no_release(store: Store) -> None:
    """Else a worse model could be released by the gate, which compares with the best one so far."""
    first, second = (publish_model(store, seed) for seed in range(2))
    photographs = store.release(first, first)
    (store.home / RELEASED_FILE).unlink()
    with pytest.raises(ArtifactCorruptError, match="pointer is gone"):
        store.released()
    with pytest.raises(ArtifactCorruptError, match="pointer is gone"):
        store.release(second, second, replaces=None)
    store.release(second, second, by="hand", origin="synthetic")
    assert store.released() == photographs
    assert [release.model for release in read_history(store.home)] == [first.version, second.version]


def test_a_damaged_pointer_keeps_the_release_of_the_other_origin(store: Store) -> None:
    first, second = (publish_model(store, seed) for seed in range(2))
    photographs = store.release(first, first)
    (store.home / RELEASED_FILE).write_text("{half")
    store.release(second, second, origin="synthetic")
    assert store.released() == photographs


def test_only_one_of_two_decisions_against_the_same_release_counts(store: Store) -> None:
    models = [publish_model(store, seed) for seed in range(9)]
    before = store.release(models[0], models[0])
    outcomes: list[str] = []

    def release(number: int) -> None:
        try:
            outcomes.append(store.release(models[number], models[number], replaces=before).model)
        except ReleaseChangedError:
            outcomes.append("changed")

    threads = [threading.Thread(target=release, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("changed") == 7
    assert len(read_history(store.home)) == 2


def test_a_release_by_hand_withdraws_models_of_its_origin_only(store: Store) -> None:
    first, second = (publish_model(store, seed) for seed in range(2))
    store.release(first, first)
    store.release(second, second, by="hand", origin="synthetic")
    assert not is_withdrawn(first.version, read_history(store.home))
    store.release(second, second, by="hand")
    assert is_withdrawn(first.version, read_history(store.home))


def test_a_release_by_hand_of_the_released_model_makes_it_the_best(store: Store) -> None:
    first, second = (publish_model(store, seed) for seed in range(2))
    assert store.release(second, second, champion=first.version).champion == first.version
    with pytest.raises(ReleaseChangedError):
        store.release(first, first, replaces=None)
    assert store.release(second, second, by="hand").champion == second.version


def test_the_best_model_so_far_and_the_releases_of_both_origins_are_kept(store: Store) -> None:
    models = [publish_model(store, seed) for seed in range(6)]
    store.release(models[0], models[0])
    for model in models[1:4]:
        store.release(model, model, champion=models[0].version)
    store.release(models[4], models[4], origin="synthetic")
    remove_unused(store, RetentionConfig(keep_models=1, keep_releases=1))
    kept = set(store.versions("models"))
    assert {models[0].version, models[3].version, models[4].version} <= kept
    assert models[1].version not in kept
