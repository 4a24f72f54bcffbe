"""Artifacts that are made by a training job, in this process or another."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.stages.training_job import TrainingJob, run_job
from palm_assets.stages.unfinished_training import describe_training
from palm_assets.store.artifacts import Artifact, Kind, Store
from palm_assets.store.identity import version_of

Runner = Callable[[TrainingJob], dict[str, Any]]
"""Runs a training job and returns its facts; it may use another process."""


def run_in_this_process(job: TrainingJob) -> dict[str, Any]:
    """Run a job here, with log lines on standard error."""
    return run_job(job, log=lambda line: print(line, file=sys.stderr))


def make_by_training(
    store: Store,
    kind: Kind,
    job: Callable[[Path, Path], TrainingJob],
    *,
    inputs: dict[str, str],
    config: BaseModel,
    run: Runner,
) -> Artifact:
    """Make an artifact by a training job, whose resumable state is kept in a work folder of the store.

    One training at a time uses the machine: others wait. The state is removed once the artifact is published:
    whatever is killed before, nothing is trained twice.

    Args:
        store: to publish into.
        kind: of the artifact.
        job: the job for a folder to fill and a work folder.
        inputs: versions of what it trains on.
        config: of the training.
        run: runs the job.
    """
    code_version = CODE_VERSIONS[kind]
    version = version_of(kind, inputs, config, code_version)

    def build(folder: Path) -> Mapping[str, Any]:
        # Not a pool of Dagster: where no daemon runs, nobody frees the slot of a run that was killed.
        with store.lock("training"):
            work = store.work_folder(kind, version)
            with store.writing():
                describe_training(work, inputs, config)
            return run(job(folder, work))

    made = store.make(kind, build, inputs=inputs, config=config, code_version=code_version)
    store.remove_work_folder(kind, version)
    return made
