"""Images in any form (array, tensor, stream) as validated batches of equal length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from palm_assets.errors import QualityError
from palm_assets.quality.image_sets import ImageSet

Images = Tensor | NDArray[np.uint8] | Iterable[Tensor | NDArray[np.uint8]]


def count_of(images: Images) -> int:
    """Number of images if it is known without reading them, else 0."""
    if isinstance(images, Tensor | np.ndarray):
        return len(images) if images.ndim == 4 else 1
    if isinstance(images, ImageSet):
        return len(images)
    if isinstance(images, list | tuple) and all(item.ndim == 3 for item in images):
        return len(images)
    return 0


def batches_of(images: Images, size: int) -> Iterator[list[Tensor]]:
    """Validated uint8 tensors (?, 3, H, W) in lists of `size` images together, the last one shorter.

    A memory map is read piece by piece and copied: it may be read-only, and torch needs writable memory.

    Raises:
        QualityError: an item is not uint8 RGB; the message says which.
    """
    batch: list[Tensor] = []
    free, position = size, 0
    for item in [images] if isinstance(images, Tensor | np.ndarray) else images:
        stack = item[None] if item.ndim == 3 else item
        _require_uint8_rgb(stack, position)
        position += len(stack)
        start = 0
        while start < len(stack):
            part = stack[start : start + free]
            batch.append(part if isinstance(part, Tensor) else torch.from_numpy(np.array(part)))
            start, free = start + len(part), free - len(part)
            if free == 0:
                yield batch
                batch, free = [], size
    if batch:
        yield batch


def _require_uint8_rgb(item: Tensor | NDArray[np.uint8], position: int) -> None:
    shape = tuple(item.shape)
    if item.dtype not in (torch.uint8, np.uint8) or len(shape) != 4 or shape[1] != 3 or min(shape[2:]) < 1:
        raise QualityError(
            f"Expected uint8 RGB images (N, 3, H, W), got {item.dtype} {shape}",
            where=f"image {position}",
            hint="Convert the images to 8-bit RGB, channels first",
        )
