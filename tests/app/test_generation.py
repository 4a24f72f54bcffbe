from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from app.work.generation import MAX_EXAMPLE_SETS, ExampleSets, Preview, generation_job
from app.work.jobs import Job, JobQueue
from app.work.palm_sets import PalmSet, SetCache
from palm_assets.errors import DiskFullError
from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.generation.archives import zip_into
from palm_assets.generation.generate import GenerationRequest, generate
from palm_assets.store.artifacts import Artifact
from tests.helpers import unsigned_zip

Publish = Callable[..., Artifact]


def generated_set(model: PalmModel, request: GenerationRequest, cache: SetCache | None = None) -> PalmSet:
    preview = Preview()
    job = JobQueue().submit("a", generation_job(model, request, cache or SetCache(), preview))
    until = time.monotonic() + 30
    while not job.is_over and time.monotonic() < until:
        time.sleep(0.005)
    assert job.result is not None
    return job.result


def test_the_zip_of_the_page_is_the_one_that_palms_generate_writes(model: PalmModel) -> None:
    expected = io.BytesIO()
    zip_into(expected, generate(model, GenerationRequest(20, 7)), model)
    made = generated_set(model, GenerationRequest(20, 7)).archive
    assert unsigned_zip(made or b"") == unsigned_zip(expected.getvalue())


def test_a_single_png_is_the_one_in_the_zip(model: PalmModel) -> None:
    palms = generated_set(model, GenerationRequest(20, 7))
    entry = palms.entries[5]
    with zipfile.ZipFile(io.BytesIO(palms.archive)) as archive:
        assert palms.png(entry) == archive.read("palm_000006.png")
    assert (entry.number, entry.index) == (6, 5)


def test_a_set_that_does_not_fit_gives_its_space_back_while_its_error_is_still_shown(
    model: PalmModel,
) -> None:
    cache = SetCache(max_bytes=1000)
    job: Job[PalmSet] = Job(
        "a", generation_job(model, GenerationRequest(200, 7), cache, Preview()), time.monotonic
    )
    while not job.is_over:
        job._run_slice(10)
    assert isinstance(job.error, DiskFullError)
    assert cache.size == 0


def test_a_cancelled_set_is_a_whole_archive_of_what_is_done(model: PalmModel) -> None:
    preview, cache = Preview(), SetCache()
    job: Job[PalmSet] = Job(
        "a", generation_job(model, GenerationRequest(1000, 7), cache, preview), time.monotonic
    )
    job._run_slice(0.0001)
    job._cancel.set()
    job._run_slice(10)
    assert job.state == "cancelled"
    assert job.result is not None
    names = zipfile.ZipFile(io.BytesIO(job.result.archive)).namelist()
    assert len(names) == len(job.result.entries) + 1
    assert 0 < len(job.result.entries) < 1000
    assert job.result.stats.outcome == "stopped"


def test_a_preview_shows_the_latest_few(model: PalmModel) -> None:
    preview = Preview()
    work = generation_job(model, GenerationRequest(20, 7), SetCache(), preview)
    next(work(Job("a", work, time.monotonic)))
    assert len(preview.pngs) == 8
    assert all(png.startswith(b"\x89PNG") for png in preview.pngs)


def test_a_minimum_score_goes_on_until_the_set_is_full(model: PalmModel) -> None:
    scores = model.scores(model.sample(400, seed=7))
    threshold = float(sorted(scores)[-4])  # four of the first 400 reach it
    request = GenerationRequest(2, 7, min_score=threshold)
    assert len(list(generate(model, replace(request, count=1)))) <= 1  # `generate` gives up after 20
    palms = generated_set(model, request)
    expected = [index for index, score in enumerate(scores) if score >= threshold][:2]
    assert [entry.index for entry in palms.entries] == expected
    assert palms.stats.outcome == "complete"


def test_a_minimum_score_that_nobody_reaches_ends_when_the_visitor_stops(
    model: PalmModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    preview = Preview()
    monkeypatch.setattr(type(model), "scores", lambda self, images, *_: np.zeros(len(images), np.float32))
    work = generation_job(model, GenerationRequest(2, 7, min_score=0.5), SetCache(), preview)
    job: Job[PalmSet] = Job("a", work, time.monotonic)
    for _ in range(5):
        job._run_slice(1e-6)
    assert (job.done, preview.tried) == (0, 5 * model.chunk)  # more than 20 for each palm
    job._cancel.set()
    job._run_slice(10)
    assert job.result is not None
    assert (job.result.entries, job.result.stats.outcome) == ((), "stopped")


def test_examples_are_generated_once_for_each_model(model: PalmModel, publish_model: Publish) -> None:
    examples = ExampleSets()
    palms = examples.of(model)
    assert [entry.number for entry in palms.entries] == list(range(1, 13))
    assert examples.of(model) is palms
    for seed in range(1, MAX_EXAMPLE_SETS + 1):
        artifact = publish_model(seed)
        examples.of(load_model(artifact.folder, artifact.version))
    assert examples.of(model) is not palms  # those of the model that was used least recently are let go
    assert unsigned_zip(examples.of(model).archive) == unsigned_zip(palms.archive)
