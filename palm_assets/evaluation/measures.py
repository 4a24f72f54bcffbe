"""Figures of several sets of one model's palms, which its gate judges."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Measures:
    """Figures of several sets of one model's palms.

    Attributes:
        n: palms in each set.
        frechet: Fréchet distance of each set to the reference.
        kid: kernel distance of each.
        frechet_of_one: what a set of palms that are all the average real one would score: the trace of the
            reference's covariance.
        variety: total variance of the features over that of real palms; 0 if all palms are one.
        nearest_other: median distance of a palm to the most similar other one of its set, over the same among
            as many real palms; near 0 if the palms are few, repeated.
        contrast: median over the palms of the standard deviation of the pixels, over real palms' median.
        blank: share of palms with less than a quarter of real palms' median contrast.
    """

    n: int
    frechet: tuple[float, ...]
    kid: tuple[float, ...]
    frechet_of_one: float
    variety: float
    nearest_other: float
    contrast: float
    blank: float

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Measures:
        """The inverse of `to_json`."""
        return cls(**{**content, "frechet": tuple(content["frechet"]), "kid": tuple(content["kid"])})
