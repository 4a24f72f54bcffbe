"""Stage "models": a trained DCGAN with its samples, metrics and card."""

from __future__ import annotations

from pathlib import Path

from palm_assets.errors import HeldOutError
from palm_assets.gan.config import GanConfig
from palm_assets.gan.people_record import HeldOutOverlap, population_of, read_people
from palm_assets.stages.crops import split_people
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
        HeldOutError: the model to start from was trained on people who are held out in these crops; see
            `GanConfig.allow_leak`.
        DatasetError: these crops cannot be trained on with this config.
        TrainingStoppedError: stopped early; the state is saved.
        TrainingDivergedError: see `palm_assets.gan.training_loop`.
    """
    inputs = {"crops": crops.version}
    start = open_start_model(store, config.start)
    if start is not None:
        inputs["start"] = start.version
        overlap = held_out_overlap(start, crops)
        if overlap.people and not config.allow_leak:
            raise HeldOutError(
                f"Model {start.version} was trained on {overlap.people} of the people who are held out here",
                where=crops.folder,
                hint="Set `start: scratch`, or the `seed` and shares of the crops it was trained on. If they "
                "are other people of the same names, or if metrics that are too good are no harm: "
                "`allow_leak: true`.",
            )
    plain = GanConfig(**config.model_dump())  # Dagster's config type is a subclass with other fields

    def job(folder: Path, work: Path) -> ModelJob:
        return ModelJob(home=store.home, inputs=inputs, config=plain, folder=folder, work=work)

    return make_by_training(store, "models", job, inputs=inputs, config=plain, run=run)


def held_out_overlap(model: Artifact, crops: Artifact) -> HeldOutOverlap:
    """Whom of the people held out in these crops a model was trained on.

    Raises:
        CheckpointError: the model's record is damaged.
    """
    return read_people(model.folder).overlap(split_people(crops).held_out, population_of(crops.facts))
