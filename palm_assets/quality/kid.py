"""Kernel distance (KID): an unbiased companion to the Frechet distance.

Binkowski et al., "Demystifying MMD GANs", 2018 (https://arxiv.org/abs/1801.01401): the
squared maximum mean discrepancy under the kernel (x.y / dim + 1)^3, unbiased at every n,
so it may come out slightly negative for sets that are equally good.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from palm_assets.errors import QualityError
from palm_assets.quality.extractors.identity import metric_label
from palm_assets.quality.statistics import Doubles, Floats

ROWS_PER_BLOCK = 1024


@dataclass(frozen=True)
class KidResult:
    """A kernel distance: mean and spread over random subsets.

    Attributes:
        value: mean of the unbiased squared MMD over the subsets; around 0 for equal distributions.
        sd: its standard deviation over the subsets, the spread of one subset's value.
        n: images in the set.
        reference_n: images of the reference that took part.
        subsets: number of subsets.
        subset_size: images a side in each.
        extractor: network that made the features.
        digest: its weights and preprocessing.
    """

    value: float
    sd: float
    n: int
    reference_n: int
    subsets: int
    subset_size: int
    extractor: str
    digest: str

    @property
    def label(self) -> str:
        """What to call it: "KID", or "kernel distance" with the extractor's name."""
        return metric_label("kernel distance", "KID", self.extractor, self.digest)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {"label": self.label, **asdict(self)}


def kernel_distance(
    sample: Floats,
    reference: Floats,
    *,
    extractor: str,
    digest: str,
    subsets: int = 100,
    subset_size: int | None = None,
    seed: int = 2020,
) -> KidResult:
    """KID of features (n, dim) against features (m, dim) of the reference.

    The subsets are those that torch-fidelity 0.4 draws for the same seed and sizes, and so is
    the value. Each subset's sums of kernel values are quadratic forms s'Ks of its 0/1 vector s,
    so the kernel is computed once for all subsets instead of once for each.

    Args:
        sample: features of the set.
        reference: features to measure against.
        extractor: network that made both.
        digest: its weights and preprocessing.
        subsets: how many random subsets.
        subset_size: images a side in each; by default half the smaller side, at most 1,000,
            so that subsets of a small set differ and their spread says something.
        seed: of the subsets.

    Raises:
        QualityError: fewer than 2 images on a side, or a subset larger than a side.
    """
    n, m = len(sample), len(reference)
    if min(n, m) < 2:
        raise QualityError(
            f"A kernel distance needs at least 2 images on each side, got {n} and {m}",
            hint="Give more images",
        )
    size = min(1000, max(2, min(n, m) // 2)) if subset_size is None else subset_size
    if not 2 <= size <= min(n, m):
        raise QualityError(
            f"Subsets of {size} cannot be drawn from {n} and {m} images",
            where="subset_size",
            hint=f"Choose a subset size from 2 to {min(n, m)}",
        )
    picks_x, picks_y = np.zeros((subsets, n)), np.zeros((subsets, m))
    rng = np.random.RandomState(seed)  # torch-fidelity's generator, in its order of draws
    for i in range(subsets):
        picks_x[i, rng.choice(n, size, replace=False)] = 1
        picks_y[i, rng.choice(m, size, replace=False)] = 1
    used_y = picks_y.any(axis=0)
    x, y, picks_y = sample, reference[used_y], picks_y[:, used_y]
    within = _quadratic(picks_x, x, picks_x, x) - picks_x @ _self_kernel(x)
    within += _quadratic(picks_y, y, picks_y, y) - picks_y @ _self_kernel(y)
    values = within / (size * (size - 1)) - 2 * _quadratic(picks_x, x, picks_y, y) / size**2
    return KidResult(float(values.mean()), float(values.std()), n, m, subsets, size, extractor, digest)


def _quadratic(picks_x: Doubles, x: Floats, picks_y: Doubles, y: Floats) -> Doubles:
    """For each subset the sum of k(x, y) over its pairs, (subsets,), in float64 and in blocks."""
    total = np.zeros(len(picks_x))
    for rows, some in _blocks(x):
        for columns, others in _blocks(y):
            kernel = (some @ others.T / x.shape[1] + 1) ** 3
            total += np.einsum("sn,sn->s", picks_x[:, rows], picks_y[:, columns] @ kernel.T)
    return total


def _self_kernel(x: Floats) -> Doubles:
    """k(x, x) of each row, (n,): what the unbiased estimate leaves out."""
    squares = [np.einsum("nd,nd->n", some, some) for _, some in _blocks(x)]
    diagonal: Doubles = (np.concatenate(squares) / x.shape[1] + 1) ** 3
    return diagonal


def _blocks(x: Floats) -> Iterator[tuple[slice, Doubles]]:
    for start in range(0, len(x), ROWS_PER_BLOCK):
        rows = slice(start, start + ROWS_PER_BLOCK)
        yield rows, x[rows].astype(np.float64)
