"""Renders one photograph of a hand from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from palm_assets.errors import RequestError
from palm_assets.synthetic.anatomy import Hand, build_hand, palm_box
from palm_assets.synthetic.creases import finger_creases, knuckle_wrinkles, palm_creases, rasterize_creases
from palm_assets.synthetic.light import Light, cast_shadow, expose, sample_light, shade
from palm_assets.synthetic.noise import blur, sample_noise
from palm_assets.synthetic.people import HANDS_STREAM, Person, sample_person
from palm_assets.synthetic.pose import sample_pose
from palm_assets.synthetic.relief import build_relief
from palm_assets.synthetic.scene import render_background
from palm_assets.synthetic.skin import paint_skin
from palm_assets.synthetic.sleeve import render_sleeve
from palm_assets.synthetic.types import Aspect, Colors, Plane, Shape, Side, Window

PHOTOS_PER_PERSON = 8
MIN_SIZE, MAX_SIZE = 32, 2048


@dataclass(frozen=True)
class SyntheticHand:
    """A rendered photograph and its ground truth.

    Attributes:
        image: uint8 RGB ``(H, W, 3)``.
        palm_box: the palm from the wrist crease to the roots of the fingers, without them: xyxy pixels,
            clipped to the image. Also given for the back of a hand, where a detector should find no palm.
        person: whose hand it is.
        aspect: ``palmar`` or ``dorsal``.
        side: ``left`` or ``right`` as in 11k Hands: with the fingers up, the thumb of a "left"
            hand is on the image's right, palmar and dorsal alike.
        mask: share of each pixel that is bare skin, float32 ``(H, W)``, 0 to 1.
    """

    image: npt.NDArray[np.uint8]
    palm_box: tuple[float, float, float, float]
    person: Person
    aspect: Aspect
    side: Side
    mask: npt.NDArray[np.float32]


def render_hand(
    seed: int,
    index: int,
    *,
    size: int = 256,
    person: Person | None = None,
    aspect: Aspect | None = None,
    side: Side | None = None,
    max_tilt: float = 35.0,
    stream: int = HANDS_STREAM,
) -> SyntheticHand:
    """Render photo ``index`` of the infinite series of ``seed``.

    The same arguments give the same bytes, in any process and in any order.

    Args:
        seed: any integer of at least 0.
        index: which photo, at least 0.
        size: pixels a side, 32 to 2048.
        person: whose hand; by default every ``PHOTOS_PER_PERSON`` photos in a row share a person.
        aspect: ``palmar`` or ``dorsal``; by default three in four are palmar.
        side: ``left`` or ``right``; by default either.
        max_tilt: greatest rotation from "fingers up", degrees, 0 to 180.
        stream: which of the seed's series, see ``people``.

    Raises:
        RequestError: a negative seed or index, or a size out of range.
    """
    check_request(seed, size)
    if index < 0:
        raise RequestError("The index is negative", where=f"index={index}", hint="Use 0 or more.")
    rng = np.random.default_rng([seed, stream, 11, index])
    # Sampled even when given, so that a caller's choice changes nothing else in the image.
    some_aspect: Aspect = "palmar" if rng.random() < 0.75 else "dorsal"
    some_side: Side = "left" if rng.random() < 0.5 else "right"
    aspect, side = aspect or some_aspect, side or some_side
    person = person or sample_person(seed, index // PHOTOS_PER_PERSON, stream=stream)
    hand = build_hand(person, sample_pose(rng, aspect, side, max_tilt), size)
    image, mask = _render_photo(person, hand, aspect, side, size, rng)
    return SyntheticHand(image, palm_box(hand, size), person, aspect, side, mask)


def render_empty(seed: int, index: int, *, size: int, stream: int) -> npt.NDArray[np.uint8]:
    """Render a photo of a background without a hand, uint8 RGB ``(size, size, 3)``."""
    rng = np.random.default_rng([seed, stream, 12, index])
    light = sample_light(rng)
    flat = light.room + light.lamp * np.float32(light.toward[2])
    return expose(render_background(rng, size) * flat[:, None, None], rng)


def check_request(seed: int, size: int) -> None:
    """Check the seed and the image size.

    Raises:
        RequestError: a negative seed, or a size outside 32 to 2048.
    """
    if seed < 0:
        raise RequestError("The seed is negative", where=f"seed={seed}", hint="Use 0 or more.")
    if not MIN_SIZE <= size <= MAX_SIZE:
        hint = f"Use {MIN_SIZE} to {MAX_SIZE} pixels."
        raise RequestError("The image size is out of range", where=f"size={size}", hint=hint)


def _render_photo(
    person: Person, hand: Hand, aspect: Aspect, side: Side, size: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], Plane]:
    """The image, and the share of each pixel that is bare skin."""
    light = sample_light(rng)
    window = hand.window(size)
    near = hand.translated(-np.array([window[1].start, window[0].start]))
    lit, bare_part, whole_part = _shade_hand(person, near, aspect, side, window, size, light, rng)
    bare, whole = np.zeros((2, size, size), np.float32)
    bare[window], whole[window] = bare_part, whole_part
    reached = cast_shadow(whole, hand.unit, light)
    scene = render_background(rng, size)
    flat = light.lamp * np.float32(light.toward[2])
    for c in range(3):
        scene[c] *= light.room[c] * np.float32(0.4) + (light.room[c] * np.float32(0.6) + flat[c]) * reached
        behind = scene[c][window]
        behind += (lit[c] - behind) * whole_part
    return expose(scene, rng), bare


def _shade_hand(
    person: Person, hand: Hand, aspect: Aspect, side: Side, window: Window, size: int, light: Light,
    rng: np.random.Generator,
) -> tuple[Colors, Plane, Plane]:  # fmt: skip
    """The window that holds the hand: its colors, the mask of bare skin, the mask including the sleeve."""
    shape, scale = (window[0].stop - window[0].start, window[1].stop - window[1].start), size / 256
    relief = build_relief(hand, aspect, shape, veins=min(1.0, 0.2 + person.age / 80))
    creases = _creases(person, hand, aspect, side, shape, rng)
    rough = 0.0045 * sample_noise(rng, "middle", shape, scale)
    rough += 0.0012 * sample_noise(rng, "fine", shape, scale)
    surface = paint_skin(person, aspect, relief, creases, hand.unit, scale, rng)
    height = np.asarray(relief.height + hand.unit * rough, np.float32)
    bare, whole = relief.mask, relief.mask
    gloss = np.full(shape, rng.uniform(0.004, 0.03), np.float32)
    if rng.random() < {"none": 0.0, "sometimes": 0.5, "always": 1.0}[person.sleeve]:
        cover, rise, cloth = render_sleeve(hand, person.sleeve_hue, shape, scale, rng)
        # The sleeve shades the skin beside its hem.
        surface *= 1 - np.float32(0.4) * blur(cover, 0.04 * hand.unit)
        surface += (cloth - surface) * cover
        height = np.maximum(height, rise)
        creases *= 1 - cover
        gloss *= 1 - cover
        bare, whole = bare * (1 - cover), np.maximum(bare, cover)
    return shade(surface, height, creases, gloss, hand.unit, light), bare, whole


def _creases(
    person: Person, hand: Hand, aspect: Aspect, side: Side, shape: Shape, rng: np.random.Generator
) -> Plane:
    """Depth of all creases on this side of the hand, 0 to 1."""
    digits = (*hand.fingers, hand.thumb)
    if aspect == "dorsal":
        wrinkles = tuple(w for d in digits for w in knuckle_wrinkles(d, rng, 0.7 * person.crease_depth))
        return rasterize_creases(hand, wrinkles, shape)
    lines = tuple(replace(c, path=hand.to_pixels(c.path)) for c in palm_creases(person, side))
    folds = tuple(f for d in digits for f in finger_creases(d, rng, person.crease_depth))
    return rasterize_creases(hand, lines + folds, shape)
