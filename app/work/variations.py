"""The background job that generates variations of a palm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.work.jobs import Job, JobFunction, Steps
from palm_assets.gan.hand_labels import ANY_HAND, HandLabels
from palm_assets.generation.png_metadata import png_bytes

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel


@dataclass(frozen=True)
class Original:
    """The palm that the variations started from.

    Attributes:
        number: in its set, from 1.
        seed: its own.
        truncation: of its set.
        labels: asked for in its set.
    """

    number: int
    seed: int
    truncation: float
    labels: HandLabels = ANY_HAND


@dataclass(frozen=True)
class Variation:
    """One palm as PNG, and its score."""

    png: bytes
    score: float


@dataclass(frozen=True)
class Variations:
    """A palm, and its variations.

    Attributes:
        original: the palm of the set that the visitor started from.
        steps: number of the variation chosen at each step, from 1.
        current: the palm that these steps lead to.
        around: its variations, which are numbered from 1.
    """

    original: Original
    steps: tuple[int, ...]
    current: Variation
    around: tuple[Variation, ...]


def variations_job(model: PalmModel, original: Original, steps: tuple[int, ...]) -> JobFunction[Variations]:
    """Generate the variations of the palm that these steps lead to from the original."""

    def work(job: Job[Variations]) -> Steps[Variations]:
        from palm_assets.generation.variations import generate_variations  # brings torch

        yield 0, 1
        current, *around = (
            Variation(png_bytes(image, model.version), image.score)
            for image in generate_variations(
                model, original.seed, steps, truncation=original.truncation, labels=original.labels
            )
        )
        return Variations(original, steps, current, tuple(around))

    return work
