"""The gate's checks as pure functions: each bound on both sides."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from palm_assets.evaluation.measures import Measures
from palm_assets.release.checks import (
    CheckResult,
    check_against_released,
    check_authenticity,
    check_contrast,
    check_crops,
    check_detector,
    check_distance,
    check_photos,
    check_variety,
)
from palm_assets.release.config import GateConfig

BOUNDS = GateConfig()
GOOD = Measures(
    n=100,
    frechet=(300.0, 304.0, 296.0, 300.0),
    kid=(0.30, 0.31, 0.29, 0.30),
    frechet_of_one=330.0,
    variety=0.8,
    nearest_other=0.9,
    contrast=1.0,
    blank=0.0,
)
PHOTOS: dict[str, Any] = {"photos": 900, "people": 90, "set_aside": 100, "set_aside_reasons": {}}
CROPS: dict[str, Any] = {"share_with_palm": 0.99, "crops": {"train": 800, "holdout": 90}}


def photos(**changes: Any) -> CheckResult:
    return check_photos(PHOTOS | changes, BOUNDS)


def test_a_sane_set_passes_and_says_by_which_figures() -> None:
    verdict = photos()
    assert verdict.passed
    assert verdict.reason == (
        "usable photographs 900 (at least 100); people 90 (at least 4); "
        "share of unusable files 0 (at most 0.1)"
    )
    assert verdict.figures["people"] == 90


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"photos": 99}, "usable photographs 99 (at least 100)"),
        ({"people": 3}, "people 3 (at least 4)"),
        ({"set_aside_reasons": {"truncated": 101}}, "share of unusable files 0.101 (at most 0.1)"),
    ],
)
def test_a_set_that_breaks_a_bound_is_refused_by_that_bound_alone(
    changes: dict[str, Any], reason: str
) -> None:
    verdict = photos(**changes)
    assert not verdict.passed
    assert verdict.reason == reason


def test_duplicates_and_photos_of_other_aspects_are_no_fault_of_the_set() -> None:
    assert photos(set_aside_reasons={"duplicate": 500, "not in HandInfo.csv": 500, "aspect dorsal": 9}).passed


def test_a_detector_must_find_palms_that_it_never_saw() -> None:
    assert check_detector({"ap50": 0.8}, BOUNDS).passed
    assert not check_detector({"ap50": 0.799}, BOUNDS).passed
    assert not check_detector({"ap50": math.nan}, BOUNDS).passed


def test_people_must_not_be_on_both_sides_of_the_split() -> None:
    assert check_crops(CROPS, {"a", "b"}, {"c", "d"}, BOUNDS).passed
    verdict = check_crops(CROPS, {"a", "b", "c"}, {"c", "d"}, BOUNDS)
    assert not verdict.passed
    assert verdict.reason == "people on both sides of the split 1 (at most 0)"


@pytest.mark.parametrize(
    "changes",
    [{"share_with_palm": 0.89}, {"crops": {"train": 99}}, {"crops": {"holdout": 99}}],
)
def test_too_few_palms_are_refused(changes: dict[str, Any]) -> None:
    assert not check_crops(CROPS | changes, {"a"}, {"b", "c"}, BOUNDS).passed


def test_a_single_person_held_out_is_too_few() -> None:
    assert not check_crops(CROPS, {"a"}, {"b"}, BOUNDS).passed


def test_blank_palms_are_refused() -> None:
    assert check_contrast(GOOD, BOUNDS).passed
    assert not check_contrast(replace(GOOD, blank=0.021), BOUNDS).passed


@pytest.mark.parametrize("changes", [{"variety": 0.29}, {"nearest_other": 0.39}, {"variety": math.nan}])
def test_one_palm_or_a_few_repeated_are_a_collapse(changes: dict[str, float]) -> None:
    assert check_variety(GOOD, BOUNDS).passed
    assert not check_variety(replace(GOOD, **changes), BOUNDS).passed  # type: ignore[arg-type]


def test_authenticity_is_read_beside_what_real_people_reach() -> None:
    real = {"auth_pct": 72.0}
    assert check_authenticity({"auth_pct": 36.0, "floor": real}, BOUNDS).passed
    assert not check_authenticity({"auth_pct": 35.9, "floor": real}, BOUNDS).passed
    assert not check_authenticity({"auth_pct": 49.0, "floor": None}, BOUNDS).passed


def test_a_set_farther_away_than_a_repeated_palm_is_no_palms() -> None:
    assert check_distance(replace(GOOD, frechet=(1319.0, 1319.0)), BOUNDS).passed
    assert not check_distance(replace(GOOD, frechet=(1321.0, 1321.0)), BOUNDS).passed


def test_without_a_released_model_there_is_nothing_to_be_worse_than() -> None:
    assert check_against_released(GOOD, None, BOUNDS).passed


def test_a_model_passes_beside_itself_and_beside_a_worse_one() -> None:
    worse = replace(GOOD, frechet=(400.0, 401.0), kid=(0.5, 0.6))
    assert check_against_released(GOOD, GOOD, BOUNDS).passed
    assert check_against_released(GOOD, worse, BOUNDS).passed
    assert not check_against_released(worse, GOOD, BOUNDS).passed


def test_what_lies_within_the_spread_of_the_measurement_passes_and_what_lies_beyond_does_not() -> None:
    """Two standard errors of the difference of two means of four: 2 * sqrt(2 * var / 4), here 4.62."""
    within = replace(GOOD, frechet=tuple(value + 4.5 for value in GOOD.frechet))
    beyond = replace(GOOD, frechet=tuple(value + 4.7 for value in GOOD.frechet))
    assert check_against_released(within, GOOD, BOUNDS).passed
    verdict = check_against_released(beyond, GOOD, BOUNDS)
    assert not verdict.passed
    assert verdict.reason == "Fréchet distance 304.7 beside the released model's 300 (at most 304.6)"


def test_a_worse_kernel_distance_alone_is_enough_to_be_refused() -> None:
    verdict = check_against_released(replace(GOOD, kid=(0.4, 0.4, 0.41, 0.4)), GOOD, BOUNDS)
    assert not verdict.passed
    assert verdict.reason.startswith("kernel distance 0.4025")


def test_figures_that_are_not_numbers_never_pass() -> None:
    wrong = replace(GOOD, frechet=(math.nan, math.nan))
    assert not check_against_released(wrong, GOOD, BOUNDS).passed
    assert not check_distance(wrong, BOUNDS).passed
