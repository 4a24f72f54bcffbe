"""Which bound of the gate a failed check names, so that a person knows what to set."""

from __future__ import annotations

from collections.abc import Mapping

# What a check calls a value in its reason, and the field of `GateConfig` that bounds it.
_BOUND_OF: Mapping[str, str] = {
    "usable photographs": "min_photos",
    "people of the validation split": "min_people_held_out",
    "people of the test split": "min_people_held_out",
    "people": "min_people",
    "share of unusable files": "max_set_aside",
    "AP50 on the test split": "min_ap50",
    "share of photographs with a palm": "min_share_with_palm",
    "crops to train on": "min_crops",
    "held-out people who were trained on": "allow_leak",
    "share of blank samples": "max_blank",
    "variance relative to real palms": "min_variety",
    "nearest-neighbor distance relative to real palms": "min_nearest_other",
    "coverage relative to real palms": "min_coverage",
    "share of repeated samples above that of real palms": "max_repeats",
    "authentic samples relative to real palms": "min_authentic",
    "share of near copies": "max_copies",
    "samples in each set": "min_count",
    "sets": "min_sets",
    "density relative to real palms": "min_density",
    "Fréchet distance relative to a collapsed model's": "max_frechet",
    "kernel distance relative to a collapsed model's": "max_kid",
    "Fréchet distance": "max_worse",
    "kernel distance": "max_worse",
}


def bounds_in(reason: str) -> list[str]:
    """The fields of `GateConfig` that a failed check's reason is about, each once, in its order.

    Args:
        reason: of one or more `CheckResult`s: parts such as "people 3 (at least 4)", joined by semicolons.
    """
    found: list[str] = []
    for part in reason.split("; "):
        text = part.rpartition(": ")[2]  # without the name of the check
        what = max((what for what in _BOUND_OF if text.startswith(f"{what} ")), key=len, default="")
        if what and _BOUND_OF[what] not in found:
            found.append(_BOUND_OF[what])
    return found
