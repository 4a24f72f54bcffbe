"""Differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738).

The discriminator only sees augmented images, real and generated alike, so it cannot memorize the few real
ones. Parameters are sampled first (`sample_augmentations`, on the CPU) and applied to whole batches later
(`apply_augmentations`, on any device).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_TRANSLATION = 0.125  # of the side
CUTOUT = 0.5  # of the side
MAX_ROTATION = math.radians(12)
MAX_ZOOM = 1.15

Augmentations = dict[str, Tensor]
"""By kind: the parameters for each image of a batch."""


def sample_augmentations(
    count: int,
    side: int,
    kinds: Sequence[str],
    generator: torch.Generator,
    probability: float = 1.0,
    color: float = 1.0,
) -> Augmentations:
    """Sample augmentation parameters for each image of a batch, on the CPU.

    Args:
        count: number of images in the batch.
        side: side of an image in pixels.
        kinds: any of "color" (brightness, saturation, contrast), "translation" (up to an eighth of the side,
            filled with gray, as in the paper), "rotation" (up to 12 degrees, and a zoom of up to 15 % in or
            out; filled by reflection) and "cutout" (a square of half the side turns gray).
        generator: random number generator on the CPU, whatever device the images are on.
        probability: probability of each kind for each image. Below about 0.8 the discriminator sees enough
            unaugmented images for augmentations not to leak into the samples (Karras et al. 2020, ADA,
            arXiv:2006.06676, section 2.2).
        color: strength of "color"; 1 is the paper's.

    Returns:
        Parameters by kind, for `apply_augmentations`.
    """
    select = partial(_sample_selection, count, probability, generator)
    augmentations: Augmentations = {}
    if "color" in kinds:
        augmentations["color"] = _sample_colors(select(), generator, color)
    if "rotation" in kinds:
        augmentations["rotation"] = _sample_rotations(select(), generator)
    if "translation" in kinds:
        augmentations["translation"] = _sample_translations(select(), generator, side)
    if "cutout" in kinds:
        augmentations["cutout"] = _sample_cutouts(select(), generator, side)
    return augmentations


def apply_augmentations(images: Tensor, augmentations: Augmentations) -> Tensor:
    """Augment images (N, 3, S, S) in [-1, 1], differentiably; the parameters are on the same device."""
    for kind, apply in (
        ("color", _apply_colors),
        ("rotation", _rotate),
        ("translation", _translate),
        ("cutout", _cutout),
    ):
        if kind in augmentations:
            images = apply(images, augmentations[kind])
    return images


def _sample_selection(count: int, probability: float, generator: torch.Generator) -> Tensor:
    """Which images are augmented: bool (N,)."""
    if probability >= 1:
        return torch.ones(count, dtype=torch.bool)
    return torch.rand(count, generator=generator) < probability


def _sample_colors(selected: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Levels of brightness, saturation and contrast, (N, 3) in [0, 1]; 0.5 changes nothing."""
    levels = 0.5 + strength * (torch.rand(len(selected), 3, generator=generator) - 0.5)
    return torch.where(selected[:, None], levels, 0.5)


def _apply_colors(images: Tensor, levels: Tensor) -> Tensor:
    levels = levels.to(images.dtype)
    brightness = (levels[:, 0] - 0.5)[:, None, None, None]
    saturation = (levels[:, 1] * 2)[:, None, None, None]
    contrast = (levels[:, 2] + 0.5)[:, None, None, None]
    gray = images.mean(1, keepdim=True)
    mean = images.mean((1, 2, 3), keepdim=True)
    # x + b, then gray + s (x - gray), then mean + c (x - mean), multiplied out into fewer passes.
    return (
        images * (contrast * saturation)
        + gray * (contrast * (1 - saturation))
        + (mean * (1 - contrast) + brightness)
    )


def _sample_rotations(selected: Tensor, generator: torch.Generator) -> Tensor:
    """Affine matrices (N, 2, 3) of a rotation and a zoom."""
    amounts = 2 * torch.rand(2, len(selected), generator=generator) - 1
    angle, zoom = (amounts * selected) * torch.tensor([[MAX_ROTATION], [math.log(MAX_ZOOM)]])
    cosine, sine, zero = zoom.exp() * angle.cos(), zoom.exp() * angle.sin(), torch.zeros(len(selected))
    return torch.stack([cosine, -sine, zero, sine, cosine, zero], 1).reshape(-1, 2, 3)


def _rotate(images: Tensor, matrices: Tensor) -> Tensor:
    grid = F.affine_grid(matrices.to(images.dtype), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _max_shift(side: int) -> int:
    return int(side * MAX_TRANSLATION + 0.5)


def _sample_translations(selected: Tensor, generator: torch.Generator, side: int) -> Tensor:
    """Shifts down and right in pixels, int64 (2, N)."""
    limit = _max_shift(side)
    return torch.randint(-limit, limit + 1, (2, len(selected)), generator=generator) * selected


def _translate(images: Tensor, shifts: Tensor) -> Tensor:
    side = images.shape[2]
    limit = _max_shift(side)
    padded = F.pad(images, (limit, limit, limit, limit))
    pixels = torch.arange(side, device=images.device) + limit
    rows, columns = (pixels + shifts[0, :, None]), (pixels + shifts[1, :, None])
    batch = torch.arange(len(images), device=images.device)
    # Indexing the channels-last view keeps a pixel's three values together.
    shifted = padded.permute(0, 2, 3, 1)[batch[:, None, None], rows[:, :, None], columns[:, None, :]]
    return shifted.permute(0, 3, 1, 2)


def _cutout_size(side: int) -> int:
    return int(side * CUTOUT + 0.5)


def _sample_cutouts(selected: Tensor, generator: torch.Generator, side: int) -> Tensor:
    """Top and left of the square, int64 (2, N); outside the image where nothing is cut out."""
    size = _cutout_size(side)
    corners = torch.randint(-(size // 2), side - size // 2 + 1, (2, len(selected)), generator=generator)
    return torch.where(selected, corners, side)


def _cutout(images: Tensor, corners: Tensor) -> Tensor:
    side = images.shape[2]
    pixels = torch.arange(side, device=images.device)
    inside = (pixels >= corners[:, :, None]) & (pixels < corners[:, :, None] + _cutout_size(side))
    keep = ~(inside[0, :, :, None] & inside[1, :, None, :])
    return images * keep[:, None].to(images.dtype)
