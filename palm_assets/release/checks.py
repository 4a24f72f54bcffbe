"""The checks of the gate as pure functions: facts and metrics in, a `CheckResult` out.

`facts` are those of an artifact's manifest. To add a check of models, write it here, name it in
`MODEL_CHECKS`, and call it in `palm_assets.release.gate.decide`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, variance
from typing import Any, Literal

from palm_assets.crops.splits import PeopleSplit
from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.gan.people_record import HeldOutOverlap
from palm_assets.photos.candidates import EXPECTED_REASONS
from palm_assets.release.config import GateConfig

PHOTOS_CHECK = "photos_are_usable"
DETECTOR_CHECK = "detector_finds_palms"
CROPS_CHECK = "crops_are_usable"
LOAD_CHECK = "loads_and_generates"
MODEL_CHECKS = {
    "not_blank": "The samples have contrast.",
    "not_collapsed": "The samples vary as real palms do: no mode collapse, no repeated images.",
    "not_trained_on_held_out": "It was trained on nobody whom it is measured against.",
    "not_memorized": "Few samples are nearly copies of a training image, even mirrored, moved or rotated.",
    "resembles_palms": "Enough samples were measured, and they lie among real palms.",
    "not_worse_than_released": "Neither distance is larger than that of a model which it would replace; for "
    "the Fréchet distance, even after an allowance for chance.",
    "not_withdrawn": "Nobody has released another model in its place by hand.",
}
"""Name and description of each check of an evaluated model, beside `LOAD_CHECK`."""
_WHOSE = {
    "released": "the released model",
    "starter": "the starter",
    "best": "the best model so far",
    "start": "the model that training started from",
}


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


Role = Literal["released", "starter", "best", "start"]


@dataclass(frozen=True)
class Incumbent:
    """A model that a candidate must not fall behind.

    Attributes:
        role: "released" (the page serves it), "starter" (the page serves it, as nothing is released yet),
            "best" (the best release so far) or "start" (the candidate's training started from it).
        model: its version; "" if that is not known.
        metrics: measured like the candidate's: same reference, same number and size of sets; None if the
            model cannot be measured.
        problem: why it cannot be measured; "" if it was.
    """

    role: Role
    model: str
    metrics: ModelMetrics | None
    problem: str = ""


@dataclass(frozen=True)
class DataFacts:
    """Facts of what a model was made from.

    Attributes:
        photos: of the photographs.
        detector: of the detector.
        crops: of the crops.
        people: of each split of the crops.
        overlap: whom of the people held out the model was trained on, by its own record.
    """

    photos: Mapping[str, Any]
    detector: Mapping[str, Any]
    crops: Mapping[str, Any]
    people: PeopleSplit
    overlap: HeldOutOverlap


def refusal(results: Iterable[CheckResult]) -> str:
    """The failed checks with their reasons, in one line; "" if all passed."""
    return "; ".join(f"{result.name}: {result.reason}" for result in results if not result.passed)


def check_data(data: DataFacts | str, bounds: GateConfig) -> tuple[CheckResult, ...]:
    """The three checks of the data; all fail if they are not known, for the reason that is given instead."""
    if isinstance(data, str):
        return tuple(CheckResult(name, False, data) for name in (PHOTOS_CHECK, DETECTOR_CHECK, CROPS_CHECK))
    return (
        check_photos(data.photos, bounds),
        check_detector(data.detector, bounds),
        check_crops(data.crops, data.people, bounds),
    )


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


def check_held_out(data: DataFacts | str, bounds: GateConfig) -> CheckResult:
    """The model was trained on nobody of the validation and test splits, not even before it was fine-tuned.

    Where a model that training started from has no record of its people, nobody knows: that passes, and
    the model card and the page say so.

    Args:
        data: what the model was made from, or why it is not known, which refuses.
        bounds: `allow_leak` lets any number pass.
    """
    name = "not_trained_on_held_out"
    if isinstance(data, str):
        return CheckResult(name, False, data)
    most = math.inf if bounds.allow_leak else 0
    return _all_of(name, _at_most("held-out people who were trained on", data.overlap.people, most))


def check_contrast(metrics: ModelMetrics, bounds: GateConfig) -> CheckResult:
    """Few samples have almost no contrast."""
    return _all_of("not_blank", _at_most("share of blank samples", metrics.blank_share, bounds.max_blank))


def check_variety(metrics: ModelMetrics, bounds: GateConfig) -> CheckResult:
    """The samples vary as real palms do: neither one image nor a few repeated."""
    repeats = metrics.repeat_share - metrics.real_repeat_share
    return _all_of(
        "not_collapsed",
        _at_least("variance relative to real palms", metrics.variance_ratio, bounds.min_variety),
        _at_least(
            "nearest-neighbor distance relative to real palms",
            metrics.nearest_neighbor_ratio,
            bounds.min_nearest_other,
        ),
        _at_least("coverage relative to real palms", metrics.coverage_ratio, bounds.min_coverage),
        _at_most("share of repeated samples above that of real palms", repeats, bounds.max_repeats),
    )


def check_memorization(facts: Mapping[str, Any], metrics: ModelMetrics, bounds: GateConfig) -> CheckResult:
    """Few samples are closer to a training image than held-out people's crops are.

    By their features, and by their gray values over mirrored and moved originals. No metric proves that
    nothing was memorized (Stein et al. 2023), so look at the nearest training images too.

    Args:
        facts: of the evaluation.
        metrics: of the model.
        bounds: to meet.
    """
    floor = facts["floor"]
    real = 100.0 if floor is None else floor["auth_pct"]
    ratio = _relative(facts["auth_pct"], None if real is None else max(real, 1e-9))
    return _all_of(
        "not_memorized",
        _at_least("authentic samples relative to real palms", ratio, bounds.min_authentic),
        _at_most("share of near copies", metrics.copy_share, bounds.max_copies),
    )


def check_distance(
    metrics: ModelMetrics, bounds: GateConfig, classes: Sequence[Mapping[str, Any]] = ()
) -> CheckResult:
    """Enough samples were measured, they lie among real palms, and their distances are limited.

    The scale of each distance is that of a fully collapsed model.

    Args:
        metrics: of the model.
        bounds: to meet.
        classes: `ClassMetrics` of a conditional model, as its evaluation holds them.
    """
    frechet = _relative(fmean(metrics.frechet), metrics.frechet_collapsed)
    kid = _relative(fmean(metrics.kid), metrics.kid_collapsed)
    return _all_of(
        "resembles_palms",
        _at_least("samples in each set", metrics.n, bounds.min_count),
        _at_least("sets", metrics.sets, bounds.min_sets),
        _at_least("density relative to real palms", metrics.density_ratio, bounds.min_density),
        _at_most("Fréchet distance relative to a collapsed model's", frechet, bounds.max_frechet),
        _at_most("kernel distance relative to a collapsed model's", kid, bounds.max_kid),
        *(
            _at_most(
                f"kernel distance relative to a collapsed model's ({of['label']} {of['value']})",
                _relative(of["kid"], of["kid_collapsed"]),
                bounds.max_kid,
            )
            for of in classes
            if of["kid"] is not None
        ),
    )


def check_against_incumbents(
    candidate: ModelMetrics, incumbents: Sequence[Incumbent], bounds: GateConfig
) -> CheckResult:
    """The candidate falls behind none of the models that it would replace.

    Its Fréchet distance must be at most `bounds.max_worse` above theirs even if chance favored it by
    `bounds.standard_errors` standard errors of the difference, so a worse one almost never passes, however
    often it is tried. Its kernel distance, which varies more, must not be larger by more than chance
    explains. A model that cannot be measured cannot be compared: then the candidate is refused, and a person
    decides.

    Args:
        candidate: its metrics.
        incumbents: the models; none if nothing of this origin is served, or if the candidate itself is.
        bounds: to meet.
    """
    name = "not_worse_than_released"
    if not incumbents:
        return CheckResult(name, True, "no other model is released")
    return _all_of(name, *(_against(candidate, incumbent, bounds) for incumbent in incumbents))


def is_better(candidate: ModelMetrics, champion: ModelMetrics) -> bool:
    """Whether a candidate becomes the best model so far: a smaller Fréchet and no larger kernel distance."""
    return fmean(candidate.frechet) < fmean(champion.frechet) and fmean(candidate.kid) <= fmean(champion.kid)


def check_withdrawal(withdrawn: bool | None) -> CheckResult:
    """No person has released another model in the candidate's place; None, an unreadable history, refuses."""
    reasons = {
        True: "another model was released by hand in its place",
        False: "it was never replaced by hand",
        None: "the history of releases is not readable, so nobody knows; move it away",
    }
    return CheckResult("not_withdrawn", withdrawn is False, reasons[withdrawn])


def _relative(value: float | None, scale: float | None) -> float:
    """A value over its scale; NaN, which never passes, if either is missing or the scale is none."""
    if value is None or scale is None or not 0 < scale < math.inf:
        return math.nan
    return value / scale


def _at_least(what: str, value: float, bound: float) -> CheckResult:
    return _bounded(what, value, value >= bound, f"at least {bound:g}")


def _at_most(what: str, value: float, bound: float) -> CheckResult:
    return _bounded(what, value, value <= bound, f"at most {bound:g}")


def _bounded(what: str, value: float, met: bool, bound: str) -> CheckResult:
    """The result for one value; what is not finite never passes."""
    return CheckResult(
        what, met and math.isfinite(value), f"{what} {value:.3g} ({bound})", {what: float(value)}
    )


def _against(candidate: ModelMetrics, incumbent: Incumbent, bounds: GateConfig) -> CheckResult:
    theirs, whose = incumbent.metrics, _WHOSE[incumbent.role]
    if theirs is None:
        reason = f"{whose} cannot be measured: {incumbent.problem}; a person can release by hand"
        return CheckResult(incumbent.role, False, reason)
    margins = [bounds.max_worse * abs(fmean(values)) for values in (theirs.frechet, theirs.kid)]
    return _all_of(
        incumbent.role,
        _not_worse(
            "Fréchet distance",
            whose,
            candidate.frechet,
            theirs.frechet,
            margins[0] - bounds.standard_errors * _standard_error(candidate.frechet, theirs.frechet),
        ),
        _not_worse(
            "kernel distance",
            whose,
            candidate.kid,
            theirs.kid,
            margins[1] + bounds.standard_errors * _standard_error(candidate.kid, theirs.kid),
        ),
    )


def _standard_error(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Standard error of the difference of two means."""
    return math.sqrt(variance(ours) / len(ours) + variance(theirs) / len(theirs))


def _not_worse(
    what: str, whose: str, ours: Sequence[float], theirs: Sequence[float], tolerance: float
) -> CheckResult:
    candidate, incumbent = fmean(ours), fmean(theirs)
    bound = incumbent + tolerance
    why = ", as a smaller difference may be chance" if tolerance < 0 else ""
    return CheckResult(
        what,
        candidate <= bound,  # False for NaN
        f"{what} {candidate:.4g}, {whose} has {incumbent:.4g} (at most {bound:.4g}{why})",
        {what: candidate, f"{what} of {whose}": incumbent, f"{what} allowed by {whose}": bound},
    )


def _all_of(name: str, *parts: CheckResult) -> CheckResult:
    """One result of several; the failed ones are the reason, if any."""
    failed = [part for part in parts if not part.passed]
    reason = "; ".join(part.reason for part in failed or parts)
    metrics = {key: value for part in parts for key, value in part.metrics.items()}
    return CheckResult(name, not failed, reason, metrics)
