"""What is removed from a store, and what never is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from palm_assets.release.candidates import release_by_hand
from palm_assets.release.retention import RetentionConfig, tidy
from palm_assets.release.serving import ModelWatcher
from palm_assets.store.artifacts import Artifact, Kind, Store
from palm_assets.store.pins import Pin, hold
from palm_assets.store.release_pointer import HISTORY
from tests import models
from tests.models import SMALL

ONE = RetentionConfig(keep_models=1, keep_releases=1)


def make(store: Store, kind: Kind, name: str, **inputs: Artifact) -> Artifact:
    """An artifact of one small file, made from others."""

    def build(folder: Path) -> dict[str, object]:
        (folder / "content").write_text(name)
        return {}

    versions = {role: artifact.version for role, artifact in inputs.items()}
    return store.make(kind, build, inputs=versions, config=SMALL, code_version=name)


def month_day(store: Store, day: int, photos: Artifact, detector: Artifact) -> dict[str, Artifact]:
    """What a retraining on changed photographs leaves."""
    crops = make(store, "crops", f"crops {day}", photos=photos, detector=detector)
    model = make(store, "models", f"model {day}", crops=crops)
    reference = make(store, "reference", f"reference {day}", crops=crops)
    scores = make(store, "evaluations", f"scores {day}", model=model, reference=reference)
    return {"crops": crops, "models": model, "reference": reference, "evaluations": scores}


@pytest.fixture
def days(store: Store) -> list[dict[str, Artifact]]:
    photos = make(store, "photos", "photos")
    detector = make(store, "detector", "detector", boxes=make(store, "boxes", "boxes"))
    return [month_day(store, day, photos, detector) for day in range(4)]


def left(store: Store, kind: Kind) -> set[str]:
    return set(store.versions(kind))


def test_the_released_model_keeps_all_that_it_was_made_from_its_scores_and_its_reference(
    store: Store, days: list[dict[str, Artifact]]
) -> None:
    store.release(days[0]["models"], days[0]["reference"])
    removed = tidy(store, ONE)
    for kind in ("crops", "models", "reference", "evaluations"):
        assert left(store, kind) == {days[0][kind].version, days[3][kind].version}  # and of the newest model
    assert len(removed) == 8
    for kind in ("photos", "detector", "boxes"):
        assert len(left(store, kind)) == 1


def test_the_model_that_another_started_from_stays_with_it(
    store: Store, days: list[dict[str, Artifact]]
) -> None:
    grown = make(store, "models", "grown", crops=days[3]["crops"], start=days[1]["models"])
    tidy(store, ONE)
    assert left(store, "models") == {days[1]["models"].version, grown.version}


def test_the_reference_of_the_release_stays_even_where_no_score_names_it(
    store: Store, days: list[dict[str, Artifact]]
) -> None:
    store.release(days[0]["models"], days[1]["reference"])
    tidy(store, ONE)
    assert days[1]["reference"].version in left(store, "reference")


def test_releases_to_roll_back_to_stay_as_many_as_asked_for(
    store: Store, days: list[dict[str, Artifact]]
) -> None:
    for day in days[:3]:
        store.release(day["models"], day["reference"])
    tidy(store, RetentionConfig(keep_models=1, keep_releases=2))
    assert left(store, "models") == {days[n]["models"].version for n in (1, 2, 3)}


def test_what_an_asset_points_to_stays(store: Store, days: list[dict[str, Artifact]]) -> None:
    store.set_current("dcgan_checkpoint", days[1]["models"])
    tidy(store, ONE)
    assert days[1]["models"].version in left(store, "models")
    assert days[1]["crops"].version in left(store, "crops")


def test_nothing_goes_while_the_history_of_releases_cannot_be_read(
    store: Store, days: list[dict[str, Artifact]]
) -> None:
    store.release(days[0]["models"], days[0]["reference"])
    (store.home / HISTORY).write_text("[")
    assert tidy(store, ONE) == []


def test_what_another_process_has_pinned_stays_until_that_process_is_gone(
    store: Store, days: list[dict[str, Artifact]]
) -> None:
    model = days[1]["models"]
    code = (
        "import sys, time; from pathlib import Path; from palm_assets.store.pins import Pin; "
        "from palm_assets.store.artifacts import Store; "
        "pin = Pin(Store(Path(sys.argv[1])).open('models', sys.argv[2])); print('held', flush=True); "
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(store.home), model.version]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as page:
        assert page.stdout is not None
        assert page.stdout.readline() == "held\n"
        tidy(store, ONE)
        assert model.version in left(store, "models")
        assert days[1]["crops"].version in left(store, "crops")
        page.kill()
    tidy(store, ONE)
    assert model.version not in left(store, "models")


def test_a_pin_lives_as_long_as_the_artifact_object(store: Store, days: list[dict[str, Artifact]]) -> None:
    held = hold(store.open("models", days[1]["models"].version))
    tidy(store, ONE)
    assert held.folder.is_dir()
    folder = held.folder
    del held
    tidy(store, ONE)
    assert not folder.exists()


def test_letting_a_pin_go_twice_does_not_hurt(store: Store, days: list[dict[str, Artifact]]) -> None:
    pin = Pin(days[0]["models"])
    pin.let_go()
    pin.let_go()
    tidy(store, ONE)
    assert days[0]["models"].version not in left(store, "models")


def test_a_page_that_still_shows_an_older_model_keeps_it(store: Store) -> None:
    first, second, third = (models.publish_model(store, seed) for seed in range(3))
    models.release(store, first)
    watcher = ModelWatcher(store)
    assert watcher.look().model is not None
    release_by_hand(store, second.version)
    release_by_hand(store, third.version)
    tidy(store, ONE)
    assert left(store, "models") == {first.version, third.version}
    watcher.look()  # it moves on
    tidy(store, ONE)
    assert left(store, "models") == {third.version}


def test_abandoned_states_of_training_go_after_a_while_and_fresh_ones_stay(store: Store) -> None:
    old, fresh = store.work("models", "old"), store.work("models", "fresh")
    for folder in (old, fresh):
        (folder / "state.safetensors").write_bytes(b"state")
    long_ago = time.time() - 15 * 86_400
    for path in (old / "state.safetensors", old):
        os.utime(path, (long_ago, long_ago))
    tidy(store, RetentionConfig())
    assert not old.exists()
    assert fresh.exists()


def test_a_month_of_retraining_stays_within_its_bound(store: Store) -> None:
    """Thirty days, each a new model, every third of them released; the disk holds what the setting says."""
    photos = make(store, "photos", "photos")
    detector = make(store, "detector", "detector", boxes=make(store, "boxes", "boxes"))
    config = RetentionConfig(keep_models=4, keep_releases=2)
    for day in range(30):
        made = month_day(store, day, photos, detector)
        if day % 3 == 0:
            store.release(made["models"], made["reference"])
        tidy(store, config)
        release = store.released()
        assert release is not None
        store.open("models", release.model)
        store.open("reference", release.reference)
        assert len(left(store, "models")) <= 4 + 2
        assert len(left(store, "crops")) <= 4 + 2
    assert not list((store.home / "work").glob("removed-*"))


def test_a_store_that_is_not_there_yet_has_nothing_to_remove(tmp_path: Path) -> None:
    assert tidy(Store(tmp_path / "none"), ONE) == []
