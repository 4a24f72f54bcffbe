"""What a gate needs beside one set's scores: how much they waver, and how alike a model's palms are.

A set's Fréchet and kernel distances differ from set to set, so they are measured on several sets of the same
size; their deviation is the spread of the measurement, and two models are only told apart beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from palm_assets.evaluation.measures import Measures
from palm_assets.quality.floor import kid_side
from palm_assets.quality.frechet import frechet_distance
from palm_assets.quality.kid import kernel_distance
from palm_assets.quality.prdc import neighbor_distances
from palm_assets.quality.reference import Reference
from palm_assets.quality.statistics import Doubles, Floats

BLANK = 0.25  # of the real palms' median contrast


def contrasts(images: np.ndarray) -> Doubles:
    """Standard deviation of all pixels of each image, float64 (N,), for uint8 (N, 3, H, W)."""
    return np.array([image.std(dtype=np.float64) for image in images])


def measure(
    features: Sequence[Floats], contrast: Doubles, real_contrast: Doubles, reference: Reference
) -> Measures:
    """Measure sets of equal size.

    Args:
        features: of each set, (n, dim), by the reference's extractor.
        contrast: `contrasts` of all palms of the sets.
        real_contrast: the same of real palms.
        reference: what to measure against.
    """
    name, digest = reference.identity
    real_side = kid_side(reference.subsample)
    trace = float(np.trace(reference.cov))
    usual = float(np.median(real_contrast))
    return Measures(
        n=len(features[0]),
        frechet=tuple(frechet_distance(rows, reference.statistics).value for rows in features),
        kid=tuple(kernel_distance(rows, real_side, extractor=name, digest=digest).value for rows in features),
        frechet_of_one=trace,
        variety=float(
            np.mean([rows.var(axis=0, ddof=1, dtype=np.float64).sum() for rows in features]) / trace
        ),
        nearest_other=_nearest_other(features[0], reference.subsample),
        contrast=float(np.median(contrast) / usual),
        blank=float(np.mean(contrast < BLANK * usual)),
    )


def _nearest_other(ours: Floats, real: Floats) -> float:
    count = min(len(ours), len(real))
    between = [float(np.median(neighbor_distances(rows[:count], k=1))) for rows in (ours, real)]
    return between[0] / between[1]
