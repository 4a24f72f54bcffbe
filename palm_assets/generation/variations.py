"""Variations of a generated image: small rotations of its latent, each of which can be varied again."""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor

from palm_assets.gan.hand_labels import ANY_HAND, HandLabels
from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.config import VARIATION_COUNT
from palm_assets.generation.generate import GeneratedImage

VARIATION_ANGLE = 0.35  # radians; two independent latents are about a right angle apart


def variation_direction(seed: int, steps: tuple[int, ...], size: int) -> Tensor:
    """The direction (size,) of the last of these steps; it depends on the seed and on all steps."""
    digest = hashlib.sha256(f"{seed}:{steps}".encode()).digest()
    return torch.randn(size, generator=torch.Generator().manual_seed(int.from_bytes(digest[:7])))


def rotate_latent(latent: Tensor, direction: Tensor, angle: float = VARIATION_ANGLE) -> Tensor:
    """A latent (n,) rotated towards a direction (n,); its length stays, and with it its likelihood."""
    across: Tensor = direction - latent * (direction @ latent) / (latent @ latent)
    rotated: Tensor = math.cos(angle) * latent + math.sin(angle) * latent.norm() / across.norm() * across
    return rotated


def variation_latent(model: PalmModel, seed: int, steps: tuple[int, ...]) -> Tensor:
    """The latent (n,) that these steps lead to from the image with this seed.

    Args:
        model: whose latents they are.
        seed: of the image, that is of the set with the image's index added.
        steps: number of the variation chosen at each step, from 1.
    """
    latent = model.latents(seed, [0])[0]
    for length in range(1, len(steps) + 1):
        latent = rotate_latent(latent, variation_direction(seed, steps[:length], len(latent)))
    return latent


def generate_variations(
    model: PalmModel,
    seed: int,
    steps: tuple[int, ...] = (),
    *,
    truncation: float = 1.0,
    labels: HandLabels = ANY_HAND,
) -> list[GeneratedImage]:
    """Generate the image that these steps lead to, followed by its `VARIATION_COUNT` variations.

    The arguments are those of `variation_latent`, the scale of the latents, and the labels asked for. All
    variations show the same kind of hand.
    """
    paths = [steps, *((*steps, number) for number in range(1, VARIATION_COUNT + 1))]
    latents = torch.stack([variation_latent(model, seed, path) for path in paths])
    hands = model.hands(seed, [0], labels) * len(paths)
    pixels = model.generate(model.inputs(latents, hands), truncation=truncation)
    return [
        GeneratedImage(0, seed, image, float(score), truncation, steps=path, labels=hands[0])
        for path, image, score in zip(paths, pixels, model.scores(pixels, hands), strict=True)
    ]
