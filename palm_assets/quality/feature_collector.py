"""Reduces a stream of features to what metrics need: statistics of all rows, and a random sample of them.

A set of any size takes the memory of its first ten thousand images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palm_assets.quality.statistics import FeatureStatistics, Floats

ROWS_PER_BLOCK = 2048


@dataclass(frozen=True, eq=False)
class FeatureSample:
    """What is left of the features of a set.

    Attributes:
        statistics: of all rows.
        rows: float32 (m, dim), the kept ones.
        indices: int64 (m,), their positions in the set.
    """

    statistics: FeatureStatistics
    rows: Floats
    indices: NDArray[np.int64]


class Reservoir:
    """Decides which rows of a stream a random sample of fixed size keeps, each with the same probability.

    Reservoir sampling (algorithm R, Vitter 1985): rows are kept up to the limit; later ones replace kept ones
    at random. It depends on the number of rows and on the seed, not on the rows.

    Attributes:
        n: rows so far.
    """

    def __init__(self, limit: int, seed: int = 0) -> None:
        self.n = 0
        # Pages of an empty array take no memory until they are written to.
        self._indices, self._rng = np.empty(limit, np.int64), np.random.default_rng(seed)

    def add(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Decide on the next rows: which of them are kept for now, and where each goes, int64 (k,) twice."""
        limit = len(self._indices)
        free = max(limit - self.n, 0)
        index = np.arange(self.n, self.n + count)
        place = np.concatenate([index[:free], self._rng.integers(0, index[free:] + 1)])
        kept = np.flatnonzero(place < limit)
        self._indices[place[kept]] = index[kept]
        self.n += count
        return kept, place[kept]

    @property
    def indices(self) -> NDArray[np.int64]:
        """Positions of the kept rows in the stream, int64 (min(n, limit),)."""
        return self._indices[: self.n]


def sampled_indices(n: int, limit: int, seed: int = 0) -> NDArray[np.int64]:
    """Positions of the rows that a `FeatureCollector` keeps of a stream of n, in its order."""
    reservoir = Reservoir(limit, seed)
    for start in range(0, n, ROWS_PER_BLOCK):
        reservoir.add(min(ROWS_PER_BLOCK, n - start))
    return reservoir.indices


class FeatureCollector:
    """Collects features block by block.

    Attributes:
        extractor: network that made them.
        digest: its weights and preprocessing.
    """

    def __init__(self, dim: int, limit: int, *, extractor: str, digest: str, seed: int = 0) -> None:
        """Args: `dim` of a feature, `limit` of the rows to keep, the extractor's identity, and a seed."""
        self.extractor, self.digest = extractor, digest
        self._rows, self._reservoir = np.empty((limit, dim), np.float32), Reservoir(limit, seed)
        self._statistics: FeatureStatistics | None = None

    def add(self, rows: Floats) -> None:
        """Add rows (n, dim) of float32; which ones are kept, a `Reservoir` decides."""
        if len(self._rows) - self.n < len(rows):
            new = FeatureStatistics.from_features(rows, extractor=self.extractor, digest=self.digest)
            self._statistics = self.statistics.merge(new) if self.n else new
        kept, places = self._reservoir.add(len(rows))
        self._rows[places] = rows[kept]

    @property
    def n(self) -> int:
        """Rows added so far."""
        return self._reservoir.n

    @property
    def rows(self) -> Floats:
        """The kept rows, float32 (min(n, limit), dim): all of them, in order, while n is within the limit."""
        return self._rows[: self.n]

    @property
    def indices(self) -> NDArray[np.int64]:
        """Their positions in the stream, int64 (min(n, limit),)."""
        return self._reservoir.indices

    @property
    def statistics(self) -> FeatureStatistics:
        """Mean and covariance of all rows, kept or not."""
        if self._statistics is not None:
            return self._statistics
        return FeatureStatistics.from_features(self.rows, extractor=self.extractor, digest=self.digest)

    @property
    def sample(self) -> FeatureSample:
        """All that is left."""
        return FeatureSample(self.statistics, self.rows, self.indices)


def feature_blocks(features: Floats | Iterable[Floats]) -> Iterator[Floats]:
    """The same rows in blocks of `ROWS_PER_BLOCK`, the last one shorter."""
    if isinstance(features, np.ndarray):
        for start in range(0, len(features), ROWS_PER_BLOCK):
            yield features[start : start + ROWS_PER_BLOCK]
        return
    pending: list[Floats] = []
    for batch in features:
        pending.append(batch)
        if sum(map(len, pending)) >= ROWS_PER_BLOCK:
            rows = np.concatenate(pending)
            for start in range(0, len(rows) - ROWS_PER_BLOCK + 1, ROWS_PER_BLOCK):
                yield rows[start : start + ROWS_PER_BLOCK]
            pending = [rows[len(rows) - len(rows) % ROWS_PER_BLOCK :]]
    if pending and (rest := np.concatenate(pending)).size:
        yield rest
