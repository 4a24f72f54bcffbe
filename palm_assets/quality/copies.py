"""Near copies of training images, and repeated images within a set, by correlation of their gray values.

Feature distances do not find a training photograph that was mirrored, moved by a few pixels, rotated or
recolored, as augmentation shows it to the networks: its features differ from the original's by more than
those of two hands do. Its gray values, reduced to 24 px and correlated, hardly change. Correlation
(normalized cross-correlation) ignores brightness and contrast.

Copies are searched over mirroring, shifts, rotations and zooms. That is too much work for all pairs, so a
coarse search at half the size lists the most similar originals of each image first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

SIDE = 24  # pixels to which images are reduced
MAX_SHIFT = 3  # of SIDE pixels in each direction: an eighth of the image, the most that augmentation moves it
INNER = SIDE - 2 * MAX_SHIFT  # side of the part that is compared
ROTATIONS = (-8, -4, 0, 4, 8)  # degrees
ZOOMS = (0.9, 1.0, 1.1)
PHASES = (0.0, 0.5)  # pixels: without half ones a copy moved by half a pixel correlates like another hand
BLUR = 0.6  # standard deviation in pixels: what is between two rotations, zooms or shifts is found, too
COARSE_ROTATIONS = (-6, 0, 6)
SHORTLIST = 64  # originals of each image that are compared closely
ROWS_PER_BLOCK = 512
VIEWS_PER_BLOCK = 32
FLAT = 0.1  # length of an image's deviations from its mean below which it is flat; rounding reaches 0.001

Thumbnails = NDArray[np.float32]


def thumbnails(images: NDArray[np.uint8]) -> Thumbnails:
    """Reduce images, uint8 RGB (N, 3, H, W) of any size, to gray values float32 (N, SIDE, SIDE)."""
    blocks = [
        F.interpolate(_gray(images[start : start + ROWS_PER_BLOCK]), size=(SIDE, SIDE), mode="area")[:, 0]
        for start in range(0, len(images), ROWS_PER_BLOCK)
    ]
    return torch.cat(blocks).numpy() if blocks else np.zeros((0, SIDE, SIDE), np.float32)


def copy_similarity(images: Thumbnails, originals: Thumbnails) -> NDArray[np.float32]:
    """Similarity of each image to its nearest original, mirrored, shifted, rotated and zoomed as may be.

    Shifts reach `MAX_SHIFT` pixels in steps of a half, rotations 8 degrees in steps of 4, zooms 10 %.

    Returns:
        float32 (N,) in [-1, 1]: the largest correlation of the middle of the slightly blurred image with a
        part of the same size of any original or its mirror image; near 1 for a copy, -1 without originals.
    """
    largest = torch.full((len(images),), -1.0)
    if not len(images) or not len(originals):
        return largest.numpy()
    listed = _shortlist(images, originals).numpy()
    count = max(1, ROWS_PER_BLOCK // SHORTLIST)
    for start in range(0, len(images), count):
        rows = slice(start, start + count)
        found = _parts(_blurred(originals[listed[rows].ravel()]), INNER)
        views = _views(_blurred(images[rows]), INNER, ROTATIONS, ZOOMS, PHASES)
        correlation = views @ found.view(len(views), -1, INNER**2).transpose(1, 2)
        largest[rows] = correlation.amax((1, 2))
    similarities: NDArray[np.float32] = largest.numpy()
    return similarities


def shifted_similarity(images: Thumbnails, originals: Thumbnails) -> NDArray[np.float32]:
    """Similarity of each image to its nearest original, mirrored and shifted as may be, but not rotated.

    Returns:
        float32 (N,) in [-1, 1]: the largest correlation of the middle of the image with a part of the same
        size of any original or its mirror image; 1 for a copy, -1 without originals.
    """
    return _shifted_similarity(images, originals, skip_itself=False)


def repeat_similarity(images: Thumbnails) -> NDArray[np.float32]:
    """Similarity of each image to the most similar other one of the set, like `shifted_similarity`."""
    return _shifted_similarity(images, images, skip_itself=True)


def _shifted_similarity(
    images: Thumbnails, originals: Thumbnails, *, skip_itself: bool
) -> NDArray[np.float32]:
    middles = _normalized(torch.from_numpy(images)[:, MAX_SHIFT:-MAX_SHIFT, MAX_SHIFT:-MAX_SHIFT])
    largest = torch.full((len(images),), -1.0)
    for start in range(0, len(originals), ROWS_PER_BLOCK):
        block = torch.from_numpy(originals[start : start + ROWS_PER_BLOCK])
        itself = torch.arange(len(block))
        for source in (block, block.flip(2)):
            for part in _parts(source, INNER).unbind(1):
                correlation = middles @ part.T
                if skip_itself:
                    correlation[start + itself, itself] = -1
                largest = torch.maximum(largest, correlation.amax(1))
    similarities: NDArray[np.float32] = largest.numpy()
    return similarities


def _shortlist(images: Thumbnails, originals: Thumbnails) -> Tensor:
    """Rows of the most similar originals of each image by a coarse search, int64 (N, at most `SHORTLIST`)."""
    inner = INNER // 2
    views = _views(_halved(images), inner, COARSE_ROTATIONS, (1.0,), (0.0,))
    rows = torch.zeros((len(images), 0), dtype=torch.int64)
    similarities = torch.zeros((len(images), 0))
    for start in range(0, len(originals), ROWS_PER_BLOCK):
        parts = _parts(_halved(originals[start : start + ROWS_PER_BLOCK]), inner)
        count, shifts, pixels = parts.shape
        flat = parts.view(-1, pixels).T
        found = torch.cat(
            [
                (some.reshape(-1, pixels) @ flat).view(len(some), -1, count, shifts).amax((1, 3))
                for some in torch.split(views, VIEWS_PER_BLOCK)
            ]
        )
        similarities = torch.cat([similarities, found], 1)
        rows = torch.cat([rows, torch.arange(start, start + count).expand(len(images), -1)], 1)
        similarities, order = similarities.topk(min(SHORTLIST, similarities.shape[1]), 1)
        rows = rows.gather(1, order)
    return rows


def _views(
    images: Tensor, inner: int, rotations: Sequence[float], zooms: Sequence[float], phases: Sequence[float]
) -> Tensor:
    """The middles of images (N, S, S) in all poses and mirrored, normalized (N, poses, inner²)."""
    side = images.shape[-1]
    line = torch.arange(inner) - (inner - 1) / 2  # in pixels from the middle
    views = []
    for degrees in rotations:
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        for zoom in zooms:
            for down in phases:
                for right in phases:
                    y, x = torch.meshgrid((line + down) * zoom, (line + right) * zoom, indexing="ij")
                    places = torch.stack([x * cos - y * sin, x * sin + y * cos], 2) * (2 / side)
                    views.append(
                        F.grid_sample(
                            images[:, None],
                            places.float().expand(len(images), -1, -1, -1),
                            mode="bicubic",
                            padding_mode="border",
                            align_corners=False,
                        )
                    )
    found = torch.cat(views, 1)
    return _normalized(torch.cat([found, found.flip(3)], 1))


def _parts(images: Tensor, inner: int) -> Tensor:
    """All parts of a size of images (N, S, S), normalized (N, (S - inner + 1)², inner²)."""
    return _normalized(images.unfold(1, inner, 1).unfold(2, inner, 1).flatten(1, 2))


def _blurred(images: Thumbnails) -> Tensor:
    places = torch.arange(-2.0, 3.0)
    weights = torch.exp(-((places / BLUR) ** 2) / 2)
    weights /= weights.sum()
    padded = F.pad(torch.from_numpy(images)[:, None], (2, 2, 2, 2), mode="replicate")
    return F.conv2d(F.conv2d(padded, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))[:, 0]


def _halved(images: Thumbnails) -> Tensor:
    """Blurred, at half the size."""
    return F.avg_pool2d(_blurred(images)[:, None], 2)[:, 0]


def _gray(images: NDArray[np.uint8]) -> Tensor:
    """float32 (N, 1, H, W)."""
    return torch.from_numpy(np.array(images)).float().mean(1, keepdim=True)


def _normalized(images: Tensor) -> Tensor:
    """Images (..., h, w) as rows (..., h w) with mean 0 and length 1; flat ones are all 0."""
    rows = images.flatten(-2)
    rows = rows - rows.mean(-1, keepdim=True)
    lengths = rows.norm(dim=-1, keepdim=True)
    normalized: Tensor = torch.where(lengths > FLAT, rows / lengths, 0.0)
    return normalized
