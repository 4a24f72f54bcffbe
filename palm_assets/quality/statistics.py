"""Mean and covariance of features, streamed and mergeable: the second step of every metric."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from palm_assets.errors import QualityError
from palm_assets.quality.extractors.identity import require_same_extractor

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]

# A decomposition takes hundreds of steps that are too small to share. If a core is busy with something else,
# the BLAS threads wait for each other at every step: 16 s instead of 0.3 s for 1,000 x 2,048.
BLAS = ThreadpoolController()

# One rank-512 update of a 2048 x 2048 matrix costs what one rank-8 update does in memory traffic.
ROWS_PER_UPDATE = 512


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Mean and covariance of a set of features.

    Attributes:
        n: number of feature vectors, at least 1; 0 if it is not known, in files of other programs.
        mean: float64 (dim,).
        cov: float64 (dim, dim), unbiased (divided by n - 1); zeros while n is 1.
        extractor: name of the network that made the features.
        digest: its weights and preprocessing (`identity.extractor_digest`).
    """

    n: int
    mean: Doubles
    cov: Doubles
    extractor: str
    digest: str

    @classmethod
    def from_features(
        cls, features: Floats | Iterable[Floats], *, extractor: str, digest: str
    ) -> FeatureStatistics:
        """Statistics of features (N, dim), or of a stream of such batches in constant memory.

        Pairwise update of Chan, Golub and LeVeque (1979), in float64.

        Raises:
            QualityError: no features at all, or some are not finite.
        """
        n, mean, scatter = 0, np.zeros(0), np.zeros((0, 0))
        for rows in _blocks(features):
            if not np.isfinite(rows).all():
                raise QualityError(
                    f"Features of {extractor} are not finite",
                    hint="The weights of the extractor are damaged: delete the file and download it again",
                )
            mean_of_rows = rows.mean(axis=0)
            centered = rows - mean_of_rows
            if n == 0:
                mean, scatter = np.zeros(rows.shape[1]), np.zeros((rows.shape[1], rows.shape[1]))
            total = n + len(rows)
            step = mean_of_rows - mean
            scatter += centered.T @ centered
            scatter += np.outer(step, step) * (n * len(rows) / total)
            mean = mean + step * (len(rows) / total)
            n = total
        if n == 0:
            raise QualityError("There are no images to take statistics of", hint="Give at least 2 images")
        return cls(n, mean, scatter / max(n - 1, 1), extractor, digest)

    def merge(self, other: FeatureStatistics) -> FeatureStatistics:
        """Statistics of both sets together, as if computed at once.

        Raises:
            ExtractorMismatchError: the two sets come from different extractors.
        """
        require_same_extractor(
            (self.extractor, self.digest), (other.extractor, other.digest), where="merging statistics"
        )
        n = self.n + other.n
        step = other.mean - self.mean
        scatter = self.cov * (self.n - 1) + other.cov * (other.n - 1)
        scatter += np.outer(step, step) * (self.n * other.n / n)
        mean = self.mean + step * (other.n / n)
        return FeatureStatistics(n, mean, scatter / (n - 1), self.extractor, self.digest)

    @cached_property
    def factor(self) -> Doubles:
        """float64 (dim, rank) with `factor @ factor.T == cov`: computed once, then cached."""
        return factorize(self.cov)


def factorize(cov: Doubles) -> Doubles:
    """Factor L (dim, rank) of a covariance, `L @ L.T == cov`, by its eigenvectors.

    Eigenvalues below the rounding error (dim * eps * largest) are noise around an exact zero and are dropped:
    their square roots, summed over a thousand directions, would not be small.
    """
    with BLAS.limit(limits=1, user_api="blas"):
        values, vectors = np.linalg.eigh(cov)
    keep = values > len(values) * np.finfo(np.float64).eps * max(float(values[-1]), 0.0)
    return np.ascontiguousarray(vectors[:, keep] * np.sqrt(values[keep]))


def _blocks(features: Floats | Iterable[Floats]) -> Iterator[Doubles]:
    """The same rows in float64, in blocks large enough for an efficient matrix product."""
    if isinstance(features, np.ndarray):
        for start in range(0, len(features), ROWS_PER_UPDATE):
            yield features[start : start + ROWS_PER_UPDATE].astype(np.float64)
        return
    waiting: list[Floats] = []
    count = 0
    for batch in features:
        waiting.append(batch)
        count += len(batch)
        if count >= ROWS_PER_UPDATE:
            yield np.concatenate(waiting).astype(np.float64)
            waiting, count = [], 0
    if count:
        yield np.concatenate(waiting).astype(np.float64)
