"""From a loaded model to a set of palms, drawn, scored and sifted: image i depends on seed + i alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from palm_assets.errors import RequestError
from palm_assets.gan.config import MAX_SEED
from palm_assets.progress import Progress, ShouldStop, never, no_progress

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

MAX_COUNT = 100_000
ATTEMPTS = 20  # candidates drawn per palm asked for, before a minimum score is given up


@dataclass(frozen=True)
class Palm:
    """One palm of the set with this seed.

    Attributes:
        index: its place in the set, from 0.
        seed: of the set.
        image: uint8 RGB (3, S, S).
        score: how real it looks, 0..1; `PalmModel.scoring` says how that is meant.
        truncation: it was drawn with.
        min_score: palms with a lower score were left out of its set; None if none were.
    """

    index: int
    seed: int
    image: np.ndarray
    score: float
    truncation: float = 1.0
    min_score: float | None = None

    @property
    def number(self) -> int:
        """What people call it: they count from 1."""
        return self.index + 1

    @property
    def file_name(self) -> str:
        """Its name in a ZIP or folder; the same in a set of any size."""
        return f"palm_{self.number:06d}.png"


@dataclass(frozen=True)
class Request:
    """What a person asks for.

    Attributes:
        count: palms wanted, 1..100,000.
        seed: 0..2**53; the same seed gives the same palms.
        truncation: above 0, up to 1: towards 0 the palms become usual and alike.
        min_score: keep only palms with at least this score, 0..1; None keeps all.

    Raises:
        RequestError: a value out of its range.
    """

    count: int
    seed: int
    truncation: float = 1.0
    min_score: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_COUNT:
            raise RequestError(f"{self.count} palms cannot be made", hint=f"Ask for 1 to {MAX_COUNT}.")
        if not 0 <= self.seed <= MAX_SEED:
            raise RequestError(
                f"The seed {self.seed} is out of range", hint=f"Choose one from 0 to {MAX_SEED}."
            )
        if not 0 < self.truncation <= 1:
            raise RequestError(
                f"The truncation {self.truncation} is out of range", hint="Choose one above 0, up to 1."
            )
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise RequestError(
                f"The minimum score {self.min_score} is out of range", hint="Choose one from 0 to 1."
            )

    @property
    def most_attempts(self) -> int:
        """Candidates that are drawn at most."""
        return self.count if self.min_score is None else self.count * ATTEMPTS


@dataclass
class Tally:
    """How a set came out; kept up to date while it is drawn.

    Attributes:
        tried: candidates drawn and looked at.
        kept: palms handed on.
        score_sum: of their scores.
        ended: "" while drawing; "complete"; "cancelled"; or "given up": too few reach the minimum score.
    """

    tried: int = 0
    kept: int = 0
    score_sum: float = 0.0
    ended: Literal["", "complete", "cancelled", "given up"] = ""

    @property
    def rejected(self) -> int:
        """Candidates below the minimum score."""
        return self.tried - self.kept

    @property
    def mean_score(self) -> float:
        """Of the palms handed on; 0 if there are none."""
        return self.score_sum / max(self.kept, 1)


def generate(
    model: PalmModel,
    request: Request,
    *,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
    tally: Tally | None = None,
) -> Iterator[Palm]:
    """Palms in order of their index, a chunk of candidates at a time: memory does not grow with the set.

    Args:
        model: draws and scores.
        request: what to draw.
        progress: called after every chunk with the number of palms kept, and wanted.
        should_stop: asked before every chunk; True ends the set with what is done.
        tally: filled in meanwhile; its `ended` says why the set ended.
    """
    progress(0, request.count)
    done = 0
    for palms in chunks(model, request, should_stop=should_stop, tally=tally):
        yield from palms
        done += len(palms)
        progress(done, request.count)


def chunks(
    model: PalmModel,
    request: Request,
    *,
    should_stop: ShouldStop = never,
    tally: Tally | None = None,
) -> Iterator[list[Palm]]:
    """The same palms, those of each chunk together; a chunk of which none is good enough is empty."""
    tally = Tally() if tally is None else tally
    for start in range(0, request.most_attempts, model.chunk):
        if should_stop():
            tally.ended = "cancelled"
            return
        indices = range(start, min(start + model.chunk, request.most_attempts))
        images = model.generate(model.latents(request.seed, indices), truncation=request.truncation)
        scores = model.scores(images)
        palms = []
        for index, image, score in zip(indices, images, scores, strict=True):
            if tally.kept == request.count:
                break
            tally.tried += 1
            if request.min_score is None or score >= request.min_score:
                tally.kept += 1
                tally.score_sum += float(score)
                palms.append(
                    Palm(index, request.seed, image, float(score), request.truncation, request.min_score)
                )
        yield palms
        if tally.kept == request.count:
            break
    tally.ended = "complete" if tally.kept == request.count else "given up"
