"""The background job that interpolates between two palms of a set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.work.jobs import Job, JobFunction, Steps
from palm_assets.gan.hand_labels import ANY_HAND, HandLabels
from palm_assets.generation.png_metadata import generated_png

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

THUMBNAIL_COUNT = 7  # of the frames, shown side by side


@dataclass(frozen=True)
class Interpolation:
    """The morph between two palms.

    Attributes:
        start: number of the first palm.
        end: number of the second palm.
        thumbnails: a few frames, both palms included, as PNG.
        animation: all frames as animated WebP, forwards and backwards.
        video: the same as MP4.
    """

    start: int
    end: int
    thumbnails: tuple[bytes, ...]
    animation: bytes
    video: bytes


def interpolation_job(
    model: PalmModel, seed: int, start: int, end: int, truncation: float, labels: HandLabels = ANY_HAND
) -> JobFunction[Interpolation]:
    """Interpolate between the palms at two indices of the set with this seed and these labels."""

    def work(job: Job[Interpolation]) -> Steps[Interpolation]:
        from palm_assets.generation.animation import marked_animation
        from palm_assets.generation.interpolation import (  # brings torch, which the first view does not need
            FRAME_COUNT,
            interpolate_chunks,
        )

        frames: list[NDArray[np.uint8]] = []
        for chunk in interpolate_chunks(model, seed, start, end, truncation=truncation, labels=labels):
            frames.extend(chunk)
            yield len(frames), FRAME_COUNT
        shown = np.linspace(0, FRAME_COUNT - 1, THUMBNAIL_COUNT).round().astype(int)
        thumbnails = tuple(generated_png(frames[index], model.version) for index in shown)
        animation, video = (marked_animation(kind, frames, model.version) for kind in (".webp", ".mp4"))
        return Interpolation(start + 1, end + 1, thumbnails, animation, video)

    return work
