"""The background job that checks the signature and the watermark of a visitor's file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from app.work.jobs import Job, JobFunction, Steps

if TYPE_CHECKING:
    from palm_assets.generation.verification import Verification

MAX_MEGABYTES = 1  # of a file: our own have a tenth of that
MAX_BYTES = MAX_MEGABYTES * 2**20
MAX_MEGAPIXELS = 8.0  # the watermark is not looked for in larger images: decoding takes one slice of a job


def verification_job(content: bytes) -> JobFunction[Verification]:
    """Verify a file in memory; nothing of it is kept but the result.

    The job fails with a `ProvenanceError` if the file is no image.
    """

    def work(job: Job[Verification]) -> Steps[Verification]:
        from palm_assets.generation.verification import verify  # brings SciPy and OpenCV

        yield 0, 1
        return verify(io.BytesIO(content), "the file", max_megapixels=MAX_MEGAPIXELS)

    return work
