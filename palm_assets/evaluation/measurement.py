"""Computes the metrics of a model from the features and the contrast of its samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.quality.frechet import frechet_distance
from palm_assets.quality.kid import kernel_distance
from palm_assets.quality.prdc import nearest_neighbor_distances
from palm_assets.quality.reference import Reference
from palm_assets.quality.statistics import Doubles, Floats

BLANK_CONTRAST = 0.25  # of the real images' median contrast: below it an image counts as blank


def pixel_contrasts(images: NDArray[np.uint8]) -> Doubles:
    """Standard deviation of all pixels of each image, float64 (N,), for uint8 (N, 3, H, W)."""
    return np.array([image.std(dtype=np.float64) for image in images])


def measure_model(
    feature_sets: Sequence[Floats], contrasts: Doubles, real_contrasts: Doubles, reference: Reference
) -> ModelMetrics:
    """Metrics of a model over sets of equal size.

    Args:
        feature_sets: features (n, dim) of each set, by the reference's extractor.
        contrasts: `pixel_contrasts` of the samples of all sets.
        real_contrasts: `pixel_contrasts` of real images.
        reference: what to compare with.
    """
    name, digest = reference.identity
    kid_features = reference.kid_features
    variances = [rows.var(axis=0, ddof=1, dtype=np.float64).sum() for rows in feature_sets]
    real_variance = float(np.trace(reference.cov))
    real_contrast = float(np.median(real_contrasts))
    return ModelMetrics(
        n=len(feature_sets[0]),
        frechet=tuple(frechet_distance(rows, reference.statistics).value for rows in feature_sets),
        kid=tuple(
            kernel_distance(rows, kid_features, extractor=name, digest=digest).value for rows in feature_sets
        ),
        frechet_collapsed=real_variance,
        variance_ratio=float(np.mean(variances) / real_variance),
        nearest_neighbor_ratio=_nearest_neighbor_ratio(feature_sets[0], reference.subsample),
        contrast_ratio=float(np.median(contrasts) / real_contrast),
        blank_share=float(np.mean(contrasts < BLANK_CONTRAST * real_contrast)),
    )


def _nearest_neighbor_ratio(samples: Floats, real: Floats) -> float:
    """Median nearest-neighbor distance within the samples, over that within as many real images."""
    n = min(len(samples), len(real))
    ours, theirs = (float(np.median(nearest_neighbor_distances(rows[:n], k=1))) for rows in (samples, real))
    return ours / theirs
