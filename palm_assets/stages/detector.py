"""Stage "detector": the palm detector, trained and measured on its test split."""

from __future__ import annotations

from pathlib import Path

from palm_assets.detector.config import DetectorConfig
from palm_assets.stages.training import Runner, make_by_training, run_in_this_process
from palm_assets.stages.training_job import DetectorJob
from palm_assets.store.artifacts import Artifact, Store


def make_detector(
    store: Store, boxes: Artifact, config: DetectorConfig, *, run: Runner = run_in_this_process
) -> Artifact:
    """Train the palm detector.

    Raises:
        DetectorError: the labeled images cannot be trained on.
        TrainingStoppedError: stopped early; the state is saved.
    """
    inputs = {"boxes": boxes.version}
    plain = DetectorConfig(**config.model_dump())  # Dagster's config type is a subclass with other fields

    def job(folder: Path, work: Path) -> DetectorJob:
        return DetectorJob(home=store.home, inputs=inputs, config=plain, folder=folder, work=work)

    return make_by_training(store, "detector", job, inputs=inputs, config=plain, run=run)
