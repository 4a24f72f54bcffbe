"""What nearest prdc tell: density and coverage, authenticity, the nearest real palm.

Density and coverage: Naeem et al. 2020 (https://arxiv.org/abs/2002.09797). AuthPct: Alaa et
al. 2022 (https://arxiv.org/abs/2102.08921), which calls a generated sample authentic if it is
farther from its nearest training sample than that one is from its own nearest neighbor.
No statistic detects memorisation reliably (Stein et al. 2023, https://arxiv.org/abs/2306.04675):
the nearest real palm is there to be looked at.
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
    """How a set lies among the real samples.

    Attributes:
        density: how deep the set lies where reals are; about 1 for equal distributions, can exceed it.
        coverage: share in [0, 1] of the real neighborhoods that hold a sample of the set. It grows
            with n, so it is read beside what real palms reach at the same n.
        auth_pct: percentage in [0, 100] of samples that are not closer to a real one than reals are
            to one another there.
        nearest: int64 (n,), row of the nearest real sample.
        distance: float64 (n,), how far it is, in feature units.
        authentic: bool (n,), which samples count for `auth_pct`.
        covered: bool (m,), which real neighborhoods hold a sample.
        n: images in the set.
        reference_n: real images.
        k: which neighbor sets the radius of a real sample's neighborhood.
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
        """The result of both sets together, this one first, as if they had been one."""
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


def neighbor_distances(reference: Floats, k: int = 5) -> Doubles:
    """Distance of each real sample to its 1st ... k-th nearest other, float64 (m, k), ascending.

    Raises:
        QualityError: k or fewer samples.
    """
    if len(reference) <= k:
        raise QualityError(
            f"{k} nearest prdc need more than {k} real images, there are {len(reference)}",
            hint="Give more real images, or a smaller k",
        )
    nearest = np.empty((len(reference), k))
    for rows, squared in _squared_distances(reference, reference):
        squared[np.arange(len(squared)), np.arange(rows.start, rows.start + len(squared))] = np.inf
        nearest[rows] = np.sqrt(np.sort(np.partition(squared, k - 1, axis=1)[:, :k], axis=1))
    return nearest


def prdc(sample: Floats, reference: Floats, distances: Doubles | None = None) -> PrdcResult:
    """Density, coverage, authenticity and nearest real sample of each.

    Args:
        sample: features (n, dim) of the set.
        reference: features (m, dim) of the real samples, of the same extractor.
        distances: `neighbor_distances(reference, k)` if already known; its width is k.

    Raises:
        QualityError: an empty set, or too few real samples.
    """
    if len(sample) == 0:
        raise QualityError("There are no images to compare", hint="Give at least one image")
    distances = neighbor_distances(reference) if distances is None else distances
    radii = distances[:, -1] ** 2
    nearest = np.empty(len(sample), np.int64)
    closest = np.empty(len(sample))
    covered = np.zeros(len(reference), bool)
    hits = 0
    for rows, squared in _squared_distances(sample, reference):
        nearest[rows] = squared.argmin(axis=1)
        closest[rows] = squared.min(axis=1)
        inside = squared <= radii
        hits += int(inside.sum())
        covered |= inside.any(axis=0)
    k = distances.shape[1]
    distance = np.sqrt(closest)
    authentic = distance > distances[nearest, 0]
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
    """Squared Euclidean distances by blocks of rows of x; in float64, since copies lie at 0."""
    y = y.astype(np.float64)
    y_norms = np.einsum("md,md->m", y, y)
    for start in range(0, len(x), ROWS_PER_BLOCK):
        rows = slice(start, min(start + ROWS_PER_BLOCK, len(x)))
        block = x[rows].astype(np.float64)
        squared = np.einsum("nd,nd->n", block, block)[:, None] + y_norms - 2 * (block @ y.T)
        yield rows, np.maximum(squared, 0, out=squared)
