"""Differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738), made cheap.

The discriminator only ever sees augmented images, photographs and generated ones alike, so it cannot learn
the few photographs by heart. All colour changes are one affine map an image; all is done on whole batches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

TRANSLATION = 0.125
CUTOUT = 0.5
ROTATION = math.radians(12)
ZOOM = 1.15


def augmented(
    images: Tensor,
    kinds: Sequence[str],
    generator: torch.Generator,
    probability: float = 1.0,
    colour: float = 1.0,
) -> Tensor:
    """Images (N, 3, S, S) in [-1, 1], each changed by its own random draw; gradients flow through.

    Args:
        images: the batch.
        kinds: any of "colour" (brightness, saturation, contrast), "translation" (up to an eighth of the side,
            grey comes in, as in the paper), "rotation" (up to 12 degrees, and a zoom of up to 15 % in or out;
            what comes in is mirrored at the border) and "cutout" (a square of half the side turns grey).
        generator: of the random numbers; on the CPU, whatever device the images are on.
        probability: of each kind for each image. Below about 0.8 the discriminator still learns what images
            look like unchanged, so nothing of a change leaks into what is generated (Karras et al. 2020, ADA,
            arXiv:2006.06676, section 2.2).
        colour: how far "colour" goes; 1 is the paper's.
    """
    chosen = partial(_chosen, len(images), probability, generator)
    if "colour" in kinds:
        images = _coloured(images, chosen(), generator, colour)
    if "rotation" in kinds:
        images = _rotated(images, chosen(), generator)
    if "translation" in kinds:
        images = _translated(images, chosen(), generator)
    if "cutout" in kinds:
        images = _cut_out(images, chosen(), generator)
    return images


def _chosen(count: int, probability: float, generator: torch.Generator) -> Tensor:
    """Which images are changed, bool (N,)."""
    if probability >= 1:
        return torch.ones(count, dtype=torch.bool)
    return torch.rand(count, generator=generator) < probability


def _coloured(images: Tensor, chosen: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    draws = 0.5 + strength * (torch.rand(len(images), 3, generator=generator) - 0.5)
    draws = torch.where(chosen[:, None], draws, 0.5).to(images)  # 0.5 changes nothing
    brightness = (draws[:, 0] - 0.5)[:, None, None, None]
    saturation = (draws[:, 1] * 2)[:, None, None, None]
    contrast = (draws[:, 2] + 0.5)[:, None, None, None]
    grey = images.mean(1, keepdim=True)
    middle = images.mean((1, 2, 3), keepdim=True)
    # x + b, then grey + s (x - grey), then middle + c (x - middle), multiplied out to three passes.
    return (
        images * (contrast * saturation)
        + grey * (contrast * (1 - saturation))
        + (middle * (1 - contrast) + brightness)
    )


def _rotated(images: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    draws = 2 * torch.rand(2, len(images), generator=generator) - 1
    angle, zoom = (draws * chosen) * torch.tensor([[ROTATION], [math.log(ZOOM)]])
    cosine, sine, none = zoom.exp() * angle.cos(), zoom.exp() * angle.sin(), torch.zeros(len(images))
    maps = torch.stack([cosine, -sine, none, sine, cosine, none], 1).reshape(-1, 2, 3).to(images)
    places = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, places, padding_mode="reflection", align_corners=False)


def _translated(images: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    side = images.shape[2]
    reach = int(side * TRANSLATION + 0.5)
    shifts = torch.randint(-reach, reach + 1, (2, len(images)), generator=generator)
    shifts = (shifts * chosen).to(images.device)
    padded = F.pad(images, (reach, reach, reach, reach))
    steps = torch.arange(side, device=images.device) + reach
    rows, columns = (steps + shifts[0, :, None]), (steps + shifts[1, :, None])
    numbers = torch.arange(len(images), device=images.device)
    # Indexing the channels-last view keeps a pixel's three values together.
    moved = padded.permute(0, 2, 3, 1)[numbers[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _cut_out(images: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    side = images.shape[2]
    size = int(side * CUTOUT + 0.5)
    corners = torch.randint(-(size // 2), side - size // 2 + 1, (2, len(images)), generator=generator)
    steps = torch.arange(side)
    inside = (steps >= corners[:, :, None]) & (steps < corners[:, :, None] + size)
    keep = ~(inside[0, :, :, None] & inside[1, :, None, :] & chosen[:, None, None])
    return images * keep[:, None].to(images)
