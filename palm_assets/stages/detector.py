"""Stage "detector": the palm detector, trained and measured on its test split."""

from __future__ import annotations

from pathlib import Path

from palm_assets.detector.config import DetectorConfig
from palm_assets.detector.starting_weights import identify_start
from palm_assets.stages.training import Runner, make_by_training, run_in_this_process
from palm_assets.stages.training_job import DetectorJob
from palm_assets.store.artifacts import Artifact, Store


def make_detector(
    store: Store, boxes: Artifact, config: DetectorConfig, *, run: Runner = run_in_this_process
) -> Artifact:
    """Train the palm detector.

    Raises:
        DetectorError: the labeled images cannot be trained on, or the starting weights are not there.
        DatasetError: the labeled images changed after they were read.
        TrainingStoppedError: stopped early; the state is saved.
    """
    inputs = {"boxes": boxes.version, "start": identify_start(config.start)}
    plain = DetectorConfig(**config.model_dump())  # Dagster's config type is a subclass with other fields

    def job(folder: Path, work: Path) -> DetectorJob:
        return DetectorJob(home=store.home, inputs=inputs, config=plain, folder=folder, work=work)

    return make_by_training(store, "detector", job, inputs=inputs, config=plain, run=run)
