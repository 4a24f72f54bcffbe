"""From the geometry of a hand to a mask and a height field."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from palm_assets.synthetic.anatomy import Finger, Hand
from palm_assets.synthetic.noise import blur
from palm_assets.synthetic.types import Aspect, Plane, Points, Shape, Window

# Mounds and hollows: x, y, spread along x and y, turn in degrees, height (all hand units).
_PALMAR_MOUNDS = (
    (-0.25, 0.38, 0.15, 0.25, 28, 0.125),  # thenar
    (0.30, 0.36, 0.13, 0.26, -8, 0.09),  # hypothenar
    (0.02, 0.60, 0.20, 0.20, 0, -0.065),  # hollow of the palm
    (-0.235, 1.06, 0.07, 0.07, 0, 0.020),  # pads below the fingers
    (0.005, 1.07, 0.07, 0.07, 0, 0.022),
    (0.245, 1.00, 0.07, 0.07, 0, 0.022),
    (-0.36, 0.92, 0.07, 0.09, 0, 0.015),
    (0.40, 0.83, 0.07, 0.09, 0, 0.018),
    (0.0, 0.10, 0.10, 0.14, 0, -0.015),
)
_DORSAL_MOUNDS = (
    (-0.330, 0.86, 0.075, 0.085, 0, 0.050),  # knuckles
    (-0.110, 0.91, 0.075, 0.085, 0, 0.055),
    (0.115, 0.86, 0.070, 0.080, 0, 0.050),
    (0.320, 0.75, 0.065, 0.075, 0, 0.042),
    (-0.220, 0.84, 0.040, 0.16, 0, -0.020),
    (0.005, 0.84, 0.040, 0.16, 0, -0.020),
    (0.220, 0.78, 0.040, 0.15, 0, -0.018),
    (-0.28, 0.50, 0.12, 0.16, 30, 0.020),
)
_TENDONS = (((-0.31, 0.84), (-0.10, 0.12)), ((-0.11, 0.88), (-0.02, 0.12)), ((0.11, 0.84), (0.05, 0.12)),
            ((0.30, 0.74), (0.11, 0.14)))  # fmt: skip


@dataclass(frozen=True)
class Tube:
    """A finger as pixels: its window, and its own coordinates there.

    Attributes:
        window: rows and columns of the image that hold the finger.
        u: position along the axis, 0 root to 1 tip, ``(h, w)``.
        v: position across in local half widths, -1 to 1.
        cover: share of each pixel that the finger covers, 0 to 1.
        height: height above the table, pixels.
    """

    window: Window
    u: Plane
    v: Plane
    cover: Plane
    height: Plane


@dataclass(frozen=True)
class Relief:
    """The hand as planes over the image.

    Attributes:
        mask: share of each pixel that is hand, 0 to 1.
        height: height field in pixels; meaningful where the mask is.
        fingers: the four fingers, index to little; ``None`` where one lies outside the image.
        thumb: the thumb, or ``None``.
        swell: height of the mounds (negative: hollows), hand units.
    """

    mask: Plane
    height: Plane
    fingers: tuple[Tube | None, ...]
    thumb: Tube | None
    swell: Plane


def build_relief(hand: Hand, aspect: Aspect, shape: Shape, veins: float) -> Relief:
    """Combine palm, fingers and thumb into one height field.

    Args:
        hand: the posed hand.
        aspect: which mounds it shows.
        shape: rows and columns of the planes.
        veins: how far tendons stand out on the back of the hand, 0 to 1.
    """
    flat = fill_polygon(hand.outline, shape)
    fingers = tuple(_tube(f, shape) for f in hand.fingers)
    thumb = _tube(hand.thumb, shape)
    mask = flat.copy()
    for tube in (*fingers, thumb):
        if tube is not None:
            np.maximum(mask[tube.window], tube.cover, out=mask[tube.window])
    mask = _fillet(mask, 0.016 * hand.unit)
    # The palm is a slab with rounded edges; the fingers grow out of it.
    inner = np.clip(2 * blur(mask, 0.055 * hand.unit) - 1, 0, 1)
    height = 0.115 * hand.unit * inner * (2 - inner)
    swell = _mounds(hand, aspect, shape, veins)
    height += np.float32(hand.unit) * swell * blur(flat, 0.03 * hand.unit)
    # Seen from the palm a fold marks the root of a finger; on the back the skin runs on.
    height *= 0.35 + 0.65 * (flat if aspect == "palmar" else blur(flat, 0.09 * hand.unit))
    for tube in (*fingers, thumb):
        if tube is not None:
            np.maximum(height[tube.window], tube.height, out=height[tube.window])
    height = blur(height, 0.011 * hand.unit)
    return Relief(mask=mask, height=height, fingers=fingers, thumb=thumb, swell=swell)


def fill_polygon(polygon: Points, shape: Shape) -> Plane:
    """An antialiased polygon, 0 to 1, of the given shape."""
    canvas = np.zeros(shape, np.uint8)
    cv2.fillPoly(canvas, [np.round(polygon * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    return np.asarray(canvas * np.float32(1 / 255), np.float32)


def _fillet(mask: Plane, sigma: float) -> Plane:
    """Round the corners between fingers, as webs of skin do, and soften the edge by under a pixel."""
    soft = blur(mask, max(sigma, 0.6))
    steep = max(1.0, 1.7 * sigma)
    return np.asarray(np.clip((soft - 0.5) * steep + 0.5, 0, 1), np.float32)


def _tube(finger: Finger, shape: Shape) -> Tube | None:
    reach = np.array([finger.start, 0.0, 0.5, 1.0])
    axis = finger.at(reach, np.zeros(4))
    margin = finger.radius * max(finger.widths) + 2
    low = np.maximum(np.floor(axis.min(axis=0) - margin).astype(int), 0)
    high = np.minimum(np.ceil(axis.max(axis=0) + margin).astype(int), shape[::-1])
    if (high - low).min() < 2:
        return None
    x = np.arange(low[0], high[0], dtype=np.float32)[None, :] + np.float32(0.5 - finger.root[0])
    y = np.arange(low[1], high[1], dtype=np.float32)[:, None] + np.float32(0.5 - finger.root[1])
    a, c = finger.along.astype(np.float32), finger.across.astype(np.float32)
    u = (x * a[0] + y * a[1]) * np.float32(1 / finger.length)
    off = x * c[0] + y * c[1] - np.float32(4 * finger.bow) * u * (1 - u)
    half, rise, grown = _along(finger, u)
    # The tip is half an ellipse, a little longer than wide.
    tip = 1.12 * float(np.interp(1.0, finger.stations, finger.widths)) * finger.radius
    over = np.maximum(u - np.float32(1 - tip / finger.length), 0) * np.float32(finger.length / tip)
    v = off / half
    q = np.minimum(np.sqrt(v * v + over * over), np.float32(1.3))
    inside = half * (1 - q)
    cover = np.clip(inside + np.float32(0.5), 0, 1) * (u > finger.start)
    # A flattened round cross-section that meets the table at a slope, not upright.
    dome = np.sqrt(np.maximum(1 - np.float32(0.86) * q * q, np.float32(0.14))) - np.float32(0.374)
    height = (np.float32(1.38) * dome * half + rise) * grown * (inside > -1)
    window = (slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0])))
    return Tube(window=window, u=u, v=v, cover=cover, height=height)


def _along(finger: Finger, u: Plane) -> tuple[Plane, Plane, Plane]:
    """Everything that depends on the position along the axis alone, by table look-up, for speed.

    Returns:
        Half width and height of the axis in pixels, and how far the finger has risen out of the palm, 0 to 1.
    """
    grid = np.linspace(-0.6, 1.2, 361)
    half = np.interp(grid, finger.stations, finger.widths)
    half = cv2.GaussianBlur(half[None, :], (0, 0), 6.0)[0] * finger.radius
    knots = np.array([0.0, *finger.joints[-2:], 1.0])
    rise = np.concatenate([[0.0], np.cumsum(np.diff(knots) * np.array(finger.pitch))])
    grown = np.clip((grid - finger.start) / (finger.full - finger.start), 0, 1)
    table = np.stack([half, finger.length * np.interp(grid, knots, rise), grown * grown * (3 - 2 * grown)])
    place = ((u + np.float32(0.6)) * np.float32(200)).astype(np.intp)
    half_, rise_, grown_ = (np.take(row, place, mode="clip") for row in table.astype(np.float32))
    return half_, rise_, grown_


def _mounds(hand: Hand, aspect: Aspect, shape: Shape, veins: float) -> Plane:
    """Sum of Gaussian mounds, computed at a sixth of the resolution: it has no finer detail."""
    high, wide = max(4, shape[0] // 6), max(4, shape[1] // 6)
    back = np.linalg.inv(hand.turn)
    px = ((np.arange(wide) + 0.5) * (shape[1] / wide) - hand.origin[0])[None, :]
    py = ((np.arange(high) + 0.5) * (shape[0] / high) - hand.origin[1])[:, None]
    x = (back[0, 0] * px + back[0, 1] * py).astype(np.float32)
    y = (back[1, 0] * px + back[1, 1] * py).astype(np.float32)
    total = np.zeros((high, wide), np.float32)
    for cx, cy, sx, sy, turned, rise in _PALMAR_MOUNDS if aspect == "palmar" else _DORSAL_MOUNDS:
        t = np.deg2rad(turned)
        dx, dy = x - cx, y - cy
        a, b = (np.cos(t) * dx - np.sin(t) * dy) / sx, (np.sin(t) * dx + np.cos(t) * dy) / sy
        total += rise * np.exp(-0.5 * np.minimum(a * a + b * b, 40)).astype(np.float32)
    swell = np.asarray(cv2.resize(total, shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    if aspect == "dorsal" and veins > 0:
        swell += np.float32(0.05 * veins) * _tendons(hand, shape)
    return swell


def _tendons(hand: Hand, shape: Shape) -> Plane:
    canvas = np.zeros(shape, np.uint8)
    for line in _TENDONS:
        ends = np.round(hand.to_pixels(line) * 16).astype(np.int32)
        width = max(1, round(0.03 * hand.unit))
        cv2.line(canvas, ends[0].tolist(), ends[1].tolist(), 255, width, cv2.LINE_AA, 4)
    return blur(canvas.astype(np.float32) * np.float32(1 / 255), 0.025 * hand.unit)
