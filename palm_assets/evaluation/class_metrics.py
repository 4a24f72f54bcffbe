"""Metrics of each class that a conditional model can be asked for, as palms, backs or dark skin.

The samples of a class are compared with the training photographs of that class alone (as in intra-FID, Miyato
and Koyama 2018, arXiv:1802.05637), by the kernel distance, which small sets do not bias. Over all samples, a
class that is badly drawn hides behind the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palm_assets.gan.hand_labels import LABELS, HandLabels
from palm_assets.gan.label_vectors import input_labels
from palm_assets.quality.kid import kernel_distance, kernel_variance, reference_rows
from palm_assets.quality.reference import Reference
from palm_assets.quality.statistics import Floats

MIN_TRAIN, MIN_SAMPLES = 50, 50  # images of a class, below which it has no distance
MIN_TEST = 20  # photographs of test people, below which a class has no floor


@dataclass(frozen=True)
class ClassMetrics:
    """Metrics of one class.

    Attributes:
        label: aspect or skin.
        value: of the label, such as "back".
        samples: samples of the class.
        train: training photographs of the class that they are compared with.
        test: photographs of the class of test people.
        kid: kernel distance of the samples to the training photographs; None if either are too few.
        kid_sd: its standard deviation over random subsets; None likewise.
        kid_floor: kernel distance of the test people's photographs to the training photographs; None if they
            are too few.
        kid_collapsed: kernel distance of a model that repeats one training photograph of the class, the mean
            over these; None if they are too few.
    """

    label: str
    value: str
    samples: int
    train: int
    test: int
    kid: float | None
    kid_sd: float | None
    kid_floor: float | None
    kid_collapsed: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def describe(self) -> str:
        """One line for people."""
        name = f"{self.label} {self.value}"
        if self.kid is None or self.kid_sd is None:
            return f"{name}: {self.samples} samples and {self.train} photographs are too few for a distance"
        of_real = "too few for a floor" if self.kid_floor is None else f"{self.kid_floor:.3g}"
        return (
            f"{name}: kernel distance {self.kid:.3g} ± {self.kid_sd:.2g}  "
            f"({self.test} photographs of test people: {of_real})"
        )


def measure_classes(
    labels: Sequence[str],
    samples: Floats,
    hands: Sequence[HandLabels],
    reference: Reference,
    train_hands: Sequence[HandLabels],
    test_hands: Sequence[HandLabels],
) -> tuple[ClassMetrics, ...]:
    """Metrics of each value of each label that the networks see; none for a model without labels.

    Args:
        labels: that the model has.
        samples: features (N, dim) of its samples by the reference's extractor.
        hands: what each of the N samples was asked to show.
        reference: what to compare with.
        train_hands: what each of the photographs shows that the reference was built from, in its order.
        test_hands: the same for the photographs of test people.
    """
    train = [train_hands[row] for row in reference.subsample_indices]
    test = [test_hands[row] for row in reference.holdout_indices]
    return tuple(
        _measure(
            name,
            value,
            samples[_showing(hands, name, value)],
            reference.subsample[_showing(train, name, value)],
            reference.holdout[_showing(test, name, value)],
            reference.identity,
        )
        for name in input_labels(labels)
        for value in LABELS[name]
    )


def _measure(
    label: str, value: str, samples: Floats, train: Floats, test: Floats, identity: tuple[str, str]
) -> ClassMetrics:
    extractor, digest = identity
    enough = len(train) >= MIN_TRAIN
    real = reference_rows(train)

    def distance(rows: Floats) -> tuple[float, float]:
        found = kernel_distance(rows, real, extractor=extractor, digest=digest)
        return found.value, found.sd

    kid, sd = distance(samples) if enough and len(samples) >= MIN_SAMPLES else (None, None)
    floor = distance(test)[0] if enough and len(test) >= MIN_TEST else None
    collapsed = kernel_variance(real) if enough else None
    return ClassMetrics(label, value, len(samples), len(train), len(test), kid, sd, floor, collapsed)


def _showing(hands: Sequence[HandLabels], label: str, value: str) -> NDArray[np.bool_]:
    return np.array([hand.known.get(label) == value for hand in hands], dtype=bool)
