"""Smooth curves through a few points."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from palm_assets.synthetic.types import Points


def smooth_closed(points: Points, steps: int = 6) -> Points:
    """A closed Catmull-Rom curve through ``points``, ``steps`` points a piece."""
    t = (np.arange(steps) / steps)[None, :, None]
    p0, p1, p2, p3 = (np.roll(points, k, axis=0)[:, None, :] for k in (1, 0, -1, -2))
    return _catmull_rom(p0, p1, p2, p3, t).reshape(-1, 2)


def smooth_open(points: npt.ArrayLike, count: int = 24) -> Points:
    """A Catmull-Rom curve through ``points`` from the first to the last, ``count`` points."""
    p = np.asarray(points, float)
    return np.asarray(_open_weights(len(p), count) @ p)


@lru_cache(maxsize=64)
def _open_weights(known: int, count: int) -> npt.NDArray[np.float64]:
    """Catmull-Rom is linear in its points: the weight of each of them at each place on the curve."""
    p = np.eye(known)
    p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    at = np.linspace(0, known - 1 - 1e-9, count)
    k = at.astype(int)
    t = (at - k)[:, None]
    p0, p1, p2, p3 = p[k], p[k + 1], p[k + 2], p[k + 3]
    return _catmull_rom(p0, p1, p2, p3, t)


def _catmull_rom(p0: Points, p1: Points, p2: Points, p3: Points, t: Points) -> Points:
    linear, square, cube = p2 - p0, 2 * p0 - 5 * p1 + 4 * p2 - p3, 3 * (p1 - p2) + p3 - p0
    return np.asarray(0.5 * (2 * p1 + linear * t + square * t**2 + cube * t**3))
