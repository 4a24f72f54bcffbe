"""Stage "models": a trained DCGAN with its samples, metrics and card."""

from __future__ import annotations

from pathlib import Path

from palm_assets.gan.config import GanConfig
from palm_assets.stages.start_model import open_start_model
from palm_assets.stages.training import Runner, make_by_training, run_in_this_process
from palm_assets.stages.training_job import ModelJob
from palm_assets.store.artifacts import Artifact, Store


def make_model(
    store: Store, crops: Artifact, config: GanConfig, *, run: Runner = run_in_this_process
) -> Artifact:
    """Train a DCGAN on crops.

    Raises:
        ArtifactMissingError: there is no model of the version that `config.start` names.
        DatasetError: these crops cannot be trained on with this config.
        TrainingStoppedError: stopped early; the state is saved.
        TrainingDivergedError: see `palm_assets.gan.training_loop`.
    """
    inputs = {"crops": crops.version}
    start = open_start_model(store, config.start)
    if start is not None:
        inputs["start"] = start.version
    plain = GanConfig(**config.model_dump())  # Dagster's config type is a subclass with other fields

    def job(folder: Path, work: Path) -> ModelJob:
        return ModelJob(home=store.home, inputs=inputs, config=plain, folder=folder, work=work)

    return make_by_training(store, "models", job, inputs=inputs, config=plain, run=run)
