"""The floor: what real palms of held-out people score against the reference at the same n.

A Frechet distance is biased upwards at small n (two halves of one distribution are far from 0
at n = 100), so a score alone says nothing; beside the floor at its n it does. The other
figures get a floor too, because coverage grows with n just as strongly.
"""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palm_assets.progress import Progress, no_progress
from palm_assets.quality.frechet import frechet_distance
from palm_assets.quality.kid import kernel_distance
from palm_assets.quality.prdc import prdc
from palm_assets.quality.statistics import Doubles, FeatureStatistics, Floats

FEWEST_PEOPLE = 6  # with fewer, halves say little of how groups of people differ


@dataclass(frozen=True)
class FloorRow:
    """What real held-out palms score at one set size.

    Attributes:
        n: images in each random subset of the held-out palms.
        frechet: mean Frechet distance over the subsets, `frechet_sd` what other people would change.
        kid: mean kernel distance, `kid_sd` what other people would change.
        density: mean density.
        coverage: mean coverage.
        auth_pct: mean percentage of authentic samples.
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
        """All of it as plain values."""
        return asdict(self)


FloorTable = tuple[FloorRow, ...]


def measure_floor(
    holdout: Floats,
    statistics: FeatureStatistics,
    subsample: Floats,
    distances: Doubles,
    *,
    counts: tuple[int, ...],
    repeats: int,
    seed: int,
    people: NDArray[np.int64] | None = None,
    progress: Progress = no_progress,
) -> FloorTable:
    """Score random subsets of the held-out features as if they were generated.

    The spread is that of subsets of a random half of the people (balanced half-samples, McCarthy
    1969: halves of a sample differ as much as whole samples do from one another). Without people it
    is that of the subsets, which are drawn without replacement: near the size of the holdout they
    resemble one another, so their deviation is divided by sqrt(1 - n / N). Where neither can be
    had, because there is one subset or the halves are too small, the row before stands in.

    Args:
        holdout: features (N, dim) of held-out people's palms.
        statistics: of the training palms.
        subsample: features of training palms for the kernel distance and the prdc.
        distances: `neighbor_distances` within the subsample.
        counts: set sizes; those from 2 to N are used, and N itself.
        repeats: subsets for each.
        seed: of the draws.
        people: int64 (N,), whose palm each held-out one is; None if that is not known.
        progress: called with rows done and rows in all.
    """
    rng = np.random.default_rng(seed)
    if people is not None and len(np.unique(people)) < FEWEST_PEOPLE:
        people = None
    sizes = sorted(
        {n for n in counts if 2 <= n < len(holdout)} | ({len(holdout)} if len(holdout) >= 2 else set())
    )

    def distances_of(some: Floats) -> tuple[float, float]:
        kid = kernel_distance(
            some,
            kid_side(subsample),
            extractor=statistics.extractor,
            digest=statistics.digest,
            subsets=20,
        )
        return frechet_distance(some, statistics).value, kid.value

    rows: list[FloorRow] = []
    for n in sizes:
        subsets = [rng.permutation(len(holdout))[:n] for _ in range(repeats if n < len(holdout) else 1)]
        far = np.array([distances_of(holdout[some]) for some in subsets])
        near = [prdc(holdout[some], subsample, distances) for some in subsets]
        if people is not None:
            halves = [_of_half_the_people(people, n, rng) for _ in range(repeats)]
            spread = [distances_of(holdout[some]) for some in halves if len(some) == n]
            shrink = 1.0
        else:
            spread, shrink = list(far), np.sqrt(max(1 - n / len(holdout), 0))
        if len(spread) > 1:
            sd = np.std(spread, axis=0, ddof=1) / shrink
        else:
            sd = np.array([rows[-1].frechet_sd, rows[-1].kid_sd]) if rows else np.zeros(2)
        frechet, kid = far.mean(axis=0)
        density, coverage, auth = np.mean([(x.density, x.coverage, x.auth_pct) for x in near], axis=0)
        values = (frechet, sd[0], kid, sd[1], density, coverage, auth)
        rows.append(FloorRow(n, *map(float, values)))
        progress(len(rows), len(sizes))
    return tuple(rows)


def _of_half_the_people(people: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most n random rows, all of a random half of the people."""
    names = np.unique(people)
    half = rng.permutation(names)[: len(names) // 2]
    return rng.permutation(np.flatnonzero(np.isin(people, half)))[:n]


def floor_at(table: FloorTable, n: int) -> FloorRow | None:
    """The floor at n, between two rows linear in 1/n, in which the bias is linear to first order.

    Outside the table the nearest row stands in and keeps its own n, so that nobody takes it for more.
    Source of the 1/n law: Chong and Forsyth 2020 (https://arxiv.org/abs/1911.07023).
    """
    if not table:
        return None
    if n <= table[0].n or n >= table[-1].n:
        return table[0] if n <= table[0].n else table[-1]
    at = [-1 / row.n for row in table]
    columns = zip(*(astuple(row)[1:] for row in table), strict=True)
    return FloorRow(n, *(float(np.interp(-1 / n, at, column)) for column in columns))


def kid_side(subsample: Floats, limit: int = 2000) -> Floats:
    """The part of the subsample that the kernel distance uses: its rows are already in random order."""
    return subsample[:limit]
