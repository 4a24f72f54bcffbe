"""A grid of images with their labeled boxes and the detection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from palm_assets.detector.detection import Detection
from palm_assets.image_grid import grid

TILE = 160
TRUTH = (255, 255, 255)
FOUND = (40, 220, 90)


def detection_grid(
    photos: Sequence[np.ndarray],
    truths: Sequence[Sequence[tuple[float, float, float, float]]],
    found: Sequence[Detection | None],
) -> Image.Image:
    """One tile per photo: labeled boxes (center and size as fractions) in white, the detection in green."""
    tiles = []
    for photo, boxes, detection in zip(photos, truths, found, strict=True):
        height, width = photo.shape[:2]
        scale = TILE / max(height, width)
        tile = Image.new("RGB", (TILE, TILE), (32, 32, 32))
        tile.paste(
            Image.fromarray(photo).resize((max(1, round(width * scale)), max(1, round(height * scale))))
        )
        draw = ImageDraw.Draw(tile)
        for x, y, w, h in boxes:
            corners = ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height)
            draw.rectangle([value * scale for value in corners], outline=TRUTH, width=1)
        if detection is not None:
            draw.rectangle([value * scale for value in detection.box], outline=FOUND, width=2)
            draw.text((3, 3), f"{detection.confidence:.2f}", fill=FOUND)
        tiles.append(np.asarray(tile).transpose(2, 0, 1))
    return grid(tiles)
