from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric

from palm_assets.errors import QualityError
from palm_assets.quality.extractors.identity import CANONICAL_DIGEST
from palm_assets.quality.kid import kernel_distance

RNG = np.random.default_rng(0)
X = RNG.gamma(1.0, 0.4, size=(300, 48)).astype(np.float32)
Y = RNG.gamma(1.2, 0.4, size=(250, 48)).astype(np.float32)


@pytest.mark.parametrize(("subsets", "size"), [(10, 100), (3, 250), (50, 2)])
def test_equals_torch_fidelity_on_the_same_subsets(subsets: int, size: int) -> None:
    theirs = kid_features_to_metric(
        torch.from_numpy(X),
        torch.from_numpy(Y),
        kid_subsets=subsets,
        kid_subset_size=size,
        rng_seed=2020,
        verbose=False,
    )
    ours = kernel_distance(X, Y, extractor="e", digest="d", subsets=subsets, subset_size=size, seed=2020)
    assert ours.value == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4, abs=1e-6)
    assert ours.sd == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-4, abs=1e-6)


def test_equals_the_definition_written_as_loops() -> None:
    x, y = X[:6].astype(np.float64), Y[:6].astype(np.float64)

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 48 + 1) ** 3)

    within = sum(k(s[i], s[j]) for s in (x, y) for i in range(6) for j in range(6) if i != j) / 30
    across = sum(k(a, b) for a in x for b in y) / 36
    ours = kernel_distance(x, y, extractor="e", digest="d", subsets=1, subset_size=6)
    assert ours.value == pytest.approx(within - 2 * across, rel=1e-9)


def test_is_unbiased_at_every_n_so_equal_distributions_average_to_zero() -> None:
    for n in (4, 20, 100):
        values = []
        for seed in range(60):
            rng = np.random.default_rng(seed)
            some, others = rng.normal(size=(n, 16)), rng.normal(size=(n, 16))
            values.append(kernel_distance(some, others, extractor="e", digest="d", subsets=5).value)
        assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))


def test_grows_with_the_difference_and_records_what_it_was_computed_from() -> None:
    near = kernel_distance(X[:150], X[150:], extractor="e", digest="d")
    far = kernel_distance(X[:150], Y, extractor="e", digest="d")
    assert near.value < far.value
    assert (far.n, far.reference_n, far.subset_size) == (150, 250, 75)
    assert far.label == "kernel distance (e)"
    assert kernel_distance(X, Y, extractor="inception-v3", digest=CANONICAL_DIGEST).label == "KID"


def test_sets_and_subsets_that_make_no_sense_are_refused() -> None:
    with pytest.raises(QualityError, match="at least 2"):
        kernel_distance(X[:1], Y, extractor="e", digest="d")
    with pytest.raises(QualityError, match="Subsets of 500"):
        kernel_distance(X, Y, extractor="e", digest="d", subset_size=500)
