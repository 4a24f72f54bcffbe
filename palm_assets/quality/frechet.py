"""Fréchet distance (FID) between a set of features and a reference.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
Equilibrium", 2017 (https://arxiv.org/abs/1706.08500), after Dowson and Landau 1982:

    |m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1 C2)^(1/2)

With C1 = A'A and C2 = LL' the last trace is the sum of the singular values of A L (its nuclear norm),
whatever the ranks are. For a set of n images A has n rows: a small matrix, and no square root of a 2048 x
2048 product. The singular values are computed from A L itself, not from the eigenvalues of its Gram matrix,
which would lose those below sqrt(eps): a thousand small values add up.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from palm_assets.errors import QualityError
from palm_assets.quality.extractors.identity import metric_label, require_same_extractor
from palm_assets.quality.statistics import BLAS, Doubles, FeatureStatistics, Floats, factorize


@dataclass(frozen=True)
class FrechetResult:
    """A Fréchet distance and what it was computed from.

    Attributes:
        value: the distance, in squared feature units, never negative; biased upwards at small n.
        mean_term: the part that the means contribute, |m1 - m2|^2.
        n: images in the set.
        reference_n: images in the reference; 0 if its statistics do not say it.
        extractor: network that made the features.
        digest: its weights and preprocessing.
    """

    value: float
    mean_term: float
    n: int
    reference_n: int
    extractor: str
    digest: str

    @property
    def label(self) -> str:
        """Its name: "FID", or "Fréchet distance" with the extractor's name."""
        return metric_label("Fréchet distance", "FID", self.extractor, self.digest)

    def to_json(self) -> dict[str, Any]:
        """All fields as plain values, and the label."""
        return {"label": self.label, **asdict(self)}


def frechet_distance(sample: FeatureStatistics | Floats, reference: FeatureStatistics) -> FrechetResult:
    """Fréchet distance of a set to a reference.

    Args:
        sample: features (n, dim) of the set, by the reference's extractor, or its statistics.
        reference: statistics to compare with; their factor is computed once and cached.

    Raises:
        QualityError: fewer than 2 images on a side, or features of another dimension than the reference's.
        ExtractorMismatchError: statistics of two different extractors.
    """
    if isinstance(sample, FeatureStatistics):
        require_same_extractor(
            (sample.extractor, sample.digest),
            (reference.extractor, reference.digest),
            where="Fréchet distance",
        )
        n, mean, dim = sample.n, sample.mean, len(sample.mean)
    else:
        n, dim = sample.shape
        mean = sample.mean(axis=0, dtype=np.float64) if n else np.zeros(dim)
    for count, side in ((n, "the set"), (reference.n or 2, "the reference")):  # 0: it is not known
        if count < 2:
            raise QualityError(
                f"A Fréchet distance needs at least 2 images, {side} has {count}", hint="Give more images"
            )
    if dim != len(reference.mean):
        raise QualityError(
            f"Features have {dim} dimensions and the reference {len(reference.mean)}",
            hint="Extract the features with the extractor that the reference names",
        )
    if isinstance(sample, FeatureStatistics):
        rows, trace = sample.factor.T, float(np.trace(sample.cov))
    elif n > 2 * dim:
        # With so many rows the factor of their covariance is the smaller matrix.
        cov = FeatureStatistics.from_features(sample, extractor="", digest="").cov
        rows, trace = factorize(cov).T, float(np.trace(cov))
    else:
        rows = (sample.astype(np.float64) - mean) / np.sqrt(n - 1)
        trace = float(np.vdot(rows, rows))
    mean_term = float(np.sum((mean - reference.mean) ** 2))
    value = mean_term + trace + float(np.trace(reference.cov)) - 2 * trace_of_root(rows, reference.factor)
    # The distance is never negative: below zero is the rounding error of (nearly) equal sets.
    return FrechetResult(max(value, 0.0), mean_term, n, reference.n, reference.extractor, reference.digest)


def trace_of_root(rows: Doubles, factor: Doubles) -> float:
    """Trace of (C1 C2)^(1/2) for C1 = rows' rows and C2 = factor factor', as a nuclear norm.

    Args:
        rows: float64 (n, dim).
        factor: float64 (dim, rank).
    """
    product = rows @ factor
    if not product.size:
        return 0.0
    with BLAS.limit(limits=1, user_api="blas"):
        return float(np.linalg.svd(product, compute_uv=False).sum())
