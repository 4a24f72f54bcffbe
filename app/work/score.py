"""What a score says, as one of three bands."""

from __future__ import annotations

from typing import Literal

Band = Literal["low", "middle", "high"]
LOW, HIGH = 0.2, 0.5


def band(score: float) -> Band:
    """The band of a calibrated score 0..1.

    Below 0.2 at most one in five images with such a score is a photograph; from 0.5 on at least every other.
    A score is taken as the page shows it, with two decimals.
    """
    score = round(score, 2)
    return "low" if score < LOW else "high" if score >= HIGH else "middle"
