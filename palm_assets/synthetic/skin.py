"""Albedo of skin, nails, nail polish and rings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from palm_assets.synthetic.noise import blur, sample_noise
from palm_assets.synthetic.people import Person
from palm_assets.synthetic.relief import Relief, Tube
from palm_assets.synthetic.types import Aspect, Colors, Plane

# sRGB of the ten Monk tones as flesh under daylight. The back of the hand follows the scale; the palm has
# little pigment, so it stays light and pink, and darkens far less from tone to tone.
_BACK = ((238, 206, 192), (233, 197, 178), (227, 187, 158), (214, 169, 134), (195, 147, 110),
         (163, 117, 84), (134, 93, 67), (105, 72, 54), (82, 57, 45), (64, 45, 38))  # fmt: skip
_PALM = ((240, 200, 186), (236, 193, 176), (231, 184, 162), (222, 170, 143), (210, 155, 124),
         (196, 139, 104), (182, 127, 95), (167, 114, 84), (151, 101, 77), (136, 90, 71))  # fmt: skip
_POLISH = ((150, 16, 36), (190, 40, 80), (28, 22, 30), (214, 150, 160), (70, 20, 60), (205, 60, 40))
_METALS = ((226, 190, 110), (210, 210, 214), (222, 170, 140))


def linear(srgb: npt.ArrayLike) -> Colors:
    """From sRGB 0 to 255 to linear light 0 to 1; approximated by gamma 2."""
    scaled = np.asarray(srgb, np.float32) / np.float32(255)
    return np.asarray(scaled * scaled, np.float32)


def skin_tone(person: Person, aspect: Aspect) -> Colors:
    """Mean skin color of a person's palm or back of the hand, linear RGB ``(3,)``."""
    base = linear((_PALM if aspect == "palmar" else _BACK)[person.monk_tone - 1])
    # Undertone: little blood makes the same tone golden, much blood rosy.
    golden = 0.5 - person.flush
    return np.asarray(base * np.array([1.0, 1 + 0.06 * golden, 1 - 0.30 * golden]), np.float32)


def paint_skin(
    person: Person,
    aspect: Aspect,
    relief: Relief,
    creases: Plane,
    unit: float,
    scale: float,
    rng: np.random.Generator,
) -> Colors:
    """Albedo of the skin over the whole image, linear RGB ``(3, H, W)``; meaningful where the mask is.

    Args:
        person: whose skin.
        aspect: which side of the hand.
        relief: the hand's planes.
        creases: depth of the creases, 0 to 1.
        unit: pixels a hand unit.
        scale: size of the image over 256 px.
        rng: mottling, polish, metal.
    """
    shape = relief.mask.shape
    dark = (person.monk_tone - 1) / 9
    red = _redness(person, aspect, relief, scale, rng)
    tint = (0.03, -0.08, -0.075)
    pore = 1 + 0.018 * sample_noise(rng, "fine", shape, scale)
    pore += 0.02 * sample_noise(rng, "middle", shape, scale)
    # Creases of dark palms carry pigment; those of fair ones are mostly shadow and a little red.
    bite = np.array([0.31, 0.45, 0.48]) * (1 + 0.35 * dark) * (1.0 if aspect == "palmar" else 0.7)
    fold = np.maximum(creases, 0.45 * blur(creases, 0.012 * unit))
    base = skin_tone(person, aspect)
    skin = np.empty((3, *shape), np.float32)
    for c in range(3):
        skin[c] = base[c] * pore * (1 + np.float32(tint[c]) * red) * (1 - np.float32(bite[c]) * fold)
    if aspect == "dorsal":
        _paint_back(person, relief, skin, scale, rng)
    if person.ring and relief.fingers[2] is not None:
        _paint_ring(relief.fingers[2], skin, rng)
    return skin


