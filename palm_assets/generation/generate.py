"""Generate a set of images with a loaded model, and score and filter them.

Image i of a set depends on seed + i alone, not on the size of the set or of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from palm_assets.errors import RequestError
from palm_assets.gan.config import MAX_SEED
from palm_assets.gan.hand_labels import ANY_HAND, HandLabels
from palm_assets.generation.config import ATTEMPTS_PER_IMAGE, MAX_COUNT
from palm_assets.progress import Progress, ShouldStop, never, no_progress

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel


@dataclass(frozen=True)
class GeneratedImage:
    """One image of a set.

    Attributes:
        index: its place in the set, from 0.
        seed: seed of the set; the image itself depends on `seed + index` alone.
        image: uint8 RGB (3, S, S).
        score: how real it looks, 0..1; `PalmModel.scoring` says whether that is a calibrated probability.
        truncation: scale of the latent, above 0, up to 1.
        min_score: images with a lower score were left out of the set; None if none were.
        steps: variations chosen one after the other, from 1, that lead here from the image of this seed and
            index, see `palm_assets.generation.variations`; empty for that image itself.
        labels: what it was made to show; all are "any" if the model has no labels.
    """

    index: int
    seed: int
    image: NDArray[np.uint8]
    score: float
    truncation: float = 1.0
    min_score: float | None = None
    steps: tuple[int, ...] = ()
    labels: HandLabels = ANY_HAND

    @property
    def number(self) -> int:
        """Its number as people count, from 1."""
        return self.index + 1

    @property
    def file_name(self) -> str:
        """Its name in a ZIP or folder, the same in a set of any size: palm_000001.png, back_000002.png."""
        return f"{'back' if self.labels.aspect == 'back' else 'palm'}_{self.number:06d}.png"


@dataclass(frozen=True)
class GenerationRequest:
    """A set to generate.

    Attributes:
        count: number of images, 1..100,000.
        seed: 0..2**53; the same seed gives the same images.
        truncation: scale of the latents, above 0, up to 1; towards 0 images become typical and alike.
        min_score: keep only images with at least this score, 0..1; None keeps all.
        labels: what to show; the model must have the labels that are not "any".

    Raises:
        RequestError: a value is out of its range.
    """

    count: int
    seed: int
    truncation: float = 1.0
    min_score: float | None = None
    labels: HandLabels = ANY_HAND

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_COUNT:
            raise RequestError(f"Cannot generate {self.count} images", hint=f"Ask for 1 to {MAX_COUNT}.")
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
    def max_candidates(self) -> int:
        """Candidates that are generated at most."""
        return self.count if self.min_score is None else self.count * ATTEMPTS_PER_IMAGE


@dataclass
class GenerationStats:
    """Counts of one set, kept up to date while it is generated.

    Attributes:
        candidates: images generated and scored.
        kept: images returned.
        score_sum: sum of the scores of the images returned.
        outcome: "" while generating; "complete"; "stopped" by `should_stop`; or "gave up": too few
            candidates reached the minimum score.
    """

    candidates: int = 0
    kept: int = 0
    score_sum: float = 0.0
    outcome: Literal["", "complete", "stopped", "gave up"] = ""

    @property
    def rejected(self) -> int:
        """Candidates below the minimum score."""
        return self.candidates - self.kept

    @property
    def mean_score(self) -> float:
        """Mean score of the images returned; 0 if there are none."""
        return self.score_sum / max(self.kept, 1)


def generate(
    model: PalmModel,
    request: GenerationRequest,
    *,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
    stats: GenerationStats | None = None,
) -> Iterator[GeneratedImage]:
    """Generate images in order of their index, a chunk of candidates at a time.

    Memory does not grow with the size of the set.

    Args:
        model: generates and scores.
        request: what to generate.
        progress: called after every chunk with the number of images kept, and the number requested.
        should_stop: called before every chunk; True ends the set with what is done.
        stats: filled in meanwhile; its `outcome` says why the set ended.

    Raises:
        RequestError: the model cannot be asked for such labels.
    """
    progress(0, request.count)
    done = 0
    for images in generate_chunks(model, request, should_stop=should_stop, stats=stats):
        yield from images
        done += len(images)
        progress(done, request.count)


def generate_chunks(
    model: PalmModel,
    request: GenerationRequest,
    *,
    should_stop: ShouldStop = never,
    stats: GenerationStats | None = None,
    max_candidates: int | None = None,
) -> Iterator[list[GeneratedImage]]:
    """Generate the same images as `generate`, as one list per chunk of candidates.

    The list is empty if no candidate of its chunk reaches the minimum score. `max_candidates` candidates are
    generated at most, by default those of the request.
    """
    stats = GenerationStats() if stats is None else stats
    most = request.max_candidates if max_candidates is None else max_candidates
    for start in range(0, most, model.chunk):
        if should_stop():
            stats.outcome = "stopped"
            return
        indices = range(start, min(start + model.chunk, most))
        hands = model.hands(request.seed, indices, request.labels)
        inputs = model.inputs(model.latents(request.seed, indices), hands)
        pixels = model.generate(inputs, truncation=request.truncation)
        scores = model.scores(pixels, hands)
        images = []
        for index, image, score, hand in zip(indices, pixels, scores, hands, strict=True):
            if stats.kept == request.count:
                break
            stats.candidates += 1
            if request.min_score is None or score >= request.min_score:
                stats.kept += 1
                stats.score_sum += float(score)
                images.append(
                    GeneratedImage(
                        index,
                        request.seed,
                        image,
                        float(score),
                        request.truncation,
                        request.min_score,
                        labels=hand,
                    )
                )
        yield images
        if stats.kept == request.count:
            break
    stats.outcome = "complete" if stats.kept == request.count else "gave up"
