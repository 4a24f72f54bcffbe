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

Changes = dict[str, Tensor]  # by kind; of each image of a batch, what happens to it


def drawn_changes(
    count: int,
    side: int,
    kinds: Sequence[str],
    generator: torch.Generator,
    probability: float = 1.0,
    colour: float = 1.0,
) -> Changes:
    """A random draw for each image of a batch, on the CPU: what `changed` is to do to it.

    Args:
        count: images of the batch.
        side: of an image, in pixels.
        kinds: any of "colour" (brightness, saturation, contrast), "translation" (up to an eighth of the side,
            grey comes in, as in the paper), "rotation" (up to 12 degrees, and a zoom of up to 15 % in or out;
            what comes in is mirrored at the border) and "cutout" (a square of half the side turns grey).
        generator: of the random numbers; on the CPU, whatever device the images are on.
        probability: of each kind for each image. Below about 0.8 the discriminator still learns what images
            look like unchanged, so nothing of a change leaks into what is generated (Karras et al. 2020, ADA,
            arXiv:2006.06676, section 2.2).
        colour: how far "colour" goes; 1 is the paper's.
    """
    chosen = partial(_chosen, count, probability, generator)
    changes: Changes = {}
    if "colour" in kinds:
        changes["colour"] = _drawn_colours(chosen(), generator, colour)
    if "rotation" in kinds:
        changes["rotation"] = _drawn_rotations(chosen(), generator)
    if "translation" in kinds:
        changes["translation"] = _drawn_shifts(chosen(), generator, side)
    if "cutout" in kinds:
        changes["cutout"] = _drawn_corners(chosen(), generator, side)
    return changes


def changed(images: Tensor, changes: Changes) -> Tensor:
    """Images (N, 3, S, S) in [-1, 1] changed as drawn (on the same device); gradients flow through."""
    for kind, change in (
        ("colour", _coloured),
        ("rotation", _rotated),
        ("translation", _translated),
        ("cutout", _cut_out),
    ):
        if kind in changes:
            images = change(images, changes[kind])
    return images


def _chosen(count: int, probability: float, generator: torch.Generator) -> Tensor:
    """Which images are changed, bool (N,)."""
    if probability >= 1:
        return torch.ones(count, dtype=torch.bool)
    return torch.rand(count, generator=generator) < probability


def _drawn_colours(chosen: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Of brightness, saturation and contrast, (N, 3) in [0, 1]."""
    draws = 0.5 + strength * (torch.rand(len(chosen), 3, generator=generator) - 0.5)
    return torch.where(chosen[:, None], draws, 0.5)  # 0.5 changes nothing


def _coloured(images: Tensor, draws: Tensor) -> Tensor:
    draws = draws.to(images.dtype)
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


def _drawn_rotations(chosen: Tensor, generator: torch.Generator) -> Tensor:
    """Affine maps (N, 2, 3)."""
    draws = 2 * torch.rand(2, len(chosen), generator=generator) - 1
    angle, zoom = (draws * chosen) * torch.tensor([[ROTATION], [math.log(ZOOM)]])
    cosine, sine, none = zoom.exp() * angle.cos(), zoom.exp() * angle.sin(), torch.zeros(len(chosen))
    return torch.stack([cosine, -sine, none, sine, cosine, none], 1).reshape(-1, 2, 3)


def _rotated(images: Tensor, maps: Tensor) -> Tensor:
    places = F.affine_grid(maps.to(images.dtype), list(images.shape), align_corners=False)
    return F.grid_sample(images, places, padding_mode="reflection", align_corners=False)


def _reach(side: int) -> int:
    return int(side * TRANSLATION + 0.5)


def _drawn_shifts(chosen: Tensor, generator: torch.Generator, side: int) -> Tensor:
    """Pixels down and right, int64 (2, N)."""
    reach = _reach(side)
    return torch.randint(-reach, reach + 1, (2, len(chosen)), generator=generator) * chosen


def _translated(images: Tensor, shifts: Tensor) -> Tensor:
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


def _drawn_corners(chosen: Tensor, generator: torch.Generator, side: int) -> Tensor:
    """Of the hole, its row and column, int64 (2, N); outside of the image where nothing is cut."""
    size = _hole(side)
    corners = torch.randint(-(size // 2), side - size // 2 + 1, (2, len(chosen)), generator=generator)
    return torch.where(chosen, corners, side)


def _cut_out(images: Tensor, corners: Tensor) -> Tensor:
    side = images.shape[2]
    steps = torch.arange(side, device=images.device)
    inside = (steps >= corners[:, :, None]) & (steps < corners[:, :, None] + _hole(side))
    keep = ~(inside[0, :, :, None] & inside[1, :, None, :])
    return images * keep[:, None].to(images.dtype)
