"""The background job that generates a set."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.work.jobs import Job, JobFunction, Steps
from app.work.palm_sets import Entry, PalmSet, SetCache
from palm_assets.generation.archives import PalmArchive
from palm_assets.generation.generate import GenerationRequest, GenerationStats, generate_chunks

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

PREVIEW_COUNT = 8


@dataclass
class Preview:
    """The latest few palms of a set that is being generated, as PNG."""

    pngs: tuple[bytes, ...] = ()


def generation_job(
    model: PalmModel, request: GenerationRequest, cache: SetCache, preview: Preview
) -> JobFunction[PalmSet]:
    """Generate a set, put it into the cache, and keep the preview up to date meanwhile."""

    def work(job: Job[PalmSet]) -> Steps[PalmSet]:
        stream, stats, entries = io.BytesIO(), GenerationStats(), []
        with PalmArchive(stream, model) as archive:
            for images in generate_chunks(model, request, should_stop=lambda: job.cancelled, stats=stats):
                for image in images:
                    png = archive.add(image)
                    preview.pngs = (*preview.pngs, png)[-PREVIEW_COUNT:]
                    entries.append(Entry(image.number, image.index, image.file_name, image.score))
                yield len(entries), request.count
        palms = PalmSet(request, model, entries, stats, stream.getvalue())
        palms.seconds = job.seconds
        cache.add(palms)
        return palms

    return work
