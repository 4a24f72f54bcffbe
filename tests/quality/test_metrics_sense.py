"""The metrics order sets as a person would, with the extractor that needs no download."""

from __future__ import annotations

import numpy as np
import pytest

from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.features import Extractor
from palm_assets.quality.reference import Reference
from palm_assets.quality.reference_builder import build_reference
from palm_assets.quality.set_metrics import SetMetrics, evaluate_set

from .conftest import blurred, draw_palms

TRAIN = draw_palms(120, seed=0)
FRESH = draw_palms(40, seed=3)


@pytest.fixture(scope="module")
def reference(lite: Extractor) -> Reference:
    config = ReferenceConfig(floor_counts=(8, 16, 40), floor_repeats=4)
    return build_reference(TRAIN, draw_palms(56, seed=1), config, extractor=lite)


@pytest.fixture(scope="module")
def scores(reference: Reference, lite: Extractor) -> dict[str, SetMetrics]:
    noise = np.random.default_rng(0).integers(0, 256, FRESH.shape, dtype=np.uint8)
    sets = {
        "real": FRESH,
        "slightly blurred": blurred(FRESH, 0.5),
        "blurred": blurred(FRESH, 1.2),
        "other hands": draw_palms(40, seed=4, kind="glove"),
        "noise": noise,
    }
    return {name: evaluate_set(images, reference, lite) for name, images in sets.items()}


@pytest.mark.parametrize("metric", ["frechet", "kid"])
def test_distances_grow_from_real_over_slightly_blurred_to_worse(
    metric: str, scores: dict[str, SetMetrics]
) -> None:
    real, slight, blur, other, noise = (getattr(score, metric) for score in scores.values())
    assert real < slight < min(blur, other, noise)


def test_coverage_falls_in_the_same_order(scores: dict[str, SetMetrics]) -> None:
    assert scores["real"].coverage > scores["slightly blurred"].coverage > scores["blurred"].coverage
    assert scores["other hands"].coverage == scores["noise"].coverage == 0


def test_fresh_real_palms_score_the_floor(scores: dict[str, SetMetrics]) -> None:
    real = scores["real"]
    assert real.floor is not None
    assert real.floor.n == 40
    assert abs(real.frechet - real.floor.frechet) < 4 * real.floor.frechet_sd
    assert abs(real.kid) < 4 * (real.kid_sd + real.floor.kid_sd)


def test_the_floor_is_monotone_in_n_within_its_spread(reference: Reference) -> None:
    for few, more in zip(reference.floor, reference.floor[1:], strict=False):
        assert more.frechet <= few.frechet + 2 * (few.frechet_sd + more.frechet_sd)


def test_five_percent_of_planted_training_photos_are_found(reference: Reference, lite: Extractor) -> None:
    planted = {7: 31, 20: 112}  # position in the set: row of the training photo
    images = FRESH.copy()
    for position, row in planted.items():
        images[position] = TRAIN[row]
    score = evaluate_set(images, reference, lite)
    clean = evaluate_set(FRESH, reference, lite)
    suspects = np.flatnonzero(score.distance < 1e-3)
    assert {int(i): int(score.nearest[i]) for i in suspects} == planted
    assert clean.distance.min() > 100 * score.distance[suspects].max()
    assert score.auth_pct < clean.auth_pct
    assert not score.prdc_result.authentic[list(planted)].any()
