"""The reference type: statistics of real palms, against which sets of images are evaluated.

Building it is in `reference_builder`, its files in `reference_files`, evaluation in `set_metrics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from palm_assets.quality.floor import FloorTable
from palm_assets.quality.kid import reference_rows
from palm_assets.quality.statistics import Doubles, FeatureStatistics, Floats


@dataclass(frozen=True, eq=False)
class Reference:
    """Statistics of real palms: all that an evaluation needs.

    Attributes:
        extractor: network that made the features.
        digest: its weights and preprocessing.
        precision: "float32" or "bfloat16", in which the features were computed; sets are evaluated in the
            same.
        n: training images.
        mean: float64 (dim,).
        cov: float64 (dim, dim), unbiased.
        factor: float64 (dim, rank) with `factor @ factor.T == cov`.
        subsample: float32 (m, dim), features of training images in random order.
        subsample_indices: int64 (m,), their rows in the array of training images.
        neighbor_distances: float64 (m, k), from each row of the subsample to its k nearest others.
        holdout: float32 (h, dim), features of held-out people's images.
        holdout_indices: int64 (h,), their rows in the array of held-out images.
        floor: metrics of the holdout at several set sizes; empty if it has fewer than 2 images.
    """

    extractor: str
    digest: str
    precision: str
    n: int
    mean: Doubles
    cov: Doubles
    factor: Doubles
    subsample: Floats
    subsample_indices: NDArray[np.int64]
    neighbor_distances: Doubles
    holdout: Floats
    holdout_indices: NDArray[np.int64]
    floor: FloorTable

    @property
    def identity(self) -> tuple[str, str]:
        """Name and digest of the extractor."""
        return self.extractor, self.digest

    @cached_property
    def statistics(self) -> FeatureStatistics:
        """Mean and covariance, with the factor already computed."""
        statistics = FeatureStatistics(self.n, self.mean, self.cov, self.extractor, self.digest)
        statistics.__dict__["factor"] = self.factor  # fills the cached property
        return statistics

    @property
    def kid_features(self) -> Floats:
        """The rows of the subsample that the kernel distance compares with."""
        return reference_rows(self.subsample)
