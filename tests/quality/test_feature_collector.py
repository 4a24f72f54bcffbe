from __future__ import annotations

import numpy as np
import pytest

from palm_assets.quality.feature_collector import ROWS_PER_BLOCK, FeatureCollector, feature_blocks
from palm_assets.quality.statistics import FeatureStatistics

FEATURES = np.random.default_rng(0).normal(3, 2, (900, 12)).astype(np.float32)


def collected(limit: int, blocks: list[int], seed: int = 0) -> FeatureCollector:
    taken = FeatureCollector(12, limit, extractor="e", digest="d", seed=seed)
    for rows in np.split(FEATURES, np.cumsum(blocks)[:-1]):
        taken.add(rows)
    return taken


@pytest.mark.parametrize("limit", [1, 100, 899, 900, 5000])
@pytest.mark.parametrize("blocks", [[900], [1, 99, 800], [450, 450]])
def test_the_statistics_are_of_all_rows_and_the_kept_ones_are_rows_of_the_stream(
    limit: int, blocks: list[int]
) -> None:
    taken = collected(limit, blocks)
    whole = FeatureStatistics.from_features(FEATURES, extractor="e", digest="d")
    assert (taken.n, taken.statistics.n) == (900, 900)
    np.testing.assert_allclose(taken.statistics.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(taken.statistics.cov, whole.cov, rtol=1e-9, atol=1e-12)
    assert len(set(taken.indices.tolist())) == len(taken.rows) == min(limit, 900)
    np.testing.assert_array_equal(taken.rows, FEATURES[taken.indices])


def test_below_the_limit_all_rows_stay_in_order() -> None:
    np.testing.assert_array_equal(collected(1000, [300, 600]).indices, np.arange(900))


def test_every_row_is_kept_with_the_same_probability() -> None:
    kept = np.zeros(900)
    for seed in range(400):
        kept[collected(90, [200, 700], seed).indices] += 1
    for part in np.split(kept, 9):  # 400 draws of a tenth: 40 ± 0.6 for the mean of a hundred rows
        assert part.mean() == pytest.approx(40, abs=2.5)
    assert kept.std() == pytest.approx(6, abs=0.6)


def test_a_stream_of_uneven_batches_comes_in_equal_blocks_with_the_same_rows() -> None:
    rows = np.arange(3 * ROWS_PER_BLOCK + 5, dtype=np.float32)[:, None]
    stream = (rows[start : start + 700] for start in range(0, len(rows), 700))
    for blocks in (list(feature_blocks(rows)), list(feature_blocks(stream))):
        assert [len(block) for block in blocks] == [ROWS_PER_BLOCK] * 3 + [5]
        np.testing.assert_array_equal(np.concatenate(blocks), rows)
    assert list(feature_blocks(rows[:0])) == list(feature_blocks(iter([]))) == []
