"""Nearest-neighbor metrics: density and coverage (of PRDC), AuthPct, and the nearest real image.

Density and coverage: Naeem et al. 2020 (https://arxiv.org/abs/2002.09797). AuthPct: Alaa et al. 2022
(https://arxiv.org/abs/2102.08921): a sample is authentic if it is farther from its nearest training sample
than that one is from its own nearest neighbor. No statistic detects memorization reliably (Stein et al. 2023,
https://arxiv.org/abs/2306.04675), so the nearest real image is returned for a visual check.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palm_assets.errors import QualityError
from palm_assets.quality.statistics import Doubles, Floats

ROWS_PER_BLOCK = 512


@dataclass(frozen=True, eq=False)
class PrdcResult:
    """Nearest-neighbor metrics of a set against real samples.

    Attributes:
        density: mean number of real neighborhoods that a sample lies in, over k; about 1 for equal
            distributions, and can exceed it.
        coverage: share in [0, 1] of the real neighborhoods that contain a sample. It grows with n, so compare
            it with the coverage of as many real images.
        auth_pct: percentage in [0, 100] of authentic samples.
        nearest: int64 (n,), row of the nearest real sample.
        distance: float64 (n,), distance to it, in feature units.
        authentic: bool (n,), which samples are authentic.
        covered: bool (m,), which real neighborhoods contain a sample.
        n: images in the set.
        reference_n: real images.
        k: a real sample's neighborhood reaches to its k-th nearest real neighbor.
    """

    density: float
    coverage: float
    auth_pct: float
    nearest: NDArray[np.int64]
    distance: Doubles
    authentic: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    n: int
    reference_n: int
    k: int

    def merge(self, later: PrdcResult) -> PrdcResult:
        """The result of both sets together, this one first, as if computed at once."""
        n = self.n + later.n
        covered, authentic = self.covered | later.covered, np.concatenate([self.authentic, later.authentic])
        return PrdcResult(
            (self.density * self.n + later.density * later.n) / n,
            float(covered.mean()),
            100 * float(authentic.mean()),
            np.concatenate([self.nearest, later.nearest]),
            np.concatenate([self.distance, later.distance]),
            authentic,
            covered,
            n,
            self.reference_n,
            self.k,
        )


def nearest_neighbor_distances(features: Floats, k: int = 5) -> Doubles:
    """Distance of each row of features (m, dim) to its 1st ... k-th nearest other, float64 (m, k), ascending.

    Raises:
        QualityError: k or fewer rows.
    """
    if len(features) <= k:
        raise QualityError(
            f"{k} nearest neighbors need more than {k} real images, there are {len(features)}",
            hint="Give more real images, or a smaller k",
        )
    nearest = np.empty((len(features), k))
    for rows, squared in _squared_distances(features, features):
        squared[np.arange(len(squared)), np.arange(rows.start, rows.start + len(squared))] = np.inf
        nearest[rows] = np.sqrt(np.sort(np.partition(squared, k - 1, axis=1)[:, :k], axis=1))
    return nearest


def prdc(sample: Floats, reference: Floats, neighbor_distances: Doubles | None = None) -> PrdcResult:
    """Density, coverage, AuthPct, and the nearest real sample of each sample.

    Args:
        sample: features (n, dim) of the set.
        reference: features (m, dim) of the real samples, of the same extractor.
        neighbor_distances: `nearest_neighbor_distances(reference, k)` if already known, else of k = 5.

    Raises:
        QualityError: an empty set, or too few real samples.
    """
    if len(sample) == 0:
        raise QualityError("There are no images to compare", hint="Give at least one image")
    if neighbor_distances is None:
        neighbor_distances = nearest_neighbor_distances(reference)
    squared_radii = neighbor_distances[:, -1] ** 2
    nearest = np.empty(len(sample), np.int64)
    squared_distance = np.empty(len(sample))
    covered = np.zeros(len(reference), bool)
    hits = 0
    for rows, squared in _squared_distances(sample, reference):
        nearest[rows] = squared.argmin(axis=1)
        squared_distance[rows] = squared.min(axis=1)
        inside = squared <= squared_radii
        hits += int(inside.sum())
        covered |= inside.any(axis=0)
    k = neighbor_distances.shape[1]
    distance = np.sqrt(squared_distance)
    authentic = distance > neighbor_distances[nearest, 0]
    return PrdcResult(
        hits / (k * len(sample)),
        float(covered.mean()),
        100 * float(authentic.mean()),
        nearest,
        distance,
        authentic,
        covered,
        len(sample),
        len(reference),
        k,
    )


def _squared_distances(x: Floats, y: Floats) -> Iterator[tuple[slice, Doubles]]:
    """Squared Euclidean distances (block, m) by blocks of rows of x; in float64, so that copies lie at 0."""
    y = y.astype(np.float64)
    y_norms = np.einsum("md,md->m", y, y)
    for start in range(0, len(x), ROWS_PER_BLOCK):
        rows = slice(start, min(start + ROWS_PER_BLOCK, len(x)))
        block = x[rows].astype(np.float64)
        squared = np.einsum("nd,nd->n", block, block)[:, None] + y_norms - 2 * (block @ y.T)
        yield rows, np.maximum(squared, 0, out=squared)
