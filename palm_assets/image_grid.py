"""Grids of images, and small JPEG previews."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

GAP = 2  # pixels
WHITE = 255


def grid(images: np.ndarray | Sequence[np.ndarray], *, columns: int | None = None) -> Image.Image:
    """Arrange images of one size, uint8 RGB (N, 3, H, W), in a grid on white; near-square by default."""
    images = np.asarray(images)
    count, _, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    canvas = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), WHITE, np.uint8)
    for index, image in enumerate(images):
        top = GAP + (index // columns) * (height + GAP)
        left = GAP + (index % columns) * (width + GAP)
        canvas[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return Image.fromarray(canvas)


def jpeg(image: Image.Image, max_side: int) -> bytes:
    """Encode an image as JPEG, reduced to at most `max_side` pixels a side; for logs and previews."""
    small = image.copy()
    small.thumbnail((max_side, max_side))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=85)
    return content.getvalue()
