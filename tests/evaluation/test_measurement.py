"""`ModelMetrics` of features and contrasts whose answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from palm_assets.errors import ArtifactCorruptError
from palm_assets.evaluation.measurement import (
    COPY_SIMILARITY,
    Pixels,
    RealImages,
    measure_model,
    pixel_contrasts,
)
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.copies import SIDE, copy_similarity
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
    pixels = Pixels(np.array(contrasts), gray(len(sets) * N, 1))
    real = RealImages(Pixels(np.array([0.5, 1.0, 2.0]), gray(60, 2)), gray(20, 3))
    return measure_model(sets, pixels, real, reference)


def gray(count: int, seed: int) -> np.ndarray:
    """Thumbnails of noise."""
    return np.random.default_rng(seed).random((count, SIDE, SIDE)).astype(np.float32)


def test_sets_like_the_real_ones_have_ratios_of_one_and_small_distances(reference: Reference) -> None:
    metrics = measured(reference, features(2), features(3))
    assert metrics.n == N
    assert metrics.variance_ratio == pytest.approx(1, abs=0.1)
    assert metrics.nearest_neighbor_ratio == pytest.approx(1, abs=0.1)
    assert metrics.density_ratio == pytest.approx(1, abs=0.2)
    assert metrics.coverage_ratio == pytest.approx(1, abs=0.2)
    assert all(value < metrics.frechet_collapsed / 5 for value in metrics.frechet)
    assert all(value < metrics.kid_collapsed / 5 for value in metrics.kid)
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


def test_samples_closer_to_training_images_than_test_people_are_copies(reference: Reference) -> None:
    train, test = gray(60, 2), gray(100, 3)
    moved = np.roll(train[:30, :, ::-1], 2, axis=1)
    samples = np.concatenate([moved, gray(N - 30, 4)])
    real = RealImages(Pixels(np.ones(60), train), test)
    metrics = measure_model([features(2)], Pixels(np.ones(N), samples), real, reference)
    assert metrics.copy_share == pytest.approx(30 / N, abs=0.02)


def test_few_test_people_do_not_make_copies_of_ordinary_samples() -> None:
    """Smooth palms are more alike than the crops of a handful of test people are by chance."""
    train, test = gray(60, 2), gray(4, 3)
    assert copy_similarity(test, train).max() < COPY_SIMILARITY
    assert RealImages(Pixels(np.ones(60), train), test).copy_bound == COPY_SIMILARITY
    series = np.concatenate([test, train[:10]])  # the same person under two names
    assert RealImages(Pixels(np.ones(60), train), series).copy_bound > COPY_SIMILARITY


def test_repeated_samples_are_counted_beside_repeated_training_images(reference: Reference) -> None:
    repeated = np.tile(gray(1, 5), (40, 1, 1)) + 0.01 * gray(40, 6)
    samples = np.concatenate([repeated, gray(N - 40, 7)])
    train = np.concatenate([gray(150, 2), gray(75, 2), gray(75, 2)])  # half of them are taken in a series
    real = RealImages(Pixels(np.ones(300), train), gray(20, 3))
    metrics = measure_model([features(2)], Pixels(np.ones(N), samples), real, reference)
    assert metrics.repeat_share == pytest.approx(40 / N)
    assert 0.3 < metrics.real_repeat_share < 0.8


def test_coverage_is_compared_at_the_size_that_real_images_reach(reference: Reference) -> None:
    """A set ten times as large covers more, but is not better."""
    rows = np.concatenate([features(seed) for seed in range(2, 12)])
    pixels, real = Pixels(np.ones(10), gray(10, 1)), RealImages(Pixels(np.ones(60), gray(60, 2)), gray(9, 3))
    assert measure_model([rows], pixels, real, reference).coverage_ratio == pytest.approx(1, abs=0.2)


def test_without_test_people_no_sample_can_be_called_authentic(reference: Reference) -> None:
    real = RealImages(Pixels(np.ones(60), gray(60, 2)), gray(0, 3))
    metrics = measure_model([features(2)], Pixels(np.ones(N), gray(N, 1)), real, reference)
    assert np.isnan(metrics.copy_share)


def test_metrics_of_another_version_of_the_program_are_a_typed_error(reference: Reference) -> None:
    content = measured(reference, features(2), features(3)).to_json()
    del content["copy_share"]
    with pytest.raises(ArtifactCorruptError, match="palm_evaluation"):
        ModelMetrics.from_json(content)


def test_survives_json(reference: Reference) -> None:
    metrics = measured(reference, features(2), features(3))
    assert ModelMetrics.from_json(json.loads(json.dumps(metrics.to_json()))) == metrics


def test_nan_survives_a_manifest_where_it_is_null(reference: Reference) -> None:
    content = measured(reference, features(2), features(3)).to_json() | {"coverage_ratio": None}
    assert np.isnan(ModelMetrics.from_json(content).coverage_ratio)
