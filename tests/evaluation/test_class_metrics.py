"""Metrics of each class, of features whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from palm_assets.evaluation.class_metrics import MIN_SAMPLES, MIN_TEST, MIN_TRAIN, measure_classes
from palm_assets.gan.hand_labels import HandLabels
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.kid import kernel_distance, kernel_variance
from palm_assets.quality.reference import Reference
from palm_assets.quality.reference_builder import reference_from_features

DIM = 12
LABELS = ["aspect", "side", "skin"]
PALM, BACK, UNKNOWN = HandLabels("palm", "left", "dark"), HandLabels("back", "left", "dark"), HandLabels()
TRAIN = [PALM] * MIN_TRAIN + [BACK] * MIN_TRAIN + [UNKNOWN] * 30
TEST = [PALM] * MIN_TEST + [BACK] * (MIN_TEST - 1) + [UNKNOWN]
SAMPLES = [PALM] * 60 + [BACK] * 60


def features(hands: list[HandLabels], seed: int, back: float = 5.0) -> np.ndarray:
    """Noise around 0 for palms and around `back` for backs."""
    means = np.array([back if hand is BACK else 0.0 for hand in hands])
    noise = np.random.default_rng(seed).normal(size=(len(hands), DIM))
    return (means[:, None] + noise).astype(np.float32)


@pytest.fixture(scope="module")
def reference() -> Reference:
    config = ReferenceConfig(floor_counts=[10], floor_repeats=2)
    return reference_from_features(features(TRAIN, 0), features(TEST, 1), config, extractor="e", digest="d")


def test_each_class_is_compared_with_its_own_photographs(reference: Reference) -> None:
    samples = features(SAMPLES, 2)
    found = {of.value: of for of in measure_classes(LABELS, samples, SAMPLES, reference, TRAIN, TEST)}
    assert list(found) == ["palm", "back", "fair", "medium", "dark"]  # side is no input of the networks
    palm, back = found["palm"], found["back"]
    assert (palm.label, palm.samples, palm.train, palm.test) == ("aspect", 60, MIN_TRAIN, MIN_TEST)
    palms = reference.subsample[[TRAIN[row] is PALM for row in reference.subsample_indices]]
    assert palm.kid == kernel_distance(samples[:60], palms, extractor="e", digest="d").value
    assert palm.kid_collapsed == kernel_variance(palms)
    for good in (palm, back):
        assert good.kid is not None
        assert good.kid_collapsed is not None
        assert abs(good.kid) < 0.1 * good.kid_collapsed
    assert palm.kid_floor == pytest.approx(0, abs=0.1 * kernel_variance(palms))
    assert "(20 photographs of test people: " in palm.describe()


def test_a_bad_class_is_seen_that_the_others_hide(reference: Reference) -> None:
    samples = features(SAMPLES, 2, back=0.0)  # backs look like palms
    found = {of.value: of for of in measure_classes(LABELS, samples, SAMPLES, reference, TRAIN, TEST)}
    palm, back = found["palm"], found["back"]
    assert palm.kid is not None
    assert back.kid is not None
    assert back.kid_collapsed is not None
    assert back.kid > 2 * back.kid_collapsed
    assert palm.kid_collapsed is not None
    assert abs(palm.kid) < 0.1 * palm.kid_collapsed


def test_a_class_of_few_images_has_no_distance_and_says_so(reference: Reference) -> None:
    hands = [PALM] * 60 + [BACK] * (MIN_SAMPLES - 1)
    found = {
        of.value: of for of in measure_classes(LABELS, features(hands, 2), hands, reference, TRAIN, TEST)
    }
    assert found["back"].kid is None
    assert found["back"].kid_floor is None  # one photograph short
    assert found["fair"].train == 0
    assert found["fair"].kid_collapsed is None
    assert found["fair"].describe() == "skin fair: 0 samples and 0 photographs are too few for a distance"


def test_a_model_without_labels_has_no_classes(reference: Reference) -> None:
    assert measure_classes([], features(SAMPLES, 2), SAMPLES, reference, TRAIN, TEST) == ()
