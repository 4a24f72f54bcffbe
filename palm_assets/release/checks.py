"""The gate's checks as pure functions: figures in, a frozen verdict out.

`facts` are those of an artifact's manifest. A verdict's reason is one sentence with the figure and its bound,
whether it passed or not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from statistics import fmean, variance
from typing import Any

from palm_assets.evaluation.measures import Measures
from palm_assets.release.config import GateConfig

HARMLESS = ("duplicate", "aspect", "not in HandInfo")


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes:
        check: its name, an identifier.
        passed: whether the bounds are kept.
        reason: one sentence, without a full stop.
        figures: what was measured, for people and plots.
    """

    check: str
    passed: bool
    reason: str
    figures: Mapping[str, float] = field(default_factory=dict)


def check_photos(facts: Mapping[str, Any], bounds: GateConfig) -> CheckResult:
    """Enough photographs of enough people, few of them unusable."""
    faults = sum(n for why, n in facts["set_aside_reasons"].items() if not why.startswith(HARMLESS))
    share = faults / max(facts["photos"] + facts["set_aside"], 1)
    return _all_of(
        "photographs_are_sane",
        _at_least("usable photographs", facts["photos"], bounds.min_photos),
        _at_least("people", facts["people"], bounds.min_people),
        _at_most("share of unusable files", share, bounds.max_set_aside),
    )


def check_detector(facts: Mapping[str, Any], bounds: GateConfig) -> CheckResult:
    """It finds the palms of pictures that it never saw."""
    return _all_of(
        "detector_finds_palms", _at_least("AP50 on the test split", facts["ap50"], bounds.min_ap50)
    )


def check_crops(
    facts: Mapping[str, Any], trained: Set[str], held_out: Set[str], bounds: GateConfig
) -> CheckResult:
    """A palm on nearly every photograph, enough to train on, and nobody on both sides of the split.

    Args:
        facts: of the crops.
        trained: people whose palms are trained on.
        held_out: people whose palms are not.
        bounds: to keep.
    """
    return _all_of(
        "crops_are_sane",
        _at_least("share of photographs with a palm", facts["share_with_palm"], bounds.min_share_with_palm),
        _at_least("palms to train on", facts["crops"].get("train", 0), bounds.min_crops),
        _at_least("people held out", len(held_out), bounds.min_people_held_out),
        _at_most("people on both sides of the split", len(trained & held_out), 0),
    )


def check_contrast(measures: Measures, bounds: GateConfig) -> CheckResult:
    """The pictures show something."""
    return _all_of("not_blank", _at_most("share of blank palms", measures.blank, bounds.max_blank))


def check_variety(measures: Measures, bounds: GateConfig) -> CheckResult:
    """The palms differ as real ones do: neither one palm nor a few, repeated."""
    return _all_of(
        "not_collapsed",
        _at_least("variety, of real palms", measures.variety, bounds.min_variety),
        _at_least(
            "distance to the next palm, of real palms", measures.nearest_other, bounds.min_nearest_other
        ),
    )


def check_authenticity(scores: Mapping[str, Any], bounds: GateConfig) -> CheckResult:
    """Few palms lie nearer to a photograph trained on than photographs lie to each other.

    No figure proves that nothing was learnt by heart (Stein et al. 2023): look at the pictures, too.
    """
    floor = scores["floor"]
    usual = 100.0 if floor is None else max(floor["auth_pct"], 1e-9)
    return _all_of(
        "not_memorised",
        _at_least("authentic palms, of real palms", scores["auth_pct"] / usual, bounds.min_authentic),
    )


def check_distance(measures: Measures, bounds: GateConfig) -> CheckResult:
    """Not farther from real palms than some multiple of what one average palm, repeated, would be."""
    ratio = fmean(measures.frechet) / measures.frechet_of_one
    return _all_of(
        "resembles_palms",
        _at_most("Fréchet distance, of one average palm's", ratio, bounds.max_frechet),
    )


def check_against_released(ours: Measures, released: Measures | None, bounds: GateConfig) -> CheckResult:
    """Neither distance is larger than the released model's by more than the measurement wavers.

    Both were measured on as many sets of the same size against the same reference. The means are compared,
    and `bounds.spread` standard errors of their difference are allowed.

    Args:
        ours: of the candidate.
        released: of the model that it would replace; None if there is nothing to compare with.
        bounds: to keep.
    """
    check = "not_worse_than_released"
    if released is None:
        return CheckResult(check, True, "nothing is released that it could be worse than")
    return _all_of(
        check,
        _no_worse("Fréchet distance", ours.frechet, released.frechet, bounds.spread),
        _no_worse("kernel distance", ours.kid, released.kid, bounds.spread),
    )


def _at_least(what: str, value: float, bound: float) -> CheckResult:
    return _bounded(what, value, bound, value >= bound, "at least")


def _at_most(what: str, value: float, bound: float) -> CheckResult:
    return _bounded(what, value, bound, value <= bound, "at most")


def _bounded(what: str, value: float, bound: float, passed: bool, word: str) -> CheckResult:
    return CheckResult(
        what,
        passed and math.isfinite(value),
        f"{what} {value:.3g} ({word} {bound:g})",
        {what: float(value)},
    )


def _no_worse(what: str, ours: Sequence[float], theirs: Sequence[float], spread: float) -> CheckResult:
    mine, released = fmean(ours), fmean(theirs)
    wavering = math.sqrt(variance(ours) / len(ours) + variance(theirs) / len(theirs))
    allowed = released + spread * wavering
    return CheckResult(
        what,
        mine <= allowed,  # False for what is not a number
        f"{what} {mine:.4g} beside the released model's {released:.4g} (at most {allowed:.4g})",
        {what: mine, f"{what} released": released, f"{what} allowed": allowed},
    )


def _all_of(check: str, *parts: CheckResult) -> CheckResult:
    """One verdict of several: where some failed, those are the reason."""
    failed = [part for part in parts if not part.passed]
    reason = "; ".join(part.reason for part in failed or parts)
    return CheckResult(check, not failed, reason, {k: v for part in parts for k, v in part.figures.items()})
