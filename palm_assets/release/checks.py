"""The checks of the gate as pure functions: facts and metrics in, a `CheckResult` out.

`facts` are those of an artifact's manifest. To add a check of models, write it here, name it in
`MODEL_CHECKS`, and call it in `palm_assets.release.gate.decide`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, variance
from typing import Any

from palm_assets.crops.splits import PeopleSplit
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.photos.candidates import EXPECTED_REASONS
from palm_assets.release.config import GateConfig

PHOTOS_CHECK = "photos_are_usable"
DETECTOR_CHECK = "detector_finds_palms"
CROPS_CHECK = "crops_are_usable"
LOAD_CHECK = "loads_and_generates"
MODEL_CHECKS = {
    "not_blank": "The samples have contrast.",
    "not_collapsed": "The samples vary as real palms do: no mode collapse.",
    "not_memorized": "Few samples are nearly copies of a training image.",
    "resembles_palms": "The samples are far closer to real palms than those of a fully collapsed model.",
    "not_worse_than_released": "No distance is larger than the released model's, beyond measurement error.",
    "not_withdrawn": "Nobody has released another model in its place by hand.",
}
"""Name and description of each check of an evaluated model, beside `LOAD_CHECK`."""


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes:
        name: of the check, an identifier.
        passed: whether all its bounds are met.
        reason: one line with each value and its bound; only the violated ones if it failed.
        metrics: the values, for plots.
    """

    name: str
    passed: bool
    reason: str
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Incumbent:
    """The released model, which a candidate would replace.

    Attributes:
        model: its version.
        metrics: measured like the candidate's: same reference, same number and size of sets; None if the
            model cannot be measured.
        problem: why it cannot be measured; "" if it was.
    """

    model: str
    metrics: ModelMetrics | None
    problem: str = ""


def refusal(results: Iterable[CheckResult]) -> str:
    """The failed checks with their reasons, in one line; "" if all passed."""
    return "; ".join(f"{result.name}: {result.reason}" for result in results if not result.passed)


def check_photos(facts: Mapping[str, Any], bounds: GateConfig) -> CheckResult:
    """Enough photographs of enough people, and few unusable files."""
    unusable = sum(
        count
        for reason, count in facts["set_aside_reasons"].items()
        if not reason.startswith(EXPECTED_REASONS)
    )
    share = unusable / max(facts["photos"] + facts["set_aside"], 1)
    return _all_of(
        PHOTOS_CHECK,
        _at_least("usable photographs", facts["photos"], bounds.min_photos),
        _at_least("people", facts["people"], bounds.min_people),
        _at_most("share of unusable files", share, bounds.max_set_aside),
    )


def check_detector(facts: Mapping[str, Any], bounds: GateConfig) -> CheckResult:
    """The detector finds the palms of test images."""
    return _all_of(DETECTOR_CHECK, _at_least("AP50 on the test split", facts["ap50"], bounds.min_ap50))


def check_crops(facts: Mapping[str, Any], people: PeopleSplit, bounds: GateConfig) -> CheckResult:
    """A palm in nearly every photograph, enough crops and people, and nobody on both sides of the split.

    Args:
        facts: of the crops.
        people: of each split. That validation and test share theirs is no fault if the facts say so.
        bounds: to meet.
    """
    on_both_sides = people.train & people.held_out
    if not facts.get("shared_holdout", False):
        on_both_sides |= people.validation & people.test
    return _all_of(
        CROPS_CHECK,
        _at_least("share of photographs with a palm", facts["share_with_palm"], bounds.min_share_with_palm),
        _at_least("crops to train on", facts["crops"].get("train", 0), bounds.min_crops),
        _at_least("people of the validation split", len(people.validation), bounds.min_people_held_out),
        _at_least("people of the test split", len(people.test), bounds.min_people_held_out),
        _at_most("people on both sides of a split", len(on_both_sides), 0),
    )


def check_contrast(metrics: ModelMetrics, bounds: GateConfig) -> CheckResult:
    """Few samples have almost no contrast."""
    return _all_of("not_blank", _at_most("share of blank samples", metrics.blank_share, bounds.max_blank))


