"""One training at a time, whatever is killed; and the model that a training starts from."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from palm_assets.errors import ArtifactMissingError
from palm_assets.gan.config import GanConfig
from palm_assets.stages import start_model
from palm_assets.stages.model import make_model
from palm_assets.stages.training_job import TrainingJob
from palm_assets.store.artifacts import Artifact, Store
from tests.crops.published_crops import publish_crops_of, split
from tests.models import publish_model

LOCK_TRAINING = """
import sys, time
from pathlib import Path
from palm_assets.store.artifacts import Store
with Store(Path(sys.argv[1])).lock("training"):
    print("locked", flush=True)
    time.sleep(60)
"""


def crops(store: Store) -> Artifact:
    return publish_crops_of(store, split("abcd", "vw", "st"))


def training(store: Store) -> tuple[threading.Thread, threading.Event]:
    started = threading.Event()

    def run(job: TrainingJob) -> dict[str, Any]:
        started.set()
        return {}

    made = crops(store)
    return threading.Thread(target=lambda: make_model(store, made, GanConfig(), run=run)), started


def test_a_training_waits_while_another_one_runs(store: Store) -> None:
    thread, started = training(store)
    with store.lock("training"):
        thread.start()
        assert not started.wait(0.5)
    assert started.wait(10)
    thread.join()
    assert store.versions("models")


def test_a_killed_training_does_not_block_others(store: Store) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", LOCK_TRAINING, str(store.home)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    thread, started = training(store)
    thread.start()
    assert not started.wait(0.5)
    other.kill()
    other.wait()
    assert started.wait(10)
    thread.join()


def trained(store: Store, start: str) -> Artifact:
    return make_model(store, crops(store), GanConfig(start=start), run=lambda job: {})


def test_the_model_that_a_training_starts_from_is_one_of_its_inputs(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, starter = publish_model(store), publish_model(store, 9)
    monkeypatch.setattr(start_model, "STARTER", starter.folder)
    assert "start" not in trained(store, "scratch").manifest.inputs
    assert trained(store, older.version).manifest.inputs["start"] == older.version
    assert trained(store, "starter").manifest.inputs["start"] == starter.version


@pytest.mark.parametrize("start", ["0123456789ab", "starter", "hands"])
def test_a_training_from_a_missing_model_is_refused_before_it_starts(
    store: Store, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    monkeypatch.setattr(start_model, "STARTER", store.home / "no starter")
    with pytest.raises(ArtifactMissingError):
        trained(store, start)
    assert not store.versions("models")
