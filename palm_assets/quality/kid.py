"""Kernel distance (KID): the squared maximum mean discrepancy between two sets of features.

Binkowski et al., "Demystifying MMD GANs", 2018 (https://arxiv.org/abs/1801.01401), with the kernel
(x.y / dim + 1)^3. The estimate is unbiased at every n, so it can be slightly negative for equal
distributions.
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
    """A kernel distance: mean and standard deviation over random subsets.

    Attributes:
        value: mean of the unbiased squared MMD over the subsets; around 0 for equal distributions.
        sd: standard deviation over the subsets, of one subset's value.
        n: images in the set.
        reference_n: images of the reference that were used.
        subsets: number of subsets.
        subset_size: images of each side in a subset.
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
        """Its name: "KID", or "kernel distance" with the extractor's name."""
        return metric_label("kernel distance", "KID", self.extractor, self.digest)

    def to_json(self) -> dict[str, Any]:
        """All fields as plain values, and the label."""
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

    The subsets, and so the value, are those of torch-fidelity 0.4 for the same seed and sizes. A subset's
    sums of kernel values are quadratic forms s'Ks of its 0/1 vector s, so the kernel is computed once for all
    subsets.

    Args:
        sample: features of the set.
        reference: features to compare with.
        extractor: network that made both.
        digest: its weights and preprocessing.
        subsets: how many random subsets.
        subset_size: images of each side in a subset; by default half the smaller side, at most 1,000, so that
            the subsets of a small set differ.
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
            f"Subsets of {size} cannot be taken from {n} and {m} images",
            where="subset_size",
            hint=f"Choose a subset size from 2 to {min(n, m)}",
        )
    members_x, members_y = np.zeros((subsets, n)), np.zeros((subsets, m))
    rng = np.random.RandomState(seed)  # torch-fidelity's generator, called in its order
    for i in range(subsets):
        members_x[i, rng.choice(n, size, replace=False)] = 1
        members_y[i, rng.choice(m, size, replace=False)] = 1
    used_y = members_y.any(axis=0)
    x, y, members_y = sample, reference[used_y], members_y[:, used_y]
    within = _kernel_sums(members_x, x, members_x, x) - members_x @ _self_kernel(x)
    within += _kernel_sums(members_y, y, members_y, y) - members_y @ _self_kernel(y)
    values = within / (size * (size - 1)) - 2 * _kernel_sums(members_x, x, members_y, y) / size**2
    return KidResult(float(values.mean()), float(values.std()), n, m, subsets, size, extractor, digest)


def kernel_variance(features: Floats) -> float:
    """The scale of a kernel distance: that of a model which repeats one real image, the mean over these.

    It is the trace of the covariance under the kernel, as the trace of the features' covariance is the
    Fréchet distance of a fully collapsed model.

    Args:
        features: (m, dim) of real images, at least 2.
    """
    everyone, own = np.ones((1, len(features))), _self_kernel(features).sum()
    pairs = float(_kernel_sums(everyone, features, everyone, features)[0]) - own
    return float(own / len(features) - pairs / (len(features) * (len(features) - 1)))


def reference_rows(subsample: Floats, limit: int = 2000) -> Floats:
    """The rows of a reference's subsample that are compared with; they are in random order already."""
    return subsample[:limit]


def _kernel_sums(members_x: Doubles, x: Floats, members_y: Doubles, y: Floats) -> Doubles:
    """For each subset the sum of k(x, y) over its pairs, float64 (subsets,), computed in blocks."""
    sums = np.zeros(len(members_x))
    for rows, block_x in _blocks(x):
        for columns, block_y in _blocks(y):
            kernel = (block_x @ block_y.T / x.shape[1] + 1) ** 3
            sums += np.einsum("sn,sn->s", members_x[:, rows], members_y[:, columns] @ kernel.T)
    return sums


def _self_kernel(x: Floats) -> Doubles:
    """k(x, x) of each row, (n,), which the unbiased estimate leaves out."""
    squares = [np.einsum("nd,nd->n", block, block) for _, block in _blocks(x)]
    diagonal: Doubles = (np.concatenate(squares) / x.shape[1] + 1) ** 3
    return diagonal


def _blocks(x: Floats) -> Iterator[tuple[slice, Doubles]]:
    for start in range(0, len(x), ROWS_PER_BLOCK):
        rows = slice(start, start + ROWS_PER_BLOCK)
        yield rows, x[rows].astype(np.float64)
