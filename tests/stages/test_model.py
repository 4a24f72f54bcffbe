"""Trainings take turns, no turn is lost to a process that died, and what one starts from is written down."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from palm_assets.crops.config import CropConfig
from palm_assets.errors import ArtifactMissingError
from palm_assets.gan.config import GanConfig
from palm_assets.stages import make as stages
from palm_assets.stages import open_artifacts as opening
from palm_assets.store.artifacts import Artifact, Store
from tests.models import publish_model

HOLD = """
import sys, time
from pathlib import Path
from palm_assets.store.artifacts import Store
with Store(Path(sys.argv[1])).lock("training"):
    print("mine", flush=True)
    time.sleep(60)
"""


def crops(store: Store) -> Artifact:
    return store.make("crops", lambda folder: {}, inputs={}, config=CropConfig(), code_version="1")


def training(store: Store) -> tuple[threading.Thread, threading.Event]:
    began = threading.Event()

    def run(job: dict[str, Any]) -> dict[str, Any]:
        began.set()
        return {}

    made = crops(store)
    return threading.Thread(target=lambda: stages.make_model(store, made, GanConfig(), run=run)), began


def test_a_training_waits_while_another_one_uses_the_machine(store: Store) -> None:
    thread, began = training(store)
    with store.lock("training"):
        thread.start()
        assert not began.wait(0.5)
    assert began.wait(10)
    thread.join()
    assert store.versions("models")


def test_a_training_killed_without_warning_keeps_nobody_waiting(store: Store) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store.home)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "mine\n"
    thread, began = training(store)
    thread.start()
    assert not began.wait(0.5)
    other.kill()
    other.wait()
    assert began.wait(10)
    thread.join()


def trained(store: Store, start: str) -> Artifact:
    return stages.make_model(store, crops(store), GanConfig(start=start), run=lambda job: {})


def test_the_model_that_a_training_starts_from_is_one_of_its_inputs(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, starter = publish_model(store), publish_model(store, 9)
    monkeypatch.setattr(opening, "STARTER", starter.folder)
    assert "start" not in trained(store, "scratch").manifest.inputs
    assert trained(store, older.version).manifest.inputs["start"] == older.version
    assert trained(store, "starter").manifest.inputs["start"] == starter.version


@pytest.mark.parametrize("start", ["0123456789ab", "starter"])
def test_a_training_from_a_model_that_is_not_there_is_refused_before_it_begins(
    store: Store, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    monkeypatch.setattr(opening, "STARTER", store.home / "no starter")
    with pytest.raises(ArtifactMissingError):
        trained(store, start)
    assert not store.versions("models")
