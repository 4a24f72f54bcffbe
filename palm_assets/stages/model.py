"""Stage "models": a trained DCGAN with its samples, metrics and card."""

from __future__ import annotations

import contextlib
from pathlib import Path

from palm_assets.errors import ArtifactError, HeldOutError
from palm_assets.gan.config import GanConfig
from palm_assets.gan.people_record import HeldOutOverlap, population_of, read_people
from palm_assets.photos.index import people_by_photograph
from palm_assets.stages.crops import split_people
from palm_assets.stages.start_model import open_start_model
from palm_assets.stages.training import Runner, make_by_training, run_in_this_process
from palm_assets.stages.training_job import ModelJob
from palm_assets.store.artifacts import Artifact, Manifest, Store


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
        overlap = held_out_overlap(store, start, crops)
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


def held_out_overlap(store: Store, model: Artifact, crops: Artifact) -> HeldOutOverlap:
    """Whom of the people held out in these crops a model was trained on, by name or by photograph.

    The record of the model has names. A renamed folder is found by its photographs, if those that the model,
    or one that its training started from, was trained on are still in the store.

    Raises:
        CheckpointError: the model's record is damaged.
    """
    record, held_out = read_people(model.folder), split_people(crops).held_out
    found = record.known_among(held_out, population_of(crops.facts))
    trained_on = _photographs_trained_on(store, model.manifest, without=crops.version)
    if trained_on:
        people = _people_by_photograph(store, crops)
        found |= {people[digest] for digest in trained_on & people.keys()} & held_out
    return HeldOutOverlap(len(found), not record.complete)


def _photographs_trained_on(store: Store, model: Manifest | None, without: str) -> set[str]:
    """Digests of the photographs that a model and those before it were trained on, but for one set of crops.

    In one set, no two people have the same photograph: the index sets copies aside.
    """
    found: set[str] = set()
    seen: set[str] = set()
    while model is not None and model.version not in seen:
        seen.add(model.version)
        start, trained_on, model = model.inputs.get("start"), model.inputs.get("crops"), None
        with contextlib.suppress(ArtifactError):  # of a model that was imported, or whose data is gone
            if trained_on is not None and trained_on != without:
                crops = store.open("crops", trained_on)
                train = split_people(crops).train
                people = _people_by_photograph(store, crops)
                found |= {digest for digest, person in people.items() if person in train}
        with contextlib.suppress(ArtifactError):
            model = None if start is None else store.manifest("models", start)
    return found


def _people_by_photograph(store: Store, crops: Artifact) -> dict[str, str]:
    folder = store.home / "photos" / crops.manifest.inputs.get("photos", "")
    return people_by_photograph(folder)
