"""The sleeve that some people wear."""

from __future__ import annotations

import colorsys

import numpy as np

from palm_assets.synthetic.anatomy import Hand
from palm_assets.synthetic.noise import blur, sample_noise
from palm_assets.synthetic.relief import fill_polygon
from palm_assets.synthetic.skin import linear
from palm_assets.synthetic.types import Colors, Plane, Shape


def render_sleeve(
    hand: Hand, hue: float, shape: Shape, scale: float, rng: np.random.Generator
) -> tuple[Plane, Plane, Colors]:
    """A sleeve around the forearm: its mask ``(H, W)``, its height in pixels, its cloth ``(3, H, W)``."""
    down = hand.elbow
    side = np.array([-down[1], down[0]])
    start = rng.uniform(0.10, 0.55)
    wide = rng.uniform(0.40, 0.50)
    skew = rng.normal(0, 0.05)
    across = np.linspace(-1, 1, 9)
    hem = start + skew * across + 0.035 * (1 - across**2) + rng.normal(0, 0.006, 9)
    edge = hem[:, None] * down + (across * wide)[:, None] * side
    far = np.array([3.0 * down + 1.5 * wide * side, 3.0 * down - 1.5 * wide * side])
    mask = blur(fill_polygon(np.vstack([edge, far]) * hand.unit + hand.origin, shape), 0.8)
    value = rng.uniform(0.08, 0.9)
    base = linear(np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0, 0.75), value)) * 255)
    folds = sample_noise(rng, "middle", shape, scale, stretch=(2, 1))
    height = np.float32(hand.unit) * (0.24 * blur(mask, 0.10 * hand.unit) + np.float32(0.008) * folds * mask)
    knit = 1 + np.float32(0.10) * sample_noise(rng, "grain", shape, scale) + np.float32(0.06) * folds
    return mask, height, np.asarray(knit * base[:, None, None], np.float32)
