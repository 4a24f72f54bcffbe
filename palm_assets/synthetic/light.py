"""Shading of the height field, the shadow on the table, and the exposure of the camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from palm_assets.synthetic.noise import blur, sample_noise
from palm_assets.synthetic.types import Colors, Image, Plane

_CURVE_STEPS = 4096


@dataclass(frozen=True)
class Light:
    """One lamp and the light of the room.

    Attributes:
        toward: unit vector to the lamp, x right, y down, z to the camera.
        lamp: color and strength of the lamp, linear RGB ``(3,)``.
        room: color and strength of the light from all around, linear RGB ``(3,)``.
        shadow: how dark the shadow on the table is, 0 to 1.
        softness: width of the shadow's edge, hand units.
    """

    toward: npt.NDArray[np.float64]
    lamp: Colors
    room: Colors
    shadow: float
    softness: float


def sample_light(rng: np.random.Generator) -> Light:
    """Sample a light: daylight to lamplight, from overhead to raking."""
    azimuth, height = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(35, 68))
    toward = np.array([np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)])
    warm = float(np.clip(rng.normal(0.0, 0.055), -0.10, 0.15))
    color = np.array([1 + warm, 1.0, 1 - 1.3 * warm], np.float32)
    room = float(rng.uniform(0.30, 0.56))
    strength = float(np.clip(rng.normal(1.04, 0.11), 0.72, 1.3))
    # A flat sheet facing the camera gets exactly `strength`, whatever the angle of the lamp.
    lamp = (1 - room) / float(toward[2])
    return Light(
        toward=toward,
        lamp=np.asarray(color * lamp * strength, np.float32),
        room=np.asarray((0.5 + 0.5 * color) * room * strength, np.float32),
        shadow=float(rng.uniform(0.15, 0.6)),
        softness=float(rng.uniform(0.03, 0.12)),
    )


def shade(albedo: Colors, height: Plane, creases: Plane, gloss: Plane, unit: float, light: Light) -> Colors:
    """Shade the hand: diffuse light with subsurface wrap, ambient occlusion and highlights.

    Args:
        albedo: color of the surface, linear RGB ``(3, H, W)``.
        height: height field, pixels.
        creases: depth of the creases, 0 to 1; they are cut into the height field.
        gloss: strength of the highlights, 0 to 1, ``(H, W)``.
        unit: pixels a hand unit.
        light: the light.
    """
    groove = 0.018 * creases + 0.010 * blur(creases, 0.02 * unit)
    carved = np.asarray(height - np.float32(unit) * groove, np.float32)
    gx = cv2.Sobel(carved, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    gy = cv2.Sobel(carved, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    norm = 1 / np.sqrt(gx * gx + gy * gy + np.float32(1))
    lx, ly, lz = (np.float32(v) for v in light.toward)
    facing = (lz - lx * gx - ly * gy) * norm
    # Skin scatters: light bends a little past the edge of the shadow.
    wrap = np.float32(0.25)
    direct = np.maximum((facing + wrap) / (1 + wrap), 0)
    # What lies lower than its surroundings sees less of the room.
    hidden = np.clip((blur(carved, 0.09 * unit) - carved) * np.float32(4.5 / unit), 0, 0.55)
    around = (np.float32(0.72) + np.float32(0.28) * norm) * (1 - hidden)
    direct *= 1 - np.float32(0.6) * hidden
    hx, hy, hz = _halfway(light)
    shine = np.maximum((hz - hx * gx - hy * gy) * norm, 0)
    for _ in range(4):
        shine = shine * shine
    shine *= gloss
    lit = np.empty_like(albedo)
    for c in range(3):
        # The last light that leaves the skin at the terminator is red.
        glow = np.float32((0.10, 0.0, -0.02)[c]) * direct * (1 - direct)
        lit[c] = albedo[c] * (light.lamp[c] * (direct + glow) + light.room[c] * around)
        lit[c] += light.lamp[c] * shine
    return lit


def cast_shadow(mask: Plane, unit: float, light: Light) -> Plane:
    """Share of the lamp that reaches the table beside the hand, ``(H, W)``, 0 to 1."""
    offset = -light.toward[:2] * unit * 0.13
    move = np.array([[1, 0, offset[0]], [0, 1, offset[1]]])
    moved = cv2.warpAffine(mask, move, mask.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    wide = blur(np.asarray(moved, np.float32), light.softness * unit)
    contact = blur(mask, 0.035 * unit)
    return np.asarray(1 - light.shadow * np.maximum(wide, 0.7 * contact), np.float32)


def expose(scene: Colors, rng: np.random.Generator) -> Image:
    """Linear light to 8-bit sRGB as a small camera does: vignette, softness, sensor noise."""
    size = scene.shape[1]
    axis = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    steps = _CURVE_STEPS * (1 - rng.uniform(0, 0.14) * (axis[None, :] + axis[:, None]).astype(np.float32))
    softness = float(rng.uniform(0.35, 0.75)) * size / 256
    noise = sample_noise(rng, "grain", (size, size), size / 256) * np.float32(rng.uniform(0.3, 2.2))
    planes = []
    for plane in scene:
        level = np.clip(plane * steps, 0, 2 * _CURVE_STEPS - 1).astype(np.int32)
        soft = cv2.GaussianBlur(_curve()[level], (0, 0), softness)
        planes.append(np.clip(soft + noise, 0, 255).astype(np.uint8))
    return np.asarray(cv2.merge(planes), np.uint8)


@lru_cache(maxsize=1)
def _curve() -> npt.NDArray[np.float32]:
    """Linear light (0 to 2, in steps) to 0 to 255: gamma 2 with a highlight roll-off."""
    level = np.sqrt(np.arange(2 * _CURVE_STEPS, dtype=np.float32) / np.float32(_CURVE_STEPS))
    level = np.where(level > 0.85, 1 - 0.15 * np.exp((0.85 - level) / 0.15), level)
    return np.asarray(level * 255 + 0.5, np.float32)


def _halfway(light: Light) -> tuple[np.float32, np.float32, np.float32]:
    half = light.toward + np.array([0.0, 0.0, 1.0])
    half /= np.linalg.norm(half)
    return np.float32(half[0]), np.float32(half[1]), np.float32(half[2])
