"""The gate's checks: each bound on both sides."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from palm_assets.crops.splits import PeopleSplit
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.release.bounds import bounds_in
from palm_assets.release.checks import (
    CheckResult,
    Incumbent,
    check_against_incumbents,
    check_contrast,
    check_crops,
    check_detector,
    check_distance,
    check_memorization,
    check_photos,
    check_variety,
    check_withdrawal,
    is_better,
    refusal,
)
from palm_assets.release.config import GateConfig

BOUNDS = GateConfig()
GOOD = ModelMetrics(
    n=100,
    frechet=(300.0, 304.0, 296.0, 300.0),
    kid=(0.30, 0.31, 0.29, 0.30),
    frechet_collapsed=330.0,
    kid_collapsed=1.0,
    variance_ratio=0.8,
    nearest_neighbor_ratio=0.9,
    density_ratio=0.8,
    coverage_ratio=0.8,
    contrast_ratio=1.0,
    blank_share=0.0,
    copy_share=0.05,
    repeat_share=0.2,
    real_repeat_share=0.15,
)
PRECISE = replace(GOOD, frechet=(300.0, 301.0, 299.0, 300.0))
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
    ("field", "within", "beyond"),
    [
        ("variance_ratio", BOUNDS.min_variety, math.nan),
        ("variance_ratio", BOUNDS.min_variety, BOUNDS.min_variety - 0.01),
        ("nearest_neighbor_ratio", BOUNDS.min_nearest_other, BOUNDS.min_nearest_other - 0.01),
        ("coverage_ratio", BOUNDS.min_coverage, BOUNDS.min_coverage - 0.01),
        ("coverage_ratio", BOUNDS.min_coverage, math.nan),
        ("repeat_share", 0.15 + BOUNDS.max_repeats - 0.001, 0.15 + BOUNDS.max_repeats + 0.01),
    ],
)
def test_one_image_or_a_few_repeated_are_a_collapse(field: str, within: float, beyond: float) -> None:
    assert check_variety(replace(GOOD, **{field: within}), BOUNDS).passed  # type: ignore[arg-type]
    assert not check_variety(replace(GOOD, **{field: beyond}), BOUNDS).passed  # type: ignore[arg-type]


def test_memorization_is_relative_to_held_out_people() -> None:
    real = {"auth_pct": 72.0}
    assert check_memorization({"auth_pct": 36.0, "floor": real}, GOOD, BOUNDS).passed
    assert not check_memorization({"auth_pct": 35.9, "floor": real}, GOOD, BOUNDS).passed
    assert not check_memorization({"auth_pct": 49.0, "floor": None}, GOOD, BOUNDS).passed


@pytest.mark.parametrize("share", [BOUNDS.max_copies + 0.01, math.nan])
def test_near_copies_of_moved_photographs_are_memorized_though_their_features_differ(share: float) -> None:
    facts = {"auth_pct": 72.0, "floor": {"auth_pct": 72.0}}
    assert check_memorization(facts, replace(GOOD, copy_share=BOUNDS.max_copies), BOUNDS).passed
    assert not check_memorization(facts, replace(GOOD, copy_share=share), BOUNDS).passed


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        ({"n": 100}, {"n": 99}),
        ({"frechet": (300.0,) * 4}, {"frechet": (300.0,) * 3}),
        ({"frechet": (329.0 * BOUNDS.max_frechet,) * 4}, {"frechet": (331.0 * BOUNDS.max_frechet,) * 4}),
        ({"kid": (0.99 * BOUNDS.max_kid,) * 4}, {"kid": (1.01 * BOUNDS.max_kid,) * 4}),
        ({"density_ratio": BOUNDS.min_density}, {"density_ratio": BOUNDS.min_density - 0.01}),
        ({}, {"density_ratio": math.nan}),
    ],
)
def test_samples_far_from_real_palms_or_too_few_of_them_are_refused(
    within: dict[str, Any], beyond: dict[str, Any]
) -> None:
    assert check_distance(replace(GOOD, **within), BOUNDS).passed
    assert not check_distance(replace(GOOD, **beyond), BOUNDS).passed


def test_a_class_far_from_its_photographs_is_refused_and_one_that_was_not_measured_is_not() -> None:
    def of(kid: float | None) -> dict[str, Any]:
        return {"label": "aspect", "value": "back", "kid": kid, "kid_collapsed": 2.0}

    for kid in (None, 1.99 * BOUNDS.max_kid):
        assert check_distance(GOOD, BOUNDS, [of(0.1), of(kid)]).passed
    refused = check_distance(GOOD, BOUNDS, [of(0.1), of(2.01 * BOUNDS.max_kid)])
    assert not refused.passed
    assert "(aspect back)" in refused.reason
    assert bounds_in(refused.reason) == ["max_kid"]


def against(candidate: ModelMetrics, released: ModelMetrics) -> CheckResult:
    return check_against_incumbents(candidate, [Incumbent("released", "abc", released)], BOUNDS)


def test_without_another_released_model_the_comparison_passes() -> None:
    assert check_against_incumbents(GOOD, [], BOUNDS).passed


def test_a_released_model_that_cannot_be_measured_refuses_and_is_named_in_the_reason() -> None:
    unknown = Incumbent("released", "abc", None, "its files are damaged")
    result = check_against_incumbents(GOOD, [unknown], BOUNDS)
    assert not result.passed
    assert "the released model cannot be measured: its files are damaged" in result.reason


def test_every_incumbent_counts() -> None:
    worse = replace(GOOD, frechet=(400.0, 401.0, 399.0, 400.0), kid=(0.5, 0.6, 0.5, 0.5))
    pair = [Incumbent("released", "abc", worse), Incumbent("best", "def", PRECISE)]
    assert check_against_incumbents(PRECISE, pair, BOUNDS).passed
    result = check_against_incumbents(worse, pair, BOUNDS)
    assert not result.passed
    assert "the best model so far has 300" in result.reason


def test_a_model_passes_against_its_equal_and_against_a_worse_one() -> None:
    worse = replace(GOOD, frechet=(400.0, 401.0), kid=(0.5, 0.6))
    assert against(PRECISE, PRECISE).passed
    assert against(GOOD, worse).passed
    assert not against(worse, GOOD).passed


def test_the_measurement_error_counts_against_the_candidate() -> None:
    """At most 2 % above, less three standard errors of the difference of two means of four: 6 - 1.73."""
    within = replace(PRECISE, frechet=tuple(value + 4.2 for value in PRECISE.frechet))
    beyond = replace(PRECISE, frechet=tuple(value + 4.3 for value in PRECISE.frechet))
    assert against(within, PRECISE).passed
    result = against(beyond, PRECISE)
    assert not result.passed
    assert result.reason == "Fréchet distance 304.3, the released model has 300 (at most 304.3)"
    assert result.metrics["Fréchet distance"] == pytest.approx(304.3)
    vague = replace(PRECISE, frechet=(290.0, 310.0, 280.0, 320.0))
    refused = against(vague, PRECISE)
    assert not refused.passed  # its mean is the same
    assert refused.reason.endswith(", as a smaller difference may be chance)")


def test_the_reason_calls_the_starter_by_its_name() -> None:
    worse = replace(PRECISE, frechet=tuple(value + 40 for value in PRECISE.frechet))
    result = check_against_incumbents(worse, [Incumbent("starter", "abc", PRECISE)], BOUNDS)
    assert result.reason == "Fréchet distance 340, the starter has 300 (at most 304.3)"


def test_a_larger_kernel_distance_alone_is_refused() -> None:
    result = against(replace(PRECISE, kid=(0.4, 0.4, 0.41, 0.4)), PRECISE)
    assert not result.passed
    assert result.reason.startswith("kernel distance 0.4025")


def test_the_best_model_is_replaced_by_one_that_is_better_in_both_distances() -> None:
    closer = replace(GOOD, frechet=(299.0, 299.0))
    assert is_better(closer, GOOD)
    assert not is_better(GOOD, GOOD)
    assert not is_better(replace(closer, kid=(0.31, 0.31)), GOOD)


def test_nan_never_passes() -> None:
    wrong = replace(GOOD, frechet=(math.nan,) * 4)
    assert not against(wrong, GOOD).passed
    assert not check_distance(wrong, BOUNDS).passed


@pytest.mark.parametrize(("withdrawn", "passed"), [(True, False), (False, True), (None, False)])
def test_a_model_withdrawn_by_hand_is_refused(withdrawn: bool | None, passed: bool) -> None:
    assert check_withdrawal(withdrawn).passed is passed


def test_a_refusal_names_the_failed_checks_only() -> None:
    results = [CheckResult("a", True, "fine"), CheckResult("b", False, "no"), CheckResult("c", False, "bad")]
    assert refusal(results) == "b: no; c: bad"
    assert refusal(results[:1]) == ""
