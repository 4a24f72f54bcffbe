"""Synthetic people: traits that stay the same in all photos of a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from palm_assets.synthetic.types import Side

Gender = Literal["female", "male"]
SkinColor = Literal["very fair", "fair", "medium", "dark"]
Sleeve = Literal["none", "sometimes", "always"]

# Streams keep people and photos of different purposes apart although they share one seed.
HANDS_STREAM = 1
BOXES_STREAM = 2

_SLEEVES: tuple[Sleeve, ...] = ("none", "sometimes", "always")
_WORDS_BY_TONE: tuple[SkinColor, ...] = (
    "very fair", "very fair", "fair", "fair", "medium", "medium", "medium", "dark", "dark", "dark",
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """One person, as far as their hands show.

    Attributes:
        id: seven digits, unique within a seed (like the ids of 11k Hands).
        age: years, 18 to 75.
        gender: ``female`` or ``male``.
        skin_color: the label that 11k Hands uses: ``very fair``, ``fair``, ``medium`` or ``dark``.
        monk_tone: tone on the Monk Skin Tone scale, 1 (lightest) to 10 (darkest).
        crease_seeds: seeds of the palm creases, (left, right); the two hands are alike, not equal.
        finger_length: length of the fingers relative to the mean, about 0.9 to 1.12.
        finger_width: width of the fingers relative to the mean, about 0.88 to 1.12.
        palm_length: height of the palm relative to the mean, about 0.94 to 1.08.
        ring_length: extra length of the ring finger, hand units.
        crease_depth: how deep the creases are, about 0.6 to 1.3; grows with age.
        fate_line: whether the palm shows a fate line.
        flush: redness of the blood under the skin, 0 to 1.
        hairy: hair on the back of the hand, 0 to 1.
        sleeve: how often a sleeve is in the photo.
        sleeve_hue: hue of their clothes, 0 to 1.
        ring: wears a ring on the ring finger.
        nail_polish: wears nail polish.
    """

    id: str
    age: int
    gender: Gender
    skin_color: SkinColor
    monk_tone: int
    crease_seeds: tuple[int, int]
    finger_length: float
    finger_width: float
    palm_length: float
    ring_length: float
    crease_depth: float
    fate_line: bool
    flush: float
    hairy: float
    sleeve: Sleeve
    sleeve_hue: float
    ring: bool
    nail_polish: bool

    def crease_seed(self, side: Side) -> int:
        """The seed of the creases of the left or the right palm."""
        return self.crease_seeds[0 if side == "left" else 1]


def sample_person(seed: int, number: int, *, stream: int = HANDS_STREAM) -> Person:
    """Sample the person with this number; depends on ``(seed, stream, number)`` alone.

    Args:
        seed: any integer of at least 0.
        number: which person, from 0.
        stream: ``HANDS_STREAM`` or ``BOXES_STREAM``; people of different streams are different people.
    """
    rng = np.random.default_rng([seed, stream, 77, number])
    gender: Gender = "female" if rng.random() < 0.5 else "male"
    age = int(np.clip(rng.gamma(2.2, 9.0) + 18, 18, 75))
    tone = int(rng.integers(1, 11))
    male = gender == "male"
    return Person(
        id=f"{stream * 1_000_000 + number:07d}",
        age=age,
        gender=gender,
        skin_color=_WORDS_BY_TONE[tone - 1],
        monk_tone=tone,
        crease_seeds=(int(rng.integers(2**31)), int(rng.integers(2**31))),
        finger_length=float(np.clip(rng.normal(1.0, 0.05), 0.9, 1.12)),
        finger_width=float(np.clip(rng.normal(1.03 if male else 0.97, 0.04), 0.88, 1.12)),
        palm_length=float(np.clip(rng.normal(1.0, 0.03), 0.94, 1.08)),
        ring_length=float(rng.normal(0.02 if male else -0.01, 0.02)),
        crease_depth=float(np.clip(rng.normal(0.8 + age / 200, 0.12), 0.6, 1.3)),
        fate_line=bool(rng.random() < 0.45),
        flush=float(rng.random()),
        hairy=float(rng.random() if male else 0.15 * rng.random()),
        sleeve=_SLEEVES[int(rng.choice(3, p=[0.35, 0.4, 0.25]))],
        sleeve_hue=float(rng.random()),
        ring=bool(rng.random() < 0.2),
        nail_polish=bool(not male and rng.random() < 0.25),
    )
