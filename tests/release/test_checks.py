"""The gate's checks: each bound on both sides."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from palm_assets.crops.splits import PeopleSplit
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.release.checks import (
    CheckResult,
    Incumbent,
    check_against_incumbent,
    check_contrast,
    check_crops,
    check_detector,
    check_distance,
    check_memorization,
    check_photos,
    check_variety,
    check_withdrawal,
    refusal,
)
from palm_assets.release.config import GateConfig

BOUNDS = GateConfig()
GOOD = ModelMetrics(
    n=100,
    frechet=(300.0, 304.0, 296.0, 300.0),
    kid=(0.30, 0.31, 0.29, 0.30),
    frechet_collapsed=330.0,
    variance_ratio=0.8,
    nearest_neighbor_ratio=0.9,
    contrast_ratio=1.0,
    blank_share=0.0,
)
PHOTOS: dict[str, Any] = {"photos": 900, "people": 90, "set_aside": 100, "set_aside_reasons": {}}
CROPS: dict[str, Any] = {"share_with_palm": 0.99, "crops": {"train": 800, "validation": 90, "test": 90}}


def photos(**changes: Any) -> CheckResult:
    return check_photos(PHOTOS | changes, BOUNDS)


def test_a_usable_set_passes_and_the_reason_gives_each_value_with_its_bound() -> None:
    result = photos()
    assert result.passed
    assert result.reason == (
        "usable photographs 900 (at least 100); people 90 (at least 4); "
        "share of unusable files 0 (at most 0.1)"
    )
    assert result.metrics["people"] == 90


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"photos": 99}, "usable photographs 99 (at least 100)"),
        ({"people": 3}, "people 3 (at least 4)"),
        ({"set_aside_reasons": {"truncated": 101}}, "share of unusable files 0.101 (at most 0.1)"),
    ],
)
def test_the_reason_of_a_failed_check_gives_the_violated_bound_alone(
    changes: dict[str, Any], reason: str
) -> None:
    result = photos(**changes)
    assert not result.passed
    assert result.reason == reason


def test_duplicates_and_photos_of_other_aspects_are_not_unusable_files() -> None:
    assert photos(set_aside_reasons={"duplicate": 500, "not in HandInfo.csv": 500, "aspect dorsal": 9}).passed


def test_a_detector_must_find_the_palms_of_test_images() -> None:
    assert check_detector({"ap50": 0.8}, BOUNDS).passed
    assert not check_detector({"ap50": 0.799}, BOUNDS).passed
    assert not check_detector({"ap50": math.nan}, BOUNDS).passed


def split(train: str, validation: str, test: str) -> PeopleSplit:
    """A person for each letter."""
    return PeopleSplit(frozenset(train), frozenset(validation), frozenset(test))


@pytest.mark.parametrize("people", [("abc", "cd", "ef"), ("abc", "de", "cf"), ("ab", "cd", "de")])
def test_people_must_not_be_on_both_sides_of_a_split(people: tuple[str, str, str]) -> None:
    assert check_crops(CROPS, split("ab", "cd", "ef"), BOUNDS).passed
    result = check_crops(CROPS, split(*people), BOUNDS)
    assert not result.passed
    assert result.reason == "people on both sides of a split 1 (at most 0)"


def test_validation_and_test_may_share_their_people_if_the_facts_say_so() -> None:
    shared = split("ab", "cd", "cd")
    assert not check_crops(CROPS, shared, BOUNDS).passed
    assert check_crops(CROPS | {"shared_holdout": True}, shared, BOUNDS).passed
    assert not check_crops(CROPS | {"shared_holdout": True}, split("abc", "cd", "cd"), BOUNDS).passed


@pytest.mark.parametrize("changes", [{"share_with_palm": 0.89}, {"crops": {"train": 99}}, {"crops": {}}])
def test_too_few_crops_are_refused(changes: dict[str, Any]) -> None:
    assert not check_crops(CROPS | changes, split("a", "bc", "de"), BOUNDS).passed


@pytest.mark.parametrize("people", [("a", "b", "de"), ("a", "bc", "d")])
def test_a_single_person_of_a_split_is_too_few(people: tuple[str, str, str]) -> None:
    assert not check_crops(CROPS, split(*people), BOUNDS).passed


def test_blank_samples_are_refused() -> None:
    assert check_contrast(GOOD, BOUNDS).passed
    assert not check_contrast(replace(GOOD, blank_share=0.021), BOUNDS).passed


@pytest.mark.parametrize(
    "changes", [{"variance_ratio": 0.29}, {"nearest_neighbor_ratio": 0.39}, {"variance_ratio": math.nan}]
)
def test_one_image_or_a_few_repeated_are_a_collapse(changes: dict[str, float]) -> None:
    assert check_variety(GOOD, BOUNDS).passed
    assert not check_variety(replace(GOOD, **changes), BOUNDS).passed  # type: ignore[arg-type]


def test_memorization_is_relative_to_held_out_people() -> None:
    real = {"auth_pct": 72.0}
    assert check_memorization({"auth_pct": 36.0, "floor": real}, BOUNDS).passed
    assert not check_memorization({"auth_pct": 35.9, "floor": real}, BOUNDS).passed
    assert not check_memorization({"auth_pct": 49.0, "floor": None}, BOUNDS).passed


def test_a_distance_of_several_collapsed_models_is_refused() -> None:
    assert check_distance(replace(GOOD, frechet=(1319.0, 1319.0)), BOUNDS).passed
    assert not check_distance(replace(GOOD, frechet=(1321.0, 1321.0)), BOUNDS).passed


def against(candidate: ModelMetrics, released: ModelMetrics) -> CheckResult:
    return check_against_incumbent(candidate, Incumbent("abc", released), BOUNDS)


def test_without_another_released_model_the_comparison_passes() -> None:
    assert check_against_incumbent(GOOD, None, BOUNDS).passed


def test_a_released_model_that_cannot_be_measured_is_named_in_the_reason() -> None:
    result = check_against_incumbent(GOOD, Incumbent("abc", None, "its files are damaged"), BOUNDS)
    assert result.passed
    assert result.reason.endswith("its files are damaged")


def test_a_model_passes_against_itself_and_against_a_worse_one() -> None:
    worse = replace(GOOD, frechet=(400.0, 401.0), kid=(0.5, 0.6))
    assert against(GOOD, GOOD).passed
    assert against(GOOD, worse).passed
    assert not against(worse, GOOD).passed


def test_a_difference_within_the_measurement_error_passes_and_a_larger_one_does_not() -> None:
    """Two standard errors of the difference of two means of four: 2 * sqrt(2 * var / 4), here 4.62."""
    within = replace(GOOD, frechet=tuple(value + 4.5 for value in GOOD.frechet))
    beyond = replace(GOOD, frechet=tuple(value + 4.7 for value in GOOD.frechet))
    assert against(within, GOOD).passed
    result = against(beyond, GOOD)
    assert not result.passed
    assert result.reason == "Fréchet distance 304.7, the released model's is 300 (at most 304.6)"
    assert result.metrics["Fréchet distance"] == pytest.approx(304.7)


def test_a_larger_kernel_distance_alone_is_refused() -> None:
    result = against(replace(GOOD, kid=(0.4, 0.4, 0.41, 0.4)), GOOD)
    assert not result.passed
    assert result.reason.startswith("kernel distance 0.4025")


def test_nan_never_passes() -> None:
    wrong = replace(GOOD, frechet=(math.nan, math.nan))
    assert not against(wrong, GOOD).passed
    assert not check_distance(wrong, BOUNDS).passed


@pytest.mark.parametrize(("withdrawn", "passed"), [(True, False), (False, True), (None, True)])
def test_a_model_withdrawn_by_hand_is_refused(withdrawn: bool | None, passed: bool) -> None:
    assert check_withdrawal(withdrawn).passed is passed


def test_a_refusal_names_the_failed_checks_only() -> None:
    results = [CheckResult("a", True, "fine"), CheckResult("b", False, "no"), CheckResult("c", False, "bad")]
    assert refusal(results) == "b: no; c: bad"
    assert refusal(results[:1]) == ""
