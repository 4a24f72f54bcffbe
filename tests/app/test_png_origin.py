from __future__ import annotations

import time

import pytest

from app.views.png_origin import _failure_text
from app.work.jobs import Job
from app.work.png_origin import verification_job
from palm_assets.errors import ProvenanceError
from palm_assets.generation.generate import GeneratedImage
from palm_assets.generation.png_metadata import encode_png, png_bytes
from palm_assets.generation.verification import Verification
from tests.provenance.test_watermark import rough


def run(content: bytes) -> Job[Verification]:
    job = Job("visitor", verification_job(content), time.monotonic)
    while not job.is_over:
        job._run_slice(60)
    return job


@pytest.mark.parametrize(
    ("content", "conclusion"),
    [
        (png_bytes(GeneratedImage(3, 7, rough(), 0.5), "0123abcd"), "own"),
        (encode_png(rough(seed=5)), "nothing"),
    ],
    ids=["own", "nothing"],  # not the bytes: each process signs with a time of its own
)
def test_the_check_of_a_file(content: bytes, conclusion: str) -> None:
    result = run(content).result
    assert result is not None
    assert result.conclusion == conclusion


def test_a_file_that_is_no_image_has_a_text_of_its_own() -> None:
    job = run(b"hello")
    assert job.state == "failed"
    assert isinstance(job.error, ProvenanceError)
    assert _failure_text(job.error) == "origin_unreadable"
