"""How a set compares with real palms: the work for the queue, and what the figures mean in words."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.jobs import Job, Steps
from app.sets import Entry, PalmSet
from app.texts import Words
from app.yardstick import Nearest, Yardsticks, pixels
from palm_assets.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    ExtractorMismatchError,
    PalmError,
    WeightsUnavailableError,
)
from palm_assets.generation.generate import Request

if TYPE_CHECKING:
    from palm_assets.quality.set_metrics import SetMetrics

LEAST = 2
FEW = 50
CHANCE = 3.0  # standard deviations between random sets of real palms that chance explains


@dataclass(frozen=True, eq=False)
class Judgement:
    """The figures of one set.

    Attributes:
        score: all of them, beside what real palms score.
        reference: version of the statistics of real palms.
        crops: version of the real palms themselves.
        measured: numbers of images at which real palms were measured.
        compared: real palms that the nearest one was looked for among.
        request: what the set was asked for with.
        rejected: palms that were thrown away for their score.
    """

    score: SetMetrics
    reference: str
    crops: str
    measured: tuple[int, ...]
    compared: int
    request: Request
    rejected: int

    def nearest(self, place: int) -> Nearest:
        """The real palm nearest to the one at this place of the set."""
        return Nearest(int(self.score.nearest[place]), self.compared, self.score.extractor)


def judging(palms: PalmSet, yardsticks: Yardsticks) -> Callable[[Job[Judgement]], Steps[Judgement]]:
    """The work of measuring a set, for `JobQueue.submit`; the figures are those of `palms fid` on its ZIP."""
    archive = palms.archive or b""  # held from now on, whatever the shelf lets go

    def work(job: Job[Judgement]) -> Steps[Judgement]:
        total, rows = len(palms.entries), []
        yield 0, total
        yardstick = yardsticks.released()
        from palm_assets.quality.set_metrics import evaluate_features

        with closing(yardstick.extractor.features(_pictures(archive, palms.entries))) as batches:
            for batch in batches:
                rows.append(batch)
                yield sum(map(len, rows)), total
                if job.cancelled:
                    return None  # type: ignore[return-value]  # some of the figures would be worth nothing
        reference = yardstick.reference
        return Judgement(
            evaluate_features(np.concatenate(rows), reference),
            yardstick.version,
            yardstick.crops,
            tuple(row.n for row in reference.floor),
            len(reference.subsample),
            palms.request,
            palms.tally.rejected,
        )

    return work


def _pictures(archive: bytes, entries: Sequence[Entry]) -> Iterator[np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        for entry in entries:
            yield pixels(zipped.read(entry.file_name))


def trouble(error: PalmError | None) -> str:
    """The key of the text that says why there are no figures."""
    match error:
        case ArtifactMissingError():
            return "judge_no_reference"
        case ArtifactCorruptError():
            return "judge_broken_reference"
        case WeightsUnavailableError():
            return "judge_no_weights"
        case ExtractorMismatchError():
            return "judge_other_weights"
        case _:
            return "judge_failed"


def label(words: Words, theirs: str) -> str:
    """The proper name of a distance, in this language, beginning with a capital letter."""
    for name, key in (
        ("Fréchet distance", "frechet"),
        ("kernel distance", "kernel"),
        (", weights ", "weights_of"),
    ):
        theirs = theirs.replace(name, words(key))
    return theirs[:1].upper() + theirs[1:]


def table(words: Words, judgement: Judgement) -> list[tuple[str, str, str]]:
    """Rows of name, the set's figure, and the figure of real palms."""
    score, floor = judgement.score, judgement.score.floor
    unknown = "—"
    return [
        (
            label(words, score.label),
            words.significant(score.frechet),
            words.spread(floor.frechet, floor.frechet_sd) if floor else unknown,
        ),
        (
            label(words, score.kid_result.label),
            words.spread(score.kid, score.kid_sd),
            words.spread(floor.kid, floor.kid_sd) if floor else unknown,
        ),
        (words("judge_images"), str(score.n), str(floor.n) if floor else unknown),
    ]


def meaning(words: Words, judgement: Judgement) -> str:
    """What the distance means: never a number without what real palms reach."""
    score, floor = judgement.score, judgement.score.floor
    value = words.significant(score.frechet)
    if floor is None:
        return words("judge_alone", value=value, n=score.n)
    real = words.spread(floor.frechet, floor.frechet_sd).split(" ±")[0]  # as in the table
    if floor.n != score.n:
        told = words("judge_beside_other", real=real, real_n=floor.n, value=value, n=score.n)
        return told + " " + words("judge_smaller" if score.n < floor.n else "judge_larger")
    told = words("judge_beside", real=real, value=value, n=score.n)
    if floor.frechet_sd > 0:
        beyond = (score.frechet - floor.frechet) / floor.frechet_sd
        key = "farther" if beyond > CHANCE else "nearer" if beyond < -CHANCE else "alike"
        told += " " + words(f"judge_{key}")
    return told


def reservations(words: Words, judgement: Judgement) -> list[str]:
    """What has to be known beside the figures."""
    score, request, told = judgement.score, judgement.request, []
    if request.min_score is not None:
        bar = words.decimal(request.min_score)
        told.append(words("judge_filtered", bar=bar, n=judgement.rejected))
    if request.truncation < 1:
        told.append(words("judge_truncated", truncation=words.decimal(request.truncation)))
    if score.n < FEW:
        told.append(words("judge_few"))
    if score.floor is not None and score.floor.n == score.n and score.n not in judgement.measured:
        low = max(n for n in judgement.measured if n < score.n)
        high = min(n for n in judgement.measured if n > score.n)
        told.append(words("judge_between", low=low, high=high))
    if score.label != "FID":
        told.append(words("judge_not_fid"))
    told.append(words("judge_kernel"))
    return told
