"""Palms like a given one: small steps around it, each of which can be gone on from."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.jobs import Job, Steps
from palm_assets.generation.archives import png_bytes
from palm_assets.generation.generate import Palm

if TYPE_CHECKING:
    from torch import Tensor

    from palm_assets.gan.sampler import PalmModel

AROUND = 12
STEP = 0.35  # radians; two palms that have nothing to do with each other are about a right angle apart
MOST_STEPS = 32


@dataclass(frozen=True)
class Start:
    """The palm that the steps begin at.

    Attributes:
        number: what people call it in their set.
        seed: its own.
        truncation: it was drawn with.
    """

    number: int
    seed: int
    truncation: float


@dataclass(frozen=True)
class Variant:
    """One palm on the way: PNG, and its score."""

    png: bytes
    score: float


@dataclass(frozen=True)
class Likeness:
    """Where the steps have led, and what is around.

    Attributes:
        start: where they began.
        steps: which of the palms around was chosen each time, from 1.
        here: the palm that was reached.
        around: those a step away, by their numbers from 1.
    """

    start: Start
    steps: tuple[int, ...]
    here: Variant
    around: tuple[Variant, ...]


def direction(seed: int, steps: tuple[int, ...], size: int) -> Tensor:
    """A direction (size,) of its own for each way of steps that begins at the palm with this seed."""
    import torch  # a second, which the first view of the page must not wait for

    way = hashlib.sha256(f"{seed}:{steps}".encode()).digest()
    return torch.randn(size, generator=torch.Generator().manual_seed(int.from_bytes(way[:7])))


def stepped(latent: Tensor, towards: Tensor) -> Tensor:
    """A latent (n,) turned by `STEP` towards a direction: as likely as it was, for its length stays."""
    across = towards - latent * (towards @ latent) / (latent @ latent)
    return math.cos(STEP) * latent + math.sin(STEP) * latent.norm() / across.norm() * across


def reached(model: PalmModel, seed: int, steps: tuple[int, ...]) -> Tensor:
    """The latent (n,) at the end of a way."""
    latent = model.latents(seed, [0])[0]
    for length in range(1, len(steps) + 1):
        latent = stepped(latent, direction(seed, steps[:length], len(latent)))
    return latent


def resembling(
    model: PalmModel, start: Start, steps: tuple[int, ...]
) -> Callable[[Job[Likeness]], Steps[Likeness]]:
    """The work of drawing what is around, for `JobQueue.submit`."""

    def work(job: Job[Likeness]) -> Steps[Likeness]:
        import torch

        yield 0, 1
        ways = [steps, *((*steps, number) for number in range(1, AROUND + 1))]
        latents = torch.stack([reached(model, start.seed, way) for way in ways])
        images = model.generate(latents, truncation=start.truncation)
        variants = []
        for way, image, score in zip(ways, images, model.scores(images), strict=True):
            palm = Palm(0, start.seed, image, float(score), start.truncation)
            variants.append(Variant(png_bytes(palm, model, steps=way), palm.score))
        return Likeness(start, steps, variants[0], tuple(variants[1:]))

    return work
