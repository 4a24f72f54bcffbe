"""Fréchet distance extrapolated to infinitely many images (FID at infinity).

Chong and Forsyth, "Effectively Unbiased FID and Inception Score", 2020
(https://arxiv.org/abs/1911.07023): the bias of the distance is linear in 1/n once n is well above the
dimension of the features, so a line through the distances of random subsets meets 1/n = 0 at the unbiased
value. For smaller n the covariance is rank-deficient, the curve bends and a line does not hold. Use the
excess over the floor at the same n then (`SetMetrics.excess`), where the biases cancel, or the kernel
distance, which has none.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from palm_assets.errors import QualityError
from palm_assets.quality.extractors.identity import metric_label
from palm_assets.quality.frechet import frechet_distance
from palm_assets.quality.statistics import FeatureStatistics, Floats


@dataclass(frozen=True)
class FidInfinityResult:
    """A Fréchet distance without the bias of its n.

    Attributes:
        value: intercept of the line at 1/n = 0.
        sd: standard error of that intercept.
        n: images in the set.
        extractor: network that made the features.
        digest: its weights and preprocessing.
    """

    value: float
    sd: float
    n: int
    extractor: str
    digest: str

    @property
    def label(self) -> str:
        """Its name, with the extractor's unless that is the canonical Inception."""
        return metric_label("Fréchet distance at infinity", "FID at infinity", self.extractor, self.digest)

    def to_json(self) -> dict[str, Any]:
        """All fields as plain values, and the label."""
        return {"label": self.label, **asdict(self)}


def can_extrapolate(features: Floats) -> bool:
    """Whether features (n, dim) are enough for the line to hold: n is at least four times dim."""
    n, dim = features.shape
    return bool(n >= 4 * dim)


def fid_infinity(
    features: Floats, reference: FeatureStatistics, *, points: int = 6, repeats: int = 2, seed: int = 0
) -> FidInfinityResult:
    """Extrapolated Fréchet distance of features (n, dim), n at least four times dim.

    Args:
        features: of the set, by the reference's extractor, in any order.
        reference: statistics to compare with.
        points: number of subset sizes from n / 4 to n, evenly spaced in 1/n.
        repeats: random subsets for each size.
        seed: of the subsets.

    Raises:
        QualityError: too few images for the line to hold.
    """
    n, dim = features.shape
    if not can_extrapolate(features):
        raise QualityError(
            f"Extrapolation needs at least {4 * dim} images (4 times the {dim} dimensions), got {n}",
            hint="Use the excess over the floor, or the kernel distance, which is unbiased at every n",
        )
    rng = np.random.default_rng(seed)
    sizes = np.repeat(np.round(1 / np.linspace(4 / n, 1 / n, points)).astype(int), repeats)
    values = np.array([frechet_distance(features[rng.permutation(n)[:k]], reference).value for k in sizes])
    design = np.stack([np.ones(len(sizes)), 1 / sizes], axis=1)
    line, *_ = np.linalg.lstsq(design, values, rcond=None)
    residual = values - design @ line
    variance = residual @ residual / (len(sizes) - 2) * np.linalg.inv(design.T @ design)[0, 0]
    return FidInfinityResult(
        float(line[0]), float(np.sqrt(variance)), n, reference.extractor, reference.digest
    )
