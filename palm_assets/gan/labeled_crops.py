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
from palm_assets.gan.training_images import TrainingImages

log = logging.getLogger(__name__)


def hands_of(crops: Crops, split: Split) -> list[HandLabels]:
    """What each crop of a split shows, as far as its photograph's metadata says."""
    return [from_metadata(crop.aspect, crop.side, crop.skin) for crop in crops.rows(split)]


def labeled_crops(crops: Crops, labels: list[str]) -> tuple[TrainingImages, Tensor | None]:
    """The N crops to train on, which are read when they are needed, and their label vectors (N, L).

    Without labels there are no vectors. With the label `side`, crops with the thumb on the left are mirrored,
    and those whose aspect or side is not known are left out, with a warning.

    Raises:
        DatasetError: a value of a label is on no crop, so it cannot be learned.
    """
    rows = np.arange(len(crops.train))
    mirrored = np.zeros(len(rows), dtype=bool)
    if not labels:
        return TrainingImages(crops.train, rows, mirrored), None
    hands = hands_of(crops, "train")
    if "side" in labels:
        rows = rows[[{"aspect", "side"} <= hand.known.keys() for hand in hands]]
        if len(rows) < len(hands):
            log.warning(
                "%d of %d crops are not trained on: their aspect or side is not known",
                len(hands) - len(rows),
                len(hands),
            )
        hands = [hands[row] for row in rows]
        mirrored = np.array([hand.thumb_left for hand in hands], dtype=bool)
    for name in labels:
        _require_values(name, hands)
    return TrainingImages(crops.train, rows, mirrored), encode_all(labels, hands)


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
