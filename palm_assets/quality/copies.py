"""Near copies of training images, and repeated images within a set, by correlation of their gray values.

Feature distances do not find a training photograph that was mirrored, moved by a few pixels or recolored, as
augmentation shows it to the networks: its features differ from the original's by more than those of two hands
do. Its gray values, reduced to 24 px and correlated over small shifts, hardly change. Correlation (normalized
cross-correlation) ignores brightness and contrast.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

SIDE = 24  # pixels to which images are reduced
MAX_SHIFT = 3  # of SIDE pixels in each direction: an eighth of the image, the most that augmentation moves it
ROWS_PER_BLOCK = 512

Thumbnails = NDArray[np.float32]


def thumbnails(images: NDArray[np.uint8]) -> Thumbnails:
    """Reduce images, uint8 RGB (N, 3, H, W) of any size, to gray values float32 (N, SIDE, SIDE)."""
    blocks = [
        F.interpolate(_gray(images[start : start + ROWS_PER_BLOCK]), size=(SIDE, SIDE), mode="area")[:, 0]
        for start in range(0, len(images), ROWS_PER_BLOCK)
    ]
    return torch.cat(blocks).numpy() if blocks else np.zeros((0, SIDE, SIDE), np.float32)


def copy_similarity(images: Thumbnails, originals: Thumbnails) -> NDArray[np.float32]:
    """Similarity of each image to its nearest original, mirrored and shifted as may be.

    Returns:
        float32 (N,) in [-1, 1]: the largest correlation of the middle of the image with a part of the same
        size of any original or its mirror image; 1 for a copy.
    """
    return _largest_correlation(images, originals, skip_itself=False)


def repeat_similarity(images: Thumbnails) -> NDArray[np.float32]:
    """Similarity of each image to the most similar other one of the set, like `copy_similarity`."""
    return _largest_correlation(images, images, skip_itself=True)


def _largest_correlation(
    images: Thumbnails, originals: Thumbnails, *, skip_itself: bool
) -> NDArray[np.float32]:
    inner, side = slice(MAX_SHIFT, SIDE - MAX_SHIFT), SIDE - 2 * MAX_SHIFT
    middles = _normalized(torch.from_numpy(images)[:, inner, inner])
    largest = torch.full((len(images),), -1.0)
    for start in range(0, len(originals), ROWS_PER_BLOCK):
        block = torch.from_numpy(originals[start : start + ROWS_PER_BLOCK])
        itself = torch.arange(len(block))
        for source in (block, block.flip(2)):
            for top in range(2 * MAX_SHIFT + 1):
                for left in range(2 * MAX_SHIFT + 1):
                    parts = _normalized(source[:, top : top + side, left : left + side])
                    correlation = middles @ parts.T
                    if skip_itself:
                        correlation[start + itself, itself] = -1
                    largest = torch.maximum(largest, correlation.amax(1))
    found: NDArray[np.float32] = largest.numpy()
    return found


def _gray(images: NDArray[np.uint8]) -> Tensor:
    """float32 (N, 1, H, W)."""
    return torch.from_numpy(np.array(images)).float().mean(1, keepdim=True)


def _normalized(images: Tensor) -> Tensor:
    """Rows (N, K) with mean 0 and length 1; flat images are all 0, so they correlate with nothing."""
    rows = images.flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    lengths: Tensor = rows.norm(dim=1, keepdim=True).clamp_min(1e-3)
    return rows / lengths
