"""Reduces a stream of features to what metrics need: statistics of all rows, and a random sample of them.

A set of any size takes the memory of its first ten thousand images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from palm_assets.quality.statistics import FeatureStatistics, Floats

ROWS_PER_BLOCK = 2048


class FeatureCollector:
    """Collects features block by block.

    Attributes:
        n: rows added so far.
        extractor: network that made them.
        digest: its weights and preprocessing.
    """

    def __init__(self, dim: int, limit: int, *, extractor: str, digest: str, seed: int = 0) -> None:
        """Args: `dim` of a feature, `limit` of the rows to keep, the extractor's identity, and a seed."""
        self.n, self.extractor, self.digest = 0, extractor, digest
        # Pages of an empty array take no memory until they are written to.
        self._rows, self._indices = np.empty((limit, dim), np.float32), np.empty(limit, np.int64)
        self._rng = np.random.default_rng(seed)
        self._statistics: FeatureStatistics | None = None

    def add(self, rows: Floats) -> None:
        """Add rows (n, dim) of float32: kept up to the limit; later ones replace kept ones at random.

        Reservoir sampling (algorithm R, Vitter 1985): every row so far is kept with the same probability.
        """
        limit, free = len(self._rows), max(len(self._rows) - self.n, 0)
        if free < len(rows):
            new = FeatureStatistics.from_features(rows, extractor=self.extractor, digest=self.digest)
            self._statistics = self.statistics.merge(new) if self.n else new
        index = np.arange(self.n, self.n + len(rows))
        place = np.concatenate([index[:free], self._rng.integers(0, index[free:] + 1)])
        kept = place < limit
        self._rows[place[kept]], self._indices[place[kept]] = rows[kept], index[kept]
        self.n += len(rows)

    @property
    def rows(self) -> Floats:
        """The kept rows, float32 (min(n, limit), dim): all of them, in order, while n is within the limit."""
        return self._rows[: self.n]

    @property
    def indices(self) -> NDArray[np.int64]:
        """Their positions in the stream, int64 (min(n, limit),)."""
        return self._indices[: self.n]

    @property
    def statistics(self) -> FeatureStatistics:
        """Mean and covariance of all rows, kept or not."""
        if self._statistics is not None:
            return self._statistics
        return FeatureStatistics.from_features(self.rows, extractor=self.extractor, digest=self.digest)


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
