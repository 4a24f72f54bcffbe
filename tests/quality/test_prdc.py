from __future__ import annotations

import numpy as np
import pytest

from palm_assets.errors import QualityError
from palm_assets.quality.prdc import nearest_neighbor_distances, prdc

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(700, 10)).astype(np.float32)
FAKE = RNG.normal(size=(550, 10)).astype(np.float32)


def test_equals_a_brute_force_over_all_pairs() -> None:
    pairs = np.linalg.norm(FAKE[:, None].astype(float) - REAL, axis=2)
    among = np.linalg.norm(REAL[:, None].astype(float) - REAL, axis=2) + np.diag(np.full(len(REAL), np.inf))
    radius = np.sort(among, axis=1)[:, 4]
    result = prdc(FAKE, REAL)
    assert result.density == pytest.approx((pairs <= radius).sum() / (5 * len(FAKE)))
    assert result.coverage == pytest.approx((pairs <= radius).any(axis=0).mean())
    np.testing.assert_array_equal(result.nearest, pairs.argmin(axis=1))
    np.testing.assert_allclose(result.distance, pairs.min(axis=1), rtol=1e-6)
    authentic = pairs.min(axis=1) > among.min(axis=1)[pairs.argmin(axis=1)]
    assert result.auth_pct == pytest.approx(100 * authentic.mean())


def test_a_real_sample_is_not_its_own_neighbor() -> None:
    assert (nearest_neighbor_distances(REAL, 3)[:, 0] > 0).all()


def test_copies_have_no_distance_and_are_not_authentic() -> None:
    result = prdc(REAL[:40], REAL)
    np.testing.assert_array_equal(result.nearest, np.arange(40))
    assert result.distance.max() < 1e-6
    assert result.auth_pct == 0


def test_equal_distributions_have_density_near_one_and_a_far_set_has_none() -> None:
    same, far = prdc(FAKE, REAL), prdc(FAKE + 20, REAL)
    assert same.density == pytest.approx(1, abs=0.2)
    assert same.coverage > 0.9
    assert (far.density, far.coverage, far.auth_pct) == (0, 0, 100)


def test_a_collapsed_set_covers_little() -> None:
    assert prdc(np.repeat(FAKE[:3], 100, axis=0), REAL).coverage < 0.1


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(QualityError, match="more than 5 real"):
        prdc(FAKE, REAL[:5])
    with pytest.raises(QualityError, match="no images"):
        prdc(FAKE[:0], REAL)
