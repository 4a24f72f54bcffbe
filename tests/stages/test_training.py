"""What a training learned is not lost between its last word and its publication."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from palm_assets.gan.config import GanConfig
from palm_assets.stages.training import make_by_training
from palm_assets.stages.training_job import ModelJob, TrainingJob
from palm_assets.store import artifacts
from palm_assets.store.artifacts import Artifact, Store

INPUTS = {"crops": "1"}


def train(store: Store, trained: list[str]) -> Artifact:
    """A training of a second, which leaves its state as a real one does."""

    def run(job: TrainingJob) -> dict[str, Any]:
        state = job.work / "state.safetensors"
        if not state.is_file():
            trained.append("trained")
            state.write_text("all of it")
        (job.folder / "weights").write_text(state.read_text())
        return {"kimg": 1}

    def job(folder: Path, work: Path) -> ModelJob:
        return ModelJob(home=store.home, inputs=INPUTS, config=GanConfig(), folder=folder, work=work)

    return make_by_training(store, "models", job, inputs=INPUTS, config=GanConfig(), run=run)


def states(store: Store) -> list[Path]:
    return list(store.home.glob("work/models-*/state.safetensors"))


@pytest.mark.parametrize("at", ["records_of", "_publish"])
def test_a_death_before_the_publication_leaves_the_state(
    store: Store, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    trained: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(artifacts, at, die)
        with pytest.raises(KeyboardInterrupt):
            train(store, trained)
    assert len(states(store)) == 1
    assert store.versions("models") == []
    made = train(store, trained)
    assert (made.folder / "weights").read_text() == "all of it"
    assert trained == ["trained"]
    assert states(store) == []


def test_a_state_that_outlived_its_publication_is_removed_by_the_next_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(Store, "remove_work_folder", lambda *_: os.getpid())
        train(store, trained)
    assert len(states(store)) == 1
    assert train(store, trained).reused
    assert states(store) == []
    assert list(store.home.glob("work/removed-*")) == []


def test_a_state_that_cannot_be_removed_does_not_undo_the_publication(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(artifacts, "remove_folder", refuse)
    made = train(store, [])
    assert store.versions("models") == [made.version]
