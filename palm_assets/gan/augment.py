"""Differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738), made cheap.

The discriminator only ever sees augmented images, real and generated alike, so it cannot memorize the few
real ones. All color changes are one affine map an image; everything is computed on whole batches.
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

Augmentations = dict[str, Tensor]  # by kind: the parameters of each image of a batch


def sample_augmentations(
    count: int,
    side: int,
    kinds: Sequence[str],
    generator: torch.Generator,
    probability: float = 1.0,
    color: float = 1.0,
) -> Augmentations:
    """Random augmentation parameters for each image of a batch, on the CPU, for `apply_augmentations`.

    Args:
        count: images of the batch.
        side: of an image, in pixels.
        kinds: any of "color" (brightness, saturation, contrast), "translation" (up to an eighth of the side,
            filled with gray, as in the paper), "rotation" (up to 12 degrees, and a zoom of up to 15 % in or
            out; filled by reflection) and "cutout" (a square of half the side turns gray).
        generator: of the random numbers; on the CPU, whatever device the images are on.
        probability: of each kind for each image. Below about 0.8 the discriminator still learns what images
            look like unchanged, so augmentations do not leak into the samples (Karras et al. 2020, ADA,
            arXiv:2006.06676, section 2.2).
        color: strength of "color"; 1 is the paper's.
    """
    chosen = partial(_chosen, count, probability, generator)
    augmentations: Augmentations = {}
    if "color" in kinds:
        augmentations["color"] = _sample_colors(chosen(), generator, color)
    if "rotation" in kinds:
        augmentations["rotation"] = _sample_rotations(chosen(), generator)
    if "translation" in kinds:
        augmentations["translation"] = _sample_shifts(chosen(), generator, side)
    if "cutout" in kinds:
        augmentations["cutout"] = _sample_corners(chosen(), generator, side)
    return augmentations


def apply_augmentations(images: Tensor, augmentations: Augmentations) -> Tensor:
    """Augment images (N, 3, S, S) in [-1, 1]; parameters on the same device; differentiable."""
    for kind, apply in (
        ("color", _apply_colors),
        ("rotation", _rotate),
        ("translation", _translate),
        ("cutout", _cutout),
    ):
        if kind in augmentations:
            images = apply(images, augmentations[kind])
    return images


def _chosen(count: int, probability: float, generator: torch.Generator) -> Tensor:
    """Which images are augmented, bool (N,)."""
    if probability >= 1:
        return torch.ones(count, dtype=torch.bool)
    return torch.rand(count, generator=generator) < probability


def _sample_colors(chosen: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Of brightness, saturation and contrast, (N, 3) in [0, 1]."""
    draws = 0.5 + strength * (torch.rand(len(chosen), 3, generator=generator) - 0.5)
    return torch.where(chosen[:, None], draws, 0.5)  # 0.5 changes nothing


def _apply_colors(images: Tensor, draws: Tensor) -> Tensor:
    draws = draws.to(images.dtype)
    brightness = (draws[:, 0] - 0.5)[:, None, None, None]
    saturation = (draws[:, 1] * 2)[:, None, None, None]
    contrast = (draws[:, 2] + 0.5)[:, None, None, None]
    gray = images.mean(1, keepdim=True)
    middle = images.mean((1, 2, 3), keepdim=True)
    # x + b, then gray + s (x - gray), then middle + c (x - middle), multiplied out to three passes.
    return (
        images * (contrast * saturation)
        + gray * (contrast * (1 - saturation))
        + (middle * (1 - contrast) + brightness)
    )


def _sample_rotations(chosen: Tensor, generator: torch.Generator) -> Tensor:
    """Affine maps (N, 2, 3)."""
    draws = 2 * torch.rand(2, len(chosen), generator=generator) - 1
    angle, zoom = (draws * chosen) * torch.tensor([[ROTATION], [math.log(ZOOM)]])
    cosine, sine, none = zoom.exp() * angle.cos(), zoom.exp() * angle.sin(), torch.zeros(len(chosen))
    return torch.stack([cosine, -sine, none, sine, cosine, none], 1).reshape(-1, 2, 3)


def _rotate(images: Tensor, maps: Tensor) -> Tensor:
    places = F.affine_grid(maps.to(images.dtype), list(images.shape), align_corners=False)
    return F.grid_sample(images, places, padding_mode="reflection", align_corners=False)


def _reach(side: int) -> int:
    return int(side * TRANSLATION + 0.5)


def _sample_shifts(chosen: Tensor, generator: torch.Generator, side: int) -> Tensor:
    """Pixels down and right, int64 (2, N)."""
    reach = _reach(side)
    return torch.randint(-reach, reach + 1, (2, len(chosen)), generator=generator) * chosen


def _translate(images: Tensor, shifts: Tensor) -> Tensor:
    side = images.shape[2]
    reach = _reach(side)
    padded = F.pad(images, (reach, reach, reach, reach))
    steps = torch.arange(side, device=images.device) + reach
    rows, columns = (steps + shifts[0, :, None]), (steps + shifts[1, :, None])
    numbers = torch.arange(len(images), device=images.device)
    # Indexing the channels-last view keeps a pixel's three values together.
    moved = padded.permute(0, 2, 3, 1)[numbers[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _hole(side: int) -> int:
    return int(side * CUTOUT + 0.5)


def _sample_corners(chosen: Tensor, generator: torch.Generator, side: int) -> Tensor:
    """Of the hole, its row and column, int64 (2, N); outside of the image where nothing is cut."""
    size = _hole(side)
    corners = torch.randint(-(size // 2), side - size // 2 + 1, (2, len(chosen)), generator=generator)
    return torch.where(chosen, corners, side)


def _cutout(images: Tensor, corners: Tensor) -> Tensor:
    side = images.shape[2]
    steps = torch.arange(side, device=images.device)
    inside = (steps >= corners[:, :, None]) & (steps < corners[:, :, None] + _hole(side))
    keep = ~(inside[0, :, :, None] & inside[1, :, None, :])
    return images * keep[:, None].to(images.dtype)
