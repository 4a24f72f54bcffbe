"""Noise at several scales: planes made once per process and cropped at random places."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np

from palm_assets.synthetic.types import Plane, Shape

_PLANE_SIZE = 768  # pixels a side; an image of 256 px has (768 - 256)^2 places to crop

Coarseness = Literal["grain", "fine", "middle", "coarse"]
_SIGMA: dict[str, float] = {"grain": 0.6, "fine": 1.6, "middle": 6.0, "coarse": 22.0}


@lru_cache(maxsize=8)
def _noise_plane(coarseness: str) -> Plane:
    # A fixed seed: the plane is a constant of the program.
    rng = np.random.default_rng([20240607, sorted(_SIGMA).index(coarseness)])
    plane = rng.standard_normal((_PLANE_SIZE, _PLANE_SIZE), dtype=np.float32)
    plane = np.asarray(cv2.GaussianBlur(plane, (0, 0), _SIGMA[coarseness]), np.float32)
    plane = np.asarray((plane - plane.mean()) / plane.std(), np.float32)
    plane.flags.writeable = False  # shared by every image of the process
    return plane


def sample_noise(
    rng: np.random.Generator, coarseness: Coarseness, shape: Shape, scale: float, *, stretch: Shape = (1, 1)
) -> Plane:
    """Sample a crop of noise of the given shape, mean 0, standard deviation about 1.

    Args:
        rng: decides where the crop lies.
        coarseness: ``grain``, ``fine``, ``middle`` or ``coarse``.
        shape: rows and columns wanted.
        scale: size of the image over 256 px; a larger image shows the same grains, larger.
        stretch: how many times longer than usual the grains are along y and x (wood, brushed cloth).
    """
    high, wide = (
        max(4, min(_PLANE_SIZE, round(n / (scale * s)))) for n, s in zip(shape, stretch, strict=True)
    )
    y, x = int(rng.integers(0, _PLANE_SIZE - high + 1)), int(rng.integers(0, _PLANE_SIZE - wide + 1))
    piece = _noise_plane(coarseness)[y : y + high, x : x + wide]
    if (high, wide) != shape:
        piece = np.asarray(cv2.resize(piece, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
    return piece


def blur(plane: Plane, sigma: float) -> Plane:
    """Gaussian blur; a wide one is computed at a lower resolution."""
    if sigma <= 2.5:
        return np.asarray(cv2.GaussianBlur(plane, _kernel(sigma), max(sigma, 0.2)), np.float32)
    factor = 4 if sigma > 6 else 2
    size = (plane.shape[1], plane.shape[0])
    less = (max(8, size[0] // factor), max(8, size[1] // factor))
    small = cv2.resize(plane, less, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, _kernel(sigma / factor), sigma / factor, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _kernel(sigma: float) -> tuple[int, int]:
    """Side of the kernel: 2.7 standard deviations either way; OpenCV's default of 4 takes 50 % longer."""
    side = 2 * math.ceil(2.7 * sigma) + 1
    return side, side
