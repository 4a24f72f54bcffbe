"""Metrics of one model over several sets of its samples: what the release gate compares."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ModelMetrics:
    """Metrics of one model over several sets of samples.

    The distances of a set vary from set to set, so they are given for each: their variance is the error of
    the measurement, and two models differ only beyond it. Ratios are relative to real images.

    Attributes:
        n: samples in each set.
        frechet: Fréchet distance of each set to the reference.
        kid: kernel distance of each set to the reference.
        frechet_collapsed: Fréchet distance of a fully collapsed model, whose samples all have the mean
            features of the real images: the trace of the reference's covariance.
        variance_ratio: total variance of the features; 0 if all samples are one image.
        nearest_neighbor_ratio: median distance of a sample to the most similar other sample of its set, over
            the same among as many real images; near 0 if a few images are repeated.
        contrast_ratio: median standard deviation of an image's pixels.
        blank_share: share in [0, 1] of samples with less than a quarter of the real images' median contrast.
    """

    n: int
    frechet: tuple[float, ...]
    kid: tuple[float, ...]
    frechet_collapsed: float
    variance_ratio: float
    nearest_neighbor_ratio: float
    contrast_ratio: float
    blank_share: float

    def to_json(self) -> dict[str, Any]:
        """All fields as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> ModelMetrics:
        """The inverse of `to_json`."""
        return cls(**{**content, "frechet": tuple(content["frechet"]), "kid": tuple(content["kid"])})
