"""Training jobs and their outcomes on the way between two processes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from palm_assets.detector.config import DetectorConfig
from palm_assets.errors import DatasetError, PalmError, TrainingStoppedError
from palm_assets.gan.config import GanConfig
from palm_assets.stages.training_job import TRAINING_JOB, DetectorJob, JobOutcome, ModelJob, TrainingJob

PLACE = {"home": Path("/home"), "folder": Path("/folder"), "work": Path("/work")}
JOBS: list[TrainingJob] = [
    DetectorJob(inputs={"boxes": "abc"}, config=DetectorConfig(epochs=3), **PLACE),
    ModelJob(inputs={"crops": "abc", "start": "def"}, config=GanConfig(seed=5), **PLACE),
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.kind)
def test_a_job_survives_the_way_to_another_process(job: TrainingJob) -> None:
    assert TRAINING_JOB.validate_python(job.model_dump(mode="json")) == job
    with pytest.raises(ValidationError, match="frozen"):
        job.work = Path("/elsewhere")  # type: ignore[misc]


def test_a_job_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="surprise"):
        TRAINING_JOB.validate_python({**JOBS[0].model_dump(mode="json"), "surprise": 1})


def returned(outcome: JobOutcome) -> JobOutcome:
    return JobOutcome.model_validate_json(outcome.model_dump_json())


def test_facts_survive_the_way_back() -> None:
    facts = {"kimg": 1.5, "auc": np.float64(0.5), "nested": {"n": [1, 2]}, "text": "a", "none": None}
    assert returned(JobOutcome(facts=facts)).facts_or_raise() == facts
    assert np.isnan(returned(JobOutcome(facts={"auc": float("nan")})).facts_or_raise()["auc"])


@pytest.mark.parametrize("error_type", [DatasetError, TrainingStoppedError, PalmError])
def test_an_error_survives_the_way_back_with_its_type(error_type: type[PalmError]) -> None:
    error = error_type("It failed", where="/place", hint="Repair it.")
    with pytest.raises(PalmError) as raised:
        returned(JobOutcome.of_error(error)).facts_or_raise()
    assert type(raised.value) is error_type
    assert str(raised.value) == str(error)


def test_an_error_about_a_path_that_is_not_utf_8_survives_the_way_back() -> None:
    strange = os.fsdecode(b"/home/\xd0\xff/boxes")
    with pytest.raises(DatasetError, match=r"/home/\\udcd0\\udcff/boxes"):
        returned(
            JobOutcome.of_error(DatasetError(f"{strange} failed", where=strange, hint="Move it."))
        ).facts_or_raise()
