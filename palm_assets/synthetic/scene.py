"""Backgrounds: a table, a sheet of paper, a cloth, a room."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import cv2
import numpy as np

from palm_assets.synthetic.noise import Coarseness, sample_noise
from palm_assets.synthetic.skin import linear
from palm_assets.synthetic.types import Colors, Plane, Shape


def render_background(rng: np.random.Generator, size: int) -> Colors:
    """Sample a background, linear RGB ``(3, size, size)``: nearly half of them plain."""
    makers: tuple[tuple[float, Callable[[np.random.Generator, int], Colors]], ...] = (
        (0.30, _white), (0.16, _gradient), (0.12, _paper), (0.14, _wood), (0.14, _cloth), (0.14, _clutter),
    )  # fmt: skip
    pick = int(rng.choice(len(makers), p=[share for share, _ in makers]))
    return makers[pick][1](rng, size)


def sample_color(rng: np.random.Generator, saturation: float, value: tuple[float, float]) -> Colors:
    """Sample a color of any hue, linear RGB ``(3,)``."""
    rgb = colorsys.hsv_to_rgb(rng.random(), saturation * rng.random(), rng.uniform(*value))
    return linear(np.array(rgb) * 255)


def _noise(rng: np.random.Generator, coarseness: Coarseness, size: int, stretch: Shape = (1, 1)) -> Plane:
    """Noise over the whole image."""
    return sample_noise(rng, coarseness, (size, size), size / 256, stretch=stretch)


def _ramp(rng: np.random.Generator, size: int) -> Plane:
    """A slope in a random direction, 0 to 1."""
    axis = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    return np.asarray(0.5 + 0.7 * (np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None]), np.float32)


def _mix(first: Colors, second: Colors, share: Plane) -> Colors:
    """From one color to another, ``(3, H, W)``."""
    return np.asarray(first[:, None, None] + (second - first)[:, None, None] * share, np.float32)


def _white(rng: np.random.Generator, size: int) -> Colors:
    tint = np.array([1, 1, 1], np.float32) - rng.random(3).astype(np.float32) * np.float32(0.08)
    level = np.float32(rng.uniform(0.78, 1.12))
    ramp = 1 - np.float32(rng.uniform(0, 0.14)) * _ramp(rng, size)
    return np.asarray(ramp * (tint * level)[:, None, None], np.float32)


def _gradient(rng: np.random.Generator, size: int) -> Colors:
    first, second = sample_color(rng, 0.55, (0.2, 0.95)), sample_color(rng, 0.35, (0.3, 0.95))
    ramp = _ramp(rng, size) * np.float32(rng.uniform(0.2, 1))
    return _mix(first, second, ramp)


def _paper(rng: np.random.Generator, size: int) -> Colors:
    base = linear([rng.uniform(215, 250), rng.uniform(212, 246), rng.uniform(195, 240)])
    fibre = 1 + 0.025 * _noise(rng, "fine", size) + 0.03 * _noise(rng, "coarse", size)
    sheet = fibre * base[:, None, None]
    if rng.random() < 0.4:
        canvas = np.zeros((size, size), np.uint8)
        gap, slope = rng.uniform(0.04, 0.09) * size, rng.uniform(-0.3, 0.3) * size
        for y in np.arange(-slope - gap, size + slope + gap, gap):
            cv2.line(canvas, (0, round(y)), (size, round(y + slope)), 150, max(1, size // 256), cv2.LINE_AA)
        ink = linear(rng.choice([[120, 140, 190], [150, 150, 150], [200, 130, 130]]))
        weight = canvas.astype(np.float32) / np.float32(255)
        sheet = sheet + (ink[:, None, None] - sheet) * weight
    return np.asarray(sheet, np.float32)


def _wood(rng: np.random.Generator, size: int) -> Colors:
    upright = rng.random() < 0.5
    rings = _noise(rng, "coarse", size, (4, 1) if upright else (1, 4))
    grain = 0.5 + 0.5 * np.sin(rings * np.float32(rng.uniform(3, 9)))
    grain = 0.6 * grain + 0.2 + 0.16 * _noise(rng, "fine", size, (12, 1) if upright else (1, 12))
    light, dark = rng.uniform(0.5, 0.9), rng.uniform(0.45, 0.8)
    bright = linear(np.array([214, 170, 124]) * light)
    deep = bright * np.array([1.0, 0.85, 0.7], np.float32) * np.float32(dark)
    return _mix(deep, bright, np.asarray(grain, np.float32))


def _cloth(rng: np.random.Generator, size: int) -> Colors:
    base = sample_color(rng, 0.8, (0.12, 0.95))
    axis = np.arange(size, dtype=np.float32) * np.float32(256 / size)
    pitch = np.float32(rng.uniform(1.1, 2.6))
    weave = np.sin(axis * pitch)[None, :] * np.sin(axis * pitch + 1)[:, None]
    folds = _noise(rng, "coarse", size, (1, 2))
    gx = cv2.Sobel(folds, cv2.CV_32F, 1, 1, ksize=3)
    level = 1 + np.float32(0.06) * weave + np.float32(rng.uniform(0.03, 0.16)) * folds + gx
    cloth = base[:, None, None] * level
    if rng.random() < 0.45:
        other = sample_color(rng, 0.7, (0.2, 0.95))
        angle, width = rng.uniform(0, np.pi), rng.uniform(0.08, 0.35)
        slope = (
            np.float32(width * np.cos(angle)) * axis[None, :]
            + np.float32(width * np.sin(angle)) * axis[:, None]
        )
        phase = slope + 0.5 * folds
        stripe = np.clip(np.sin(phase) * 3, 0, 1) * np.float32(rng.uniform(0.3, 0.9))
        cloth = cloth + (other[:, None, None] * level - cloth) * stripe
    return np.asarray(np.maximum(cloth, 0), np.float32)


def _clutter(rng: np.random.Generator, size: int) -> Colors:
    """A room out of focus: blurred shapes of all sizes."""
    room = np.asarray(cv2.merge(list((_gradient if rng.random() < 0.6 else _wood)(rng, size))), np.float32)
    for _ in range(int(rng.integers(6, 22))):
        color = sample_color(rng, 0.65, (0.05, 0.95)).tolist()
        center = (int(rng.integers(size)), int(rng.integers(size)))
        extent = (int(size * rng.uniform(0.03, 0.3)) + 1, int(size * rng.uniform(0.02, 0.25)) + 1)
        angle, kind = float(rng.uniform(0, 180)), int(rng.integers(3))
        if kind == 0:
            cv2.ellipse(room, center, extent, angle, 0, 360, color, -1)
        elif kind == 1:
            corners = cv2.boxPoints((center, (2.0 * extent[0], 2.0 * extent[1]), angle))
            cv2.fillPoly(room, [np.round(corners).astype(np.int32)], color)
        else:
            end = (int(rng.integers(size)), int(rng.integers(size)))
            cv2.line(room, center, end, color, max(1, extent[1] // 8))
    sigma = float(rng.uniform(1.6, 8)) * size / 256
    factor = 2 if sigma > 2.5 else 1
    small = cv2.resize(room, (size // factor, size // factor), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / factor)
    planes = np.stack(cv2.split(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)))
    return np.asarray(planes * (1 + 0.06 * _noise(rng, "middle", size)), np.float32)
