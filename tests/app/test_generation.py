from __future__ import annotations

import io
import time
import zipfile

from app.work.generation import Preview, generation_job
from app.work.jobs import Job, JobQueue
from app.work.palm_sets import PalmSet, SetCache
from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.archives import zip_into
from palm_assets.generation.generate import GenerationRequest, generate


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
    assert generated_set(model, GenerationRequest(20, 7)).archive == expected.getvalue()


def test_a_single_png_is_the_one_in_the_zip(model: PalmModel) -> None:
    palms = generated_set(model, GenerationRequest(20, 7))
    entry = palms.entries[5]
    with zipfile.ZipFile(io.BytesIO(palms.archive or b"")) as archive:
        assert palms.png(entry) == archive.read("palm_000006.png")
    assert (entry.number, entry.index) == (6, 5)


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
    names = zipfile.ZipFile(io.BytesIO(job.result.archive or b"")).namelist()
    assert len(names) == len(job.result.entries) + 1
    assert 0 < len(job.result.entries) < 1000
    assert job.result.stats.outcome == "stopped"


def test_a_preview_shows_the_latest_few(model: PalmModel) -> None:
    preview = Preview()
    work = generation_job(model, GenerationRequest(20, 7), SetCache(), preview)
    next(work(Job("a", work, time.monotonic)))
    assert len(preview.pngs) == 8
    assert all(png.startswith(b"\x89PNG") for png in preview.pngs)


def test_a_minimum_score_that_nobody_reaches_gives_an_empty_set_that_says_so(model: PalmModel) -> None:
    palms = generated_set(model, GenerationRequest(2, 7, min_score=1.0))
    assert palms.entries == ()
    assert palms.stats.outcome == "gave up"
