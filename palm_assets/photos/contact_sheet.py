"""A contact sheet of photographs."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from palm_assets.image_grid import grid
from palm_assets.photos.index import PhotoIndex

TILES = 48
TILE = 128


def examples(index: PhotoIndex) -> Image.Image:
    """Up to 48 photographs, spread evenly over the set."""
    chosen = np.linspace(0, len(index.photos) - 1, min(TILES, len(index.photos))).astype(int)
    photos = [Image.fromarray(index.read(index.photos[i])) for i in chosen]
    tiles = [np.asarray(ImageOps.pad(photo, (TILE, TILE))).transpose(2, 0, 1) for photo in photos]
    return grid(tiles, columns=8)
