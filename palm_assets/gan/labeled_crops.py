"""Crops as a conditional model is trained on them: with label vectors, and every thumb on the right."""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np
from torch import Tensor

from palm_assets.crops.extraction import Crops
from palm_assets.crops.splits import Split
from palm_assets.errors import DatasetError
from palm_assets.gan.hand_labels import LABELS, HandLabels, from_metadata
from palm_assets.gan.label_vectors import encode_all

log = logging.getLogger(__name__)


def hands_of(crops: Crops, split: Split) -> list[HandLabels]:
    """What each crop of a split shows, as far as its photograph's metadata says."""
    return [from_metadata(crop.aspect, crop.side, crop.skin) for crop in crops.rows(split)]


def labeled_crops(crops: Crops, labels: list[str]) -> tuple[np.ndarray, Tensor | None]:
    """The crops to train on, uint8 RGB (N, 3, S, S), and their label vectors (N, L); None without labels.

    With the label `side`, crops with the thumb on the left are mirrored, and those whose aspect or side is
    not known are left out, with a warning.

    Raises:
        DatasetError: a value of a label is on no crop, so it cannot be learned.
    """
    images = crops.train
    if not labels:
        return images, None
    hands = hands_of(crops, "train")
    if "side" in labels:
        known = [row for row, hand in enumerate(hands) if {"aspect", "side"} <= hand.known.keys()]
        if len(known) < len(hands):
            log.warning(
                "%d of %d crops are not trained on: their aspect or side is not known",
                len(hands) - len(known),
                len(hands),
            )
        hands = [hands[row] for row in known]
        images = images[known]
        left = np.array([hand.thumb_left for hand in hands], dtype=bool)
        images[left] = images[left, ..., ::-1]
    for name in labels:
        _require_values(name, hands)
    return images, encode_all(labels, hands)


def label_counts(crops: Crops) -> dict[str, dict[str, int]]:
    """How many crops of train have each value of each label; "any" stands for not known."""
    hands = hands_of(crops, "train")
    return {name: dict(Counter(dict(hand.items())[name] for hand in hands)) for name in LABELS}


def _require_values(name: str, hands: list[HandLabels]) -> None:
    counts = Counter(hand.known.get(name) for hand in hands)
    missing = [value for value in LABELS[name] if not counts[value]]
    if missing:
        raise DatasetError(
            f"No crop to train on is known to have {name} {' or '.join(missing)}",
            hint="Add such photographs, with a HandInfo.csv that says so and `aspects` of raw_hands that "
            f"include them; or leave {name} out of `labels`.",
        )
