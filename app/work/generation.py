"""The background job that generates a set, and the sets that visitors see first."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.work.jobs import Job, JobFunction, Steps
from app.work.palm_sets import Entry, PalmSet, SetCache
from app.work.set_files import SetFile
from palm_assets.generation.archives import PalmArchive
from palm_assets.generation.config import ATTEMPTS_PER_IMAGE, MAX_COUNT
from palm_assets.generation.generate import GenerationRequest, GenerationStats, generate_chunks
from palm_assets.progress import ShouldStop, never

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

PREVIEW_COUNT = 8
MAX_CANDIDATES = MAX_COUNT * ATTEMPTS_PER_IMAGE  # the highest index that a PNG can name
EXAMPLES = GenerationRequest(12, 50)
MAX_EXAMPLE_SETS = 6


@dataclass
class Preview:
    """What is known of a set that is being generated.

    Attributes:
        pngs: the latest few palms.
        tried: number of candidates so far, those with too low a score included.
    """

    pngs: tuple[bytes, ...] = ()
    tried: int = 0


def generation_job(
    model: PalmModel, request: GenerationRequest, cache: SetCache, preview: Preview
) -> JobFunction[PalmSet]:
    """Generate a set, put it into the cache, and keep the preview up to date meanwhile."""

    def work(job: Job[PalmSet]) -> Steps[PalmSet]:
        file = cache.new_file(job.visitor)
        steps = generate_set(model, request, preview, file, should_stop=lambda: job.cancelled)
        palms = yield from _within(cache, file, steps)
        if palms is None:
            return None
        palms.seconds = job.seconds
        cache.add(palms)
        return palms

    return work


def _within(cache: SetCache, file: SetFile, steps: Steps[PalmSet]) -> Steps[PalmSet]:
    """The same steps, with room made for the file after each; if they fail, the file is closed."""
    try:
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                palms: PalmSet = end.value
                return palms
            cache.make_room(file)
            yield progress
    except BaseException:
        # The error of the job holds the file, which would take its space until the visitor has seen it.
        with contextlib.suppress(OSError):
            steps.close()
        file.close()
        raise


def generate_set(
    model: PalmModel,
    request: GenerationRequest,
    preview: Preview,
    file: SetFile,
    *,
    should_stop: ShouldStop = never,
) -> Steps[PalmSet]:
    """Generate a set into a file, step by step: with a minimum score until it is full, or `should_stop`."""
    stats, entries = GenerationStats(), []
    with PalmArchive(file.stream, model) as archive:
        most = None if request.min_score is None else MAX_CANDIDATES
        for images in generate_chunks(
            model, request, should_stop=should_stop, stats=stats, max_candidates=most
        ):
            for image in images:
                png = archive.add(image)
                preview.pngs = (*preview.pngs, png)[-PREVIEW_COUNT:]
                entries.append(Entry(image.number, image.index, image.file_name, image.score))
            preview.tried = stats.candidates
            yield len(entries), request.count
    file.stream.flush()
    return PalmSet(request, model, entries, stats, file)


class ExampleSets:
    """The palms that a visitor sees first: generated once for each model, and kept for the last few."""

    def __init__(self) -> None:
        self._sets: dict[str, PalmSet] = {}
        self._lock = threading.Lock()

    def of(self, model: PalmModel) -> PalmSet:
        """The examples of a model; takes about a second at first."""
        with self._lock:
            palms = self._sets.pop(model.version, None)
            if palms is None:
                steps = generate_set(model, EXAMPLES, Preview(), SetFile())
                try:
                    while True:
                        next(steps)
                except StopIteration as end:
                    palms = end.value
            self._sets[model.version] = palms  # the last used one last
            while len(self._sets) > MAX_EXAMPLE_SETS:
                del self._sets[next(iter(self._sets))]
            return palms
