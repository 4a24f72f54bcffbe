"""Stage "detector": the palm detector, trained and measured on its test split; or the starter's."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palm_assets.detector.config import DetectorConfig
from palm_assets.detector.starting_weights import identify_start
from palm_assets.errors import ArtifactMissingError, DatasetError
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.stages.training import Runner, make_by_training, run_in_this_process
from palm_assets.stages.training_job import DetectorJob
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.starter import STARTER, find_starter_detector


def make_detector(
    store: Store, boxes: Artifact, config: DetectorConfig, *, run: Runner = run_in_this_process
) -> Artifact:
    """Train the palm detector, or publish the starter's.

    Raises:
        DetectorError: the labeled images cannot be trained on, or the starting weights are not there.
        DatasetError: there are no labeled images, or they changed after they were read.
        ArtifactMissingError: the starter's detector is asked for, and there is none.
        TrainingStoppedError: stopped early; the state is saved.
    """
    plain = DetectorConfig(**config.model_dump())  # Dagster's config type is a subclass with other fields
    if config.start == "starter":
        return _of_starter(store, boxes, plain)
    if boxes.facts.get("source") == "none":
        raise DatasetError(
            "There are no labeled palms to train a detector on",
            where=boxes.folder,
            hint="Set `start: starter` of palm_detector, or another `source` of raw_palm_boxes.",
        )
    inputs = {"boxes": boxes.version, "start": identify_start(config.start)}

    def job(folder: Path, work: Path) -> DetectorJob:
        return DetectorJob(home=store.home, inputs=inputs, config=plain, folder=folder, work=work)

    return make_by_training(store, "detector", job, inputs=inputs, config=plain, run=run)


def open_starter_detector() -> Artifact:
    """The palm detector that comes with the program.

    Raises:
        ArtifactMissingError: there is none.
        ArtifactCorruptError: it is damaged.
    """
    found = find_starter_detector(STARTER)
    if found is None:
        raise ArtifactMissingError(
            "This copy of the program has no palm detector",
            where=STARTER,
            hint="Train one on labeled palms: `start: yolo11n.yaml`.",
        )
    return found


def _of_starter(store: Store, boxes: Artifact, config: DetectorConfig) -> Artifact:
    starter = open_starter_detector()

    def build(folder: Path) -> Mapping[str, Any]:
        for name in starter.manifest.files:
            shutil.copy(starter.folder / name, folder / name)
        return starter.facts

    inputs = {"boxes": boxes.version, "start": starter.version}
    return store.make("detector", build, inputs=inputs, config=config, code_version=CODE_VERSIONS["detector"])
