"""A stream of features, boiled down to what figures need: statistics of all, and some rows at random.

A set of any size takes the memory of its first ten thousand images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from palm_assets.quality.statistics import FeatureStatistics, Floats

ROWS_PER_BLOCK = 2048


class Collector:
    """Takes features block by block.

    Attributes:
        n: rows taken so far.
        extractor: network that made them.
        digest: its weights and preprocessing.
    """

    def __init__(self, dim: int, limit: int, *, extractor: str, digest: str, seed: int = 0) -> None:
        self.n, self.extractor, self.digest = 0, extractor, digest
        # Memory that is not written to yet is not taken yet.
        self._rows, self._indices = np.empty((limit, dim), np.float32), np.empty(limit, np.int64)
        self._rng = np.random.default_rng(seed)
        self._merged: FeatureStatistics | None = None

    def add(self, rows: Floats) -> None:
        """Take rows (n, dim) of float32: kept while there is room, later ones replace kept ones at random.

        Every row taken so far is among the kept ones with the same probability (algorithm R, Vitter 1985).
        """
        limit, room = len(self._rows), max(len(self._rows) - self.n, 0)
        if room < len(rows):
            new = FeatureStatistics.from_features(rows, extractor=self.extractor, digest=self.digest)
            self._merged = self.statistics.merge(new) if self.n else new
        at = np.arange(self.n, self.n + len(rows))
        place = np.concatenate([at[:room], self._rng.integers(0, at[room:] + 1)])
        stays = place < limit
        self._rows[place[stays]], self._indices[place[stays]] = rows[stays], at[stays]
        self.n += len(rows)

    @property
    def rows(self) -> Floats:
        """The kept rows, float32 (min(n, limit), dim): all, in order, while n is not above the limit."""
        return self._rows[: self.n]

    @property
    def indices(self) -> NDArray[np.int64]:
        """Which rows of the stream they were, int64 (min(n, limit),)."""
        return self._indices[: self.n]

    @property
    def statistics(self) -> FeatureStatistics:
        """Mean and covariance of all rows, kept or not."""
        if self._merged is not None:
            return self._merged
        return FeatureStatistics.from_features(self.rows, extractor=self.extractor, digest=self.digest)


def in_blocks(features: Floats | Iterable[Floats]) -> Iterator[Floats]:
    """The same rows in blocks of `ROWS_PER_BLOCK`, the last one shorter."""
    if isinstance(features, np.ndarray):
        for start in range(0, len(features), ROWS_PER_BLOCK):
            yield features[start : start + ROWS_PER_BLOCK]
        return
    waiting: list[Floats] = []
    for batch in features:
        waiting.append(batch)
        if sum(map(len, waiting)) >= ROWS_PER_BLOCK:
            whole = np.concatenate(waiting)
            for start in range(0, len(whole) - ROWS_PER_BLOCK + 1, ROWS_PER_BLOCK):
                yield whole[start : start + ROWS_PER_BLOCK]
            waiting = [whole[len(whole) - len(whole) % ROWS_PER_BLOCK :]]
    if waiting and (rest := np.concatenate(waiting)).size:
        yield rest
