"""Pictures for people: grids and contact sheets."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

GAP = 2
PAPER = 255


def grid(images: np.ndarray | Sequence[np.ndarray], *, columns: int | None = None) -> Image.Image:
    """Lay images of one size, uint8 (N, 3, H, W), out in a near-square grid on white paper."""
    images = np.asarray(images)
    count, _, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), PAPER, np.uint8)
    for number, image in enumerate(images):
        top = GAP + (number // columns) * (height + GAP)
        left = GAP + (number % columns) * (width + GAP)
        sheet[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return Image.fromarray(sheet)


def jpeg(picture: Image.Image, pixels: int) -> bytes:
    """A small JPEG of a picture, at most `pixels` a side: for logs and pages, not for keeping."""
    small = picture.copy()
    small.thumbnail((pixels, pixels))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=85)
    return content.getvalue()