def check_variety(metrics: ModelMetrics, bounds: GateConfig) -> CheckResult:
    """The samples vary as real palms do: neither one image nor a few repeated."""
    return _all_of(
        "not_collapsed",
        _at_least("variance relative to real palms", metrics.variance_ratio, bounds.min_variety),
        _at_least(
            "nearest-neighbor distance relative to real palms",
            metrics.nearest_neighbor_ratio,
            bounds.min_nearest_other,
        ),
    )


def check_memorization(facts: Mapping[str, Any], bounds: GateConfig) -> CheckResult:
    """Few samples are closer to a training image than training images are to each other.

    Compared with the same share of held-out people's crops. No metric proves that nothing was memorized
    (Stein et al. 2023), so look at the nearest training images too.

    Args:
        facts: of the evaluation.
        bounds: to meet.
    """
    floor = facts["floor"]
    real = 100.0 if floor is None else max(floor["auth_pct"], 1e-9)
    ratio = facts["auth_pct"] / real
    return _all_of(
        "not_memorized", _at_least("authentic samples relative to real palms", ratio, bounds.min_authentic)
    )


def check_distance(metrics: ModelMetrics, bounds: GateConfig) -> CheckResult:
    """The Fréchet distance is a limited multiple of a fully collapsed model's."""
    ratio = fmean(metrics.frechet) / metrics.frechet_collapsed
    return _all_of(
        "resembles_palms",
        _at_most("Fréchet distance relative to a collapsed model's", ratio, bounds.max_frechet),
    )


def check_against_incumbent(
    candidate: ModelMetrics, incumbent: Incumbent | None, bounds: GateConfig
) -> CheckResult:
    """Neither distance is larger than the released model's by more than the measurement error.

    The means over the sets are compared; `bounds.standard_errors` standard errors of their difference are
    tolerated.

    Args:
        candidate: its metrics.
        incumbent: the released model; None if none is released, or if the candidate itself is.
        bounds: to meet.
    """
    name = "not_worse_than_released"
    if incumbent is None:
        return CheckResult(name, True, "no other model is released")
    if incumbent.metrics is None:
        return CheckResult(name, True, f"the released model cannot be measured: {incumbent.problem}")
    theirs, tolerance = incumbent.metrics, bounds.standard_errors
    return _all_of(
        name,
        _not_worse("Fréchet distance", candidate.frechet, theirs.frechet, tolerance),
        _not_worse("kernel distance", candidate.kid, theirs.kid, tolerance),
    )


def check_withdrawal(withdrawn: bool | None) -> CheckResult:
    """No person has released another model in the candidate's place; `None` if the history is unreadable."""
    reasons = {
        True: "another model was released by hand in its place",
        False: "it was never replaced by hand",
        None: "the history of releases is not readable",
    }
    return CheckResult("not_withdrawn", not withdrawn, reasons[withdrawn])


def _at_least(what: str, value: float, bound: float) -> CheckResult:
    return _bounded(what, value, value >= bound, f"at least {bound:g}")


def _at_most(what: str, value: float, bound: float) -> CheckResult:
    return _bounded(what, value, value <= bound, f"at most {bound:g}")


def _bounded(what: str, value: float, met: bool, bound: str) -> CheckResult:
    """The result for one value; what is not finite never passes."""
    return CheckResult(
        what, met and math.isfinite(value), f"{what} {value:.3g} ({bound})", {what: float(value)}
    )


def _not_worse(what: str, ours: Sequence[float], theirs: Sequence[float], tolerance: float) -> CheckResult:
    candidate, released = fmean(ours), fmean(theirs)
    standard_error = math.sqrt(variance(ours) / len(ours) + variance(theirs) / len(theirs))
    bound = released + tolerance * standard_error
    return CheckResult(
        what,
        candidate <= bound,  # False for NaN
        f"{what} {candidate:.4g}, the released model's is {released:.4g} (at most {bound:.4g})",
        {what: candidate, f"{what} released": released, f"{what} allowed": bound},
    )


def _all_of(name: str, *parts: CheckResult) -> CheckResult:
    """One result of several; the failed ones are the reason, if any."""
    failed = [part for part in parts if not part.passed]
    reason = "; ".join(part.reason for part in failed or parts)
    metrics = {key: value for part in parts for key, value in part.metrics.items()}
    return CheckResult(name, not failed, reason, metrics)
