from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import linalg
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from palm_assets.errors import ExtractorMismatchError, QualityError
from palm_assets.quality.extractors.identity import CANONICAL_DIGEST
from palm_assets.quality.fid_infinity import fid_infinity
from palm_assets.quality.frechet import frechet_distance
from palm_assets.quality.statistics import FeatureStatistics

from .exact import frechet_longdouble, frechet_mpmath

Doubles = NDArray[np.float64]


def gaussian(n: int, dim: int, seed: int, *, shift: float = 0.0, decay: float = 1.0) -> Doubles:
    """Correlated features whose spectrum falls like that of a network's."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(dim, dim)) / np.sqrt(dim)
    return rng.normal(size=(n, dim)) @ (np.arange(1, dim + 1.0) ** -decay * mixing).T + shift


def statistics(features: Doubles, *, digest: str = "d") -> FeatureStatistics:
    return FeatureStatistics.from_features(features, extractor="e", digest=digest)


SETS = {
    "well conditioned": lambda x: gaussian(60, 8, 1, decay=0.2),
    "shifted": lambda x: gaussian(60, 8, 2, shift=3.0),
    "two images": lambda x: gaussian(2, 8, 3),
    "rank deficient": lambda x: gaussian(5, 8, 4),
    "identical": lambda x: x,
    "nearly identical": lambda x: x + 1e-3 * gaussian(len(x), 8, 5),
    "scaled": lambda x: 10 * x,
    "constant": lambda x: np.ones((6, 8)),
}


@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("reference_n", [4, 40])
def test_equals_the_formula_evaluated_with_fifty_digits(kind: str, reference_n: int) -> None:
    reference = gaussian(reference_n, 8, 0, decay=0.2)
    sample = SETS[kind](reference)
    truth = frechet_mpmath(sample, reference)
    ours = frechet_distance(sample, statistics(reference))
    scale = np.trace(np.cov(reference.T)) + np.trace(np.cov(sample.T))
    assert ours.value == pytest.approx(truth, rel=1e-6, abs=1e-13 * scale)
    from_statistics = frechet_distance(statistics(sample), statistics(reference)).value
    assert from_statistics == pytest.approx(truth, rel=1e-6, abs=1e-7 * scale)


@pytest.mark.parametrize("n", [2, 16, 64, 500])
def test_equals_eighty_bit_arithmetic_where_the_covariance_is_rank_deficient(n: int) -> None:
    reference, sample = gaussian(64, 512, 0), gaussian(n, 512, 1, shift=0.01)
    truth = frechet_longdouble(sample, reference)
    assert frechet_distance(sample, statistics(reference)).value == pytest.approx(truth, rel=1e-6)


def test_the_two_high_precision_routes_agree_with_each_other() -> None:
    x, y = gaussian(12, 6, 0), gaussian(9, 6, 1)
    assert frechet_longdouble(x, y) == pytest.approx(frechet_mpmath(x, y), rel=1e-14)


def test_more_images_than_twice_the_dimensions_take_the_other_route_to_the_same_value() -> None:
    reference = statistics(gaussian(300, 16, 0))
    for n in (32, 33, 5000):
        x = gaussian(n, 16, 1)
        plain = np.trace(linalg.sqrtm(np.cov(x.T) @ reference.cov)).real
        gap = ((x.mean(0) - reference.mean) ** 2).sum()
        truth = gap + np.trace(np.cov(x.T)) + np.trace(reference.cov) - 2 * plain
        assert frechet_distance(x, reference).value == pytest.approx(truth, rel=1e-9)


def test_agrees_with_torch_fidelity_and_scipy_where_they_are_sound() -> None:
    x, y = gaussian(400, 32, 0, decay=0.3), gaussian(300, 32, 1, decay=0.3, shift=0.05)
    ours = frechet_distance(x, statistics(y)).value
    theirs = fid_statistics_to_metric(
        fid_features_to_statistics(torch.from_numpy(x)),
        fid_features_to_statistics(torch.from_numpy(y)),
        False,
    )
    assert ours == pytest.approx(theirs["frechet_inception_distance"], rel=1e-4)
    root = linalg.sqrtm(np.cov(x.T) @ np.cov(y.T)).real
    gap = ((x.mean(0) - y.mean(0)) ** 2).sum()
    assert ours == pytest.approx(gap + np.trace(np.cov(x.T) + np.cov(y.T) - 2 * root), rel=1e-4)


@pytest.mark.parametrize("n", [2, 3, 50, 700])
def test_a_set_is_at_no_distance_from_itself_and_never_below_zero(n: int) -> None:
    x = gaussian(n, 256, 0).astype(np.float32)
    result = frechet_distance(x, statistics(x))
    assert 0 <= result.value < 1e-9 * np.trace(np.cov(x.T.astype(np.float64)))


def test_the_mean_term_is_the_squared_distance_of_the_means() -> None:
    x = gaussian(50, 8, 0)
    result = frechet_distance(x + 2.0, statistics(x))
    assert result.mean_term == pytest.approx(8 * 4.0)
    assert result.value == pytest.approx(8 * 4.0)


def test_fewer_than_two_images_are_refused_by_name_of_the_side() -> None:
    x = gaussian(10, 8, 0)
    with pytest.raises(QualityError, match="the set has 1"):
        frechet_distance(x[:1], statistics(x))
    with pytest.raises(QualityError, match="the reference has 1"):
        frechet_distance(x, statistics(x[:1]))
    with pytest.raises(QualityError, match="dimensions"):
        frechet_distance(x[:, :4], statistics(x))


def test_statistics_of_two_extractors_are_not_compared() -> None:
    x = gaussian(10, 8, 0)
    with pytest.raises(ExtractorMismatchError, match=r"\[one\].*\[two\]"):
        frechet_distance(statistics(x, digest="one"), statistics(x, digest="two"))


def test_only_the_canonical_inception_is_called_fid() -> None:
    x = gaussian(10, 8, 0)

    def label(extractor: str, digest: str) -> str:
        reference = FeatureStatistics.from_features(x, extractor=extractor, digest=digest)
        return frechet_distance(x, reference).label

    assert label("inception-v3", CANONICAL_DIGEST) == "FID"
    assert label("efficientnet-lite0", "abc") == "Fréchet distance (efficientnet-lite0)"
    assert label("inception-v3", "abc") == "Fréchet distance (inception-v3, weights abc)"


def test_extrapolation_removes_the_bias_of_the_number_of_images() -> None:
    dim = 24
    reference = statistics(gaussian(60_000, dim, 0))
    sets = [gaussian(8 * dim, dim, seed) for seed in range(1, 25)]
    raw = np.mean([frechet_distance(x, reference).value for x in sets])
    infinite = [fid_infinity(x, reference) for x in sets]
    # The two distributions are the same, so the truth is 0.
    assert abs(np.mean([result.value for result in infinite])) < raw / 4
    assert infinite[0].label == "Fréchet distance at infinity (e)"


def test_extrapolation_refuses_sets_whose_bias_is_not_a_line() -> None:
    with pytest.raises(QualityError, match="at least 96 images"):
        fid_infinity(gaussian(90, 24, 0), statistics(gaussian(90, 24, 1)))
