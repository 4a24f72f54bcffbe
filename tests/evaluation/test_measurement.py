"""`ModelMetrics` of features and contrasts whose answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from palm_assets.evaluation.measurement import measure_model, pixel_contrasts
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.frechet import frechet_distance
from palm_assets.quality.reference import Reference
from palm_assets.quality.reference_builder import reference_from_features

DIM, N = 12, 200


def features(seed: int, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).normal(size=(N, DIM))).astype(np.float32)


@pytest.fixture(scope="module")
def reference() -> Reference:
    config = ReferenceConfig(floor_counts=[50], floor_repeats=2)
    return reference_from_features(features(0), features(1), config, extractor="e", digest="d")


def measured(reference: Reference, *sets: np.ndarray, contrasts: tuple[float, ...] = (1.0,)) -> ModelMetrics:
    return measure_model(sets, np.array(contrasts), np.array([0.5, 1.0, 2.0]), reference)


def test_sets_like_the_real_ones_have_ratios_of_one_and_small_distances(reference: Reference) -> None:
    metrics = measured(reference, features(2), features(3))
    assert metrics.n == N
    assert metrics.variance_ratio == pytest.approx(1, abs=0.1)
    assert metrics.nearest_neighbor_ratio == pytest.approx(1, abs=0.1)
    assert all(value < metrics.frechet_collapsed / 5 for value in metrics.frechet)
    assert all(abs(value) < 0.2 for value in metrics.kid)


def test_each_set_has_its_own_distances(reference: Reference) -> None:
    metrics = measured(reference, features(2), features(3, scale=2))
    assert metrics.frechet == tuple(
        frechet_distance(rows, reference.statistics).value for rows in (features(2), features(3, scale=2))
    )
    assert metrics.frechet[1] > 5 * metrics.frechet[0]
    assert metrics.kid[1] > metrics.kid[0]


def test_a_collapsed_model_has_no_variance_and_the_distance_of_the_mean_image(reference: Reference) -> None:
    collapsed = np.tile(reference.mean.astype(np.float32), (N, 1))
    metrics = measured(reference, collapsed, collapsed)
    assert metrics.variance_ratio == pytest.approx(0, abs=1e-9)
    assert metrics.nearest_neighbor_ratio == pytest.approx(0, abs=1e-3)
    assert metrics.frechet_collapsed == pytest.approx(np.trace(reference.cov))
    assert metrics.frechet[0] == pytest.approx(metrics.frechet_collapsed, rel=1e-5)


def test_a_few_repeated_images_keep_the_variance_but_not_the_nearest_neighbor_distance(
    reference: Reference,
) -> None:
    repeated = np.repeat(features(2)[: N // 4], 4, axis=0)
    metrics = measured(reference, repeated)
    assert metrics.variance_ratio > 0.8
    assert metrics.nearest_neighbor_ratio == pytest.approx(0, abs=1e-3)


def test_images_below_a_quarter_of_the_real_median_contrast_are_blank(reference: Reference) -> None:
    metrics = measured(reference, features(2), contrasts=(0.0, 0.24, 0.26, 0.8))
    assert metrics.blank_share == 0.5
    assert metrics.contrast_ratio == pytest.approx(0.25)


def test_the_contrast_of_an_image_is_the_standard_deviation_of_its_pixels() -> None:
    flat, checked = np.full((3, 4, 4), 200, np.uint8), np.zeros((3, 4, 4), np.uint8)
    checked[:, ::2] = 100
    np.testing.assert_allclose(pixel_contrasts(np.stack([flat, checked])), [0, 50])


def test_survives_json(reference: Reference) -> None:
    metrics = measured(reference, features(2), features(3))
    assert ModelMetrics.from_json(json.loads(json.dumps(metrics.to_json()))) == metrics
