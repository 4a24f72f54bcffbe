from __future__ import annotations

import numpy as np
import pytest

from palm_assets.errors import ExtractorMismatchError, QualityError
from palm_assets.quality.statistics import FeatureStatistics

FEATURES = np.random.default_rng(0).normal(3.0, 2.0, size=(1300, 20)).astype(np.float32)


def of(features: object, digest: str = "d") -> FeatureStatistics:
    return FeatureStatistics.from_features(features, extractor="e", digest=digest)  # type: ignore[arg-type]


def test_mean_and_covariance_are_numpys() -> None:
    result = of(FEATURES)
    np.testing.assert_allclose(result.mean, FEATURES.mean(0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(result.cov, np.cov(FEATURES.T.astype(np.float64)), rtol=1e-10, atol=1e-12)
    assert result.n == 1300


@pytest.mark.parametrize("batch", [1, 7, 512, 5000])
def test_a_stream_of_batches_gives_the_same_as_the_whole(batch: int) -> None:
    stream = of(FEATURES[i : i + batch] for i in range(0, len(FEATURES), batch))
    np.testing.assert_allclose(stream.cov, of(FEATURES).cov, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cut", [1, 2, 650, 1299])
def test_two_shards_merge_into_what_one_pass_gives(cut: int) -> None:
    merged, whole = of(FEATURES[:cut]).merge(of(FEATURES[cut:])), of(FEATURES)
    assert merged.n == whole.n
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(merged.cov, whole.cov, rtol=1e-10, atol=1e-12)


def test_a_mean_far_from_zero_costs_no_precision() -> None:
    far = FEATURES.astype(np.float64) + 1e6
    np.testing.assert_allclose(of(far).cov, of(FEATURES.astype(np.float64)).cov, rtol=1e-6, atol=1e-8)


def test_the_factor_reproduces_the_covariance_and_has_its_rank() -> None:
    result = of(FEATURES[:8])
    assert result.factor.shape == (20, 7)
    np.testing.assert_allclose(result.factor @ result.factor.T, result.cov, atol=1e-12)
    assert of(np.ones((5, 3))).factor.shape == (3, 0)


def test_shards_of_two_extractors_do_not_merge() -> None:
    with pytest.raises(ExtractorMismatchError):
        of(FEATURES, "one").merge(of(FEATURES, "two"))


def test_no_features_and_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(QualityError, match="no images"):
        of(FEATURES[:0])
    with pytest.raises(QualityError, match="not finite"):
        of(np.full((4, 3), np.nan))
