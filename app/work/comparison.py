"""The background job that compares a set with real palms."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.work.jobs import Job, JobFunction, Steps
from app.work.palm_sets import Entry, PalmSet
from app.work.reference import NearestPalm, ReferenceCache, decode_png
from palm_assets.generation.generate import GenerationRequest

if TYPE_CHECKING:
    from palm_assets.quality.set_metrics import SetMetrics

MIN_COUNT = 2


@dataclass(frozen=True, eq=False)
class Comparison:
    """Metrics of one set, beside those of real palms.

    Attributes:
        metrics: of the set, with those of held-out real palms.
        reference: version of the reference.
        crops: version of the real palms.
        floor_counts: numbers of images for which real palms were measured.
        compared: number of real palms that the nearest one was searched among.
        request: what the set was generated with.
        rejected: candidates discarded for their score.
        model: version of the model of the set.
        is_synthetic: whether the reference describes synthetic hands instead of real palms.
        people_are_new: whether it is on record that the model was not trained on the people held out.
    """

    metrics: SetMetrics
    reference: str
    crops: str
    floor_counts: tuple[int, ...]
    compared: int
    request: GenerationRequest
    rejected: int
    model: str = ""
    is_synthetic: bool = False
    people_are_new: bool = False

    def nearest(self, place: int) -> NearestPalm:
        """The real palm nearest to the one at this place among the entries of the set."""
        return NearestPalm(int(self.metrics.nearest[place]), self.compared, self.metrics.extractor)


def comparison_job(palms: PalmSet, references: ReferenceCache) -> JobFunction[Comparison]:
    """Evaluate a set against the reference of its model, with the metrics of `palms fid` on its ZIP.

    Raises:
        EvictedError: the set was evicted.
    """
    zipped = palms.file.open_zip()  # readable from now on, even if the set is evicted

    def work(job: Job[Comparison]) -> Steps[Comparison]:
        total, rows = len(palms.entries), []
        yield 0, total
        loaded = references.of(palms.model_version)
        from palm_assets.quality.set_metrics import evaluate_features

        with closing(loaded.extractor.features(_images(zipped, palms.entries))) as batches:
            for batch in batches:
                rows.append(batch)
                yield sum(map(len, rows)), total
                if job.cancelled:
                    return None  # metrics of a part would mean nothing
        reference, found = loaded.reference, loaded.found
        return Comparison(
            replace(evaluate_features(np.concatenate(rows), reference), reference=found.name),
            found.name,
            found.crops,
            tuple(row.n for row in reference.floor),
            len(reference.subsample),
            palms.request,
            palms.stats.rejected,
            palms.model_version,
            found.origin == "synthetic",
            references.knows_nobody_held_out(palms.model_version, loaded),
        )

    return work


def _images(zipped: zipfile.ZipFile, entries: Sequence[Entry]) -> Iterator[NDArray[np.uint8]]:
    with zipped:
        for entry in entries:
            yield decode_png(zipped.read(entry.file_name))
