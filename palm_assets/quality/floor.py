"""The floor: the metrics of held-out people's real images against the reference, at several set sizes.

A Fréchet distance is biased upwards at small n (two halves of one distribution are far from 0 at n = 100), so
a value alone means nothing: it is compared with the floor at its n. The other metrics have a floor too,
because coverage depends on n as strongly.
"""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palm_assets.quality.frechet import frechet_distance
from palm_assets.quality.kid import kernel_distance, reference_rows
from palm_assets.quality.prdc import prdc
from palm_assets.quality.statistics import Doubles, FeatureStatistics, Floats

MIN_PEOPLE = 6  # with fewer, halves of the people do not show how groups of people differ
KID_SUBSETS = 20  # for each of many sets; an evaluation uses more


@dataclass(frozen=True)
class FloorRow:
    """Mean metrics of real held-out images at one set size.

    Attributes:
        n: images in each random subset of the held-out images.
        frechet: Fréchet distance.
        frechet_sd: its standard deviation between groups of people.
        kid: kernel distance.
        kid_sd: its standard deviation between groups of people.
        density: density.
        coverage: coverage.
        auth_pct: percentage of authentic images.
    """

    n: int
    frechet: float
    frechet_sd: float
    kid: float
    kid_sd: float
    density: float
    coverage: float
    auth_pct: float

    def to_json(self) -> dict[str, Any]:
        """All fields as plain values."""
        return asdict(self)


FloorTable = tuple[FloorRow, ...]


def measure_floor(
    holdout: Floats,
    statistics: FeatureStatistics,
    subsample: Floats,
    neighbor_distances: Doubles,
    *,
    counts: tuple[int, ...],
    repeats: int,
    seed: int,
    people: NDArray[np.int64] | None = None,
) -> FloorTable:
    """Measure random subsets of the held-out features as if they were generated.

    The standard deviations are those over subsets of a random half of the people (balanced half-samples,
    McCarthy
    1969: halves of a sample differ as much as whole samples do from one another). If the people are unknown
        or
    too few, they are those over the subsets. These overlap the more, the closer n is to the size N of the
    holdout, so they are divided by sqrt(1 - n / N). Where neither is possible, because there is one subset or
    the halves are too small, the standard deviations of the row before are used.

    Args:
        holdout: features (N, dim) of held-out people's images.
        statistics: of the training images.
        subsample: features of training images for the nearest-neighbor metrics and the kernel distance.
        neighbor_distances: `nearest_neighbor_distances` of the subsample.
        counts: set sizes; those from 2 to N are used, and N itself.
        repeats: subsets for each size.
        seed: of the subsets.
        people: int64 (N,), person of each held-out image; None if unknown.
    """
    rng = np.random.default_rng(seed)
    total = len(holdout)
    if people is not None and len(np.unique(people)) < MIN_PEOPLE:
        people = None
    kid_features = reference_rows(subsample)

    def distances_of(rows: NDArray[np.int64]) -> tuple[float, float]:
        features, name, digest = holdout[rows], statistics.extractor, statistics.digest
        kid = kernel_distance(features, kid_features, extractor=name, digest=digest, subsets=KID_SUBSETS)
        return frechet_distance(features, statistics).value, kid.value

    table: list[FloorRow] = []
    for n in _set_sizes(counts, total):
        subsets = [rng.permutation(total)[:n] for _ in range(repeats if n < total else 1)]
        distances = np.array([distances_of(rows) for rows in subsets])
        neighbors = [prdc(holdout[rows], subsample, neighbor_distances) for rows in subsets]
        if people is not None:
            halves = [_half_of_the_people(people, n, rng) for _ in range(repeats)]
            varied, overlap = [distances_of(rows) for rows in halves if len(rows) == n], 1.0
        else:
            varied, overlap = list(distances), np.sqrt(max(1 - n / total, 0))
        if len(varied) > 1:
            sd = np.std(varied, axis=0, ddof=1) / overlap
        else:
            sd = np.array([table[-1].frechet_sd, table[-1].kid_sd]) if table else np.zeros(2)
        frechet, kid = distances.mean(axis=0)
        density, coverage, auth_pct = np.mean(
            [(x.density, x.coverage, x.auth_pct) for x in neighbors], axis=0
        )
        values = (frechet, sd[0], kid, sd[1], density, coverage, auth_pct)
        table.append(FloorRow(n, *map(float, values)))
    return tuple(table)


def floor_at(table: FloorTable, n: int) -> FloorRow | None:
    """The floor at n, interpolated linearly in 1/n, in which the bias is linear to first order.

    Outside the table it is the nearest row with its own n, so that the caller sees the difference; None if
    the table is empty. Source of the 1/n law: Chong and Forsyth 2020 (https://arxiv.org/abs/1911.07023).
    """
    if not table:
        return None
    if n <= table[0].n or n >= table[-1].n:
        return table[0] if n <= table[0].n else table[-1]
    at = [-1 / row.n for row in table]
    columns = zip(*(astuple(row)[1:] for row in table), strict=True)
    return FloorRow(n, *(float(np.interp(-1 / n, at, column)) for column in columns))


def _set_sizes(counts: tuple[int, ...], total: int) -> list[int]:
    """The counts from 2 to the total, and the total, ascending; none if the total is below 2."""
    return sorted({n for n in (*counts, total) if 2 <= n <= total})


def _half_of_the_people(people: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most n random rows, all of a random half of the people."""
    names = np.unique(people)
    half = rng.permutation(names)[: len(names) // 2]
    return rng.permutation(np.flatnonzero(np.isin(people, half)))[:n]
