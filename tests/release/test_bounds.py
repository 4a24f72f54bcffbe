"""Every bound of the gate is named beside the reason of the check that applies it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from palm_assets.crops.splits import PeopleSplit
from palm_assets.gan.people_record import HeldOutOverlap
from palm_assets.release.bounds import bounds_in
from palm_assets.release.checks import (
    CheckResult,
    DataFacts,
    Incumbent,
    check_against_incumbents,
    check_contrast,
    check_data,
    check_distance,
    check_held_out,
    check_memorization,
    check_variety,
)
from palm_assets.release.config import GateConfig
from tests.release.lineage import CROPS, DETECTOR, FACTS, METRICS, PHOTOS

UNREACHABLE: dict[str, Any] = {
    "min_photos": 10_000,
    "min_people": 1000,
    "max_set_aside": 0,
    "min_ap50": 1,
    "min_share_with_palm": 1,
    "min_crops": 10_000,
    "min_people_held_out": 1000,
    "min_count": 10_000,
    "min_sets": 1000,
    "max_blank": 0,
    "min_variety": 9,
    "min_nearest_other": 9,
    "min_coverage": 9,
    "max_repeats": 0,
    "min_authentic": 9,
    "max_copies": 0,
    "min_density": 9,
    "max_frechet": 0.001,
    "max_kid": 0.001,
    "max_worse": 0,
}
NO_BOUNDS = {"applies_to", "standard_errors"}  # when bounds apply; part of another bound


def all_failed() -> list[CheckResult]:
    """A failed result of each check that has bounds."""
    bounds = GateConfig(**UNREACHABLE)
    people = PeopleSplit(frozenset("ab"), frozenset("c"), frozenset("d"))
    photos = {**PHOTOS, "set_aside_reasons": {"truncated": 500}}
    data = DataFacts(photos, DETECTOR, CROPS, people, HeldOutOverlap(1, False))
    bad = replace(METRICS, blank_share=0.5, repeat_share=0.5, copy_share=0.5)
    better = replace(METRICS, frechet=(1.0, 1.1, 0.9, 1.0), kid=(0.01, 0.02, 0.0, 0.01))
    return [
        *check_data(data, bounds),
        check_held_out(data, bounds),
        check_contrast(bad, bounds),
        check_variety(bad, bounds),
        check_memorization(FACTS, bad, bounds),
        check_distance(bad, bounds),
        check_against_incumbents(bad, [Incumbent("released", "a", better)], bounds),
    ]


def test_each_failed_check_names_its_bounds_and_none_is_missing() -> None:
    results = all_failed()
    assert [result.name for result in results if result.passed] == []
    for result in results:
        for part in result.reason.split("; "):
            assert len(bounds_in(part)) == 1, part
    reasons = "; ".join(f"{result.name}: {result.reason}" for result in results)
    assert {*bounds_in(reasons)} == {*GateConfig.model_fields} - NO_BOUNDS


def test_what_is_no_bounded_value_names_none() -> None:
    assert bounds_in("not_withdrawn: another model was released by hand in its place") == []
    assert bounds_in("") == []


def test_longer_names_win_over_their_beginnings() -> None:
    assert bounds_in("people 3 (at least 4)") == ["min_people"]
    assert bounds_in("people of the test split 1 (at least 2)") == ["min_people_held_out"]
    assert bounds_in("Fréchet distance 500, the released model has 300 (at most 306)") == ["max_worse"]