def _redness(person: Person, aspect: Aspect, relief: Relief, scale: float, rng: np.random.Generator) -> Plane:
    """Redness from blood: fingertips, mounds and blotches; -0.5 to 1.8."""
    shape = relief.mask.shape
    red = 0.55 * sample_noise(rng, "coarse", shape, scale) + 0.35 * sample_noise(rng, "middle", shape, scale)
    red *= np.float32(0.6 + 0.7 * person.flush)
    red += np.float32(12 if aspect == "palmar" else 5) * np.clip(relief.swell, -0.05, 0.08)
    tips = np.float32(0.6 + 0.8 * person.flush if aspect == "palmar" else 0.5)
    for tube in (*relief.fingers, relief.thumb):
        if tube is not None:
            red[tube.window] += (0.25 + tips * np.clip((tube.u - 0.55) * 2.2, 0, 1)) * tube.cover
    return np.clip(red, -0.5, 1.8).astype(np.float32)


def _paint_back(person: Person, relief: Relief, skin: Colors, scale: float, rng: np.random.Generator) -> None:
    """Darker knuckles, hair and nails of the back of the hand."""
    polish = linear(_POLISH[int(rng.integers(len(_POLISH)))]) if person.nail_polish else None
    for number, tube in enumerate((*relief.fingers, relief.thumb)):
        if tube is None:
            continue
        joint = 0.42 if number < 4 else 0.62
        spot = np.exp(-(((tube.u - joint) / 0.07) ** 2) - (tube.v / 0.8) ** 2) * tube.cover
        skin[:, *tube.window] *= 1 - spot * _column(0.16, 0.22, 0.22)
        _paint_nail(tube, skin, polish, turned=number == 4)
    if person.hairy > 0.3:
        hair = np.clip(sample_noise(rng, "grain", relief.mask.shape, scale, stretch=(3, 1)) - 1.25, 0, 1)
        skin *= 1 - np.float32(0.28 * person.hairy) * hair


def _paint_nail(tube: Tube, skin: Colors, polish: Colors | None, *, turned: bool) -> None:
    """One nail: a rounded plate with a pale moon, a free edge and a soft rim; the thumb's is turned."""
    middle = -0.30 if turned else 0.0
    x = (tube.v - np.float32(middle)) / np.float32(0.52 if turned else 0.64)
    y = (tube.u - np.float32(0.885)) / np.float32(0.082 if turned else 0.088)
    r = (x**4 + np.abs(y) ** 3) ** 0.3
    plate = np.clip((1 - r) * 5, 0, 1) * tube.cover
    rim = np.exp(-(((r - 1) * 6) ** 2)) * (y < 0.5) * tube.cover
    here = skin[:, *tube.window]
    if polish is not None:
        color = np.broadcast_to(polish[:, None, None], here.shape)
    else:
        pale = np.clip((y - 0.62) * 4, 0, 1)
        color = here * _column(1.06, 1.08, 1.12) + _column(0.09, 0.055, 0.055)
        color = color * (1 - pale) + pale * _column(0.78, 0.72, 0.64)
    weight = plate * np.float32(0.85)
    skin[:, *tube.window] = (here + (color - here) * weight) * (1 - np.float32(0.28) * rim)


def _paint_ring(tube: Tube, skin: Colors, rng: np.random.Generator) -> None:
    """A band of metal near the root of a finger, brighter where it faces the light."""
    metal = linear(_METALS[int(rng.integers(len(_METALS)))])
    place = np.float32(rng.uniform(0.16, 0.24))
    beside = np.abs(tube.u - place + 0.012 * (1 - tube.v**2))
    band = np.clip((0.028 - beside) * 60, 0, 1) * tube.cover
    gloss = 0.45 + 0.75 * np.exp(-(((tube.v + 0.3) / 0.3) ** 2))
    here = skin[:, *tube.window]
    skin[:, *tube.window] = here + (metal[:, None, None] * gloss - here) * band


def _column(red: float, green: float, blue: float) -> Colors:
    return np.array([[[red]], [[green]], [[blue]]], np.float32)
