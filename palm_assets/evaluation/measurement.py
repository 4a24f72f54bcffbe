"""Computes the metrics of a model from the features and the pixels of its samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from palm_assets.evaluation.model_metrics import ModelMetrics
from palm_assets.quality.copies import Thumbnails, copy_similarity, repeat_similarity, thumbnails
from palm_assets.quality.frechet import frechet_distance
from palm_assets.quality.kid import kernel_distance, kernel_variance
from palm_assets.quality.prdc import nearest_neighbor_distances, prdc
from palm_assets.quality.reference import Reference
from palm_assets.quality.statistics import Doubles, Floats

BLANK_CONTRAST = 0.25  # of the real images' median contrast: below it an image counts as blank
COPY_QUANTILE = 0.95  # of the test people's similarities to training images: a copy is above it, and
COPY_SIMILARITY = 0.97  # above this: the quantile of few people is low by chance, see docs/gate.md
REPEAT_SIMILARITY = 0.97  # above it two images of a set are the same, give or take noise and a move
REAL_SUBSETS = 4  # random subsets of real images that are measured like a set

Images = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Pixels:
    """What is measured on pixels and not on features: contrasts (N,) and thumbnails (N, side, side)."""

    contrasts: Doubles
    thumbnails: Thumbnails

    @classmethod
    def of(cls, batches: Iterable[Images]) -> Pixels:
        """Measure batches of images, uint8 (N, 3, H, W)."""
        return cls.joined([cls(pixel_contrasts(batch), thumbnails(batch)) for batch in batches])

    @classmethod
    def joined(cls, parts: Sequence[Pixels]) -> Pixels:
        """All images of several parts, in order."""
        return cls(
            np.concatenate([part.contrasts for part in parts]),
            np.concatenate([part.thumbnails for part in parts]),
        )


@dataclass(frozen=True, eq=False)
class RealImages:
    """Real images that samples are compared with, beside the reference.

    Attributes:
        train: contrasts and thumbnails of training images.
        test: thumbnails of the test people's images.
    """

    train: Pixels
    test: Thumbnails

    @cached_property
    def copy_bound(self) -> float:
        """Similarity to a training image above which an image is a copy; NaN without test people's images."""
        if not len(self.test):
            return np.nan
        similarities = copy_similarity(self.test, self.train.thumbnails)
        return max(COPY_SIMILARITY, float(np.quantile(similarities, COPY_QUANTILE)))


def pixel_contrasts(images: Images) -> Doubles:
    """Standard deviation of all pixels of each image, float64 (N,), for uint8 (N, 3, H, W)."""
    return np.array([image.std(dtype=np.float64) for image in images])


def measure_model(
    feature_sets: Sequence[Floats], pixels: Pixels, real: RealImages, reference: Reference
) -> ModelMetrics:
    """Metrics of a model over sets of equal size.

    Args:
        feature_sets: features (n, dim) of each set, by the reference's extractor.
        pixels: of the samples of all sets, in the same order.
        real: real images.
        reference: what to compare with.
    """
    n = len(feature_sets[0])
    variances = [rows.var(axis=0, ddof=1, dtype=np.float64).sum() for rows in feature_sets]
    real_variance = float(np.trace(reference.cov))
    real_contrast = float(np.median(real.train.contrasts))
    density, coverage = _neighbor_ratios(feature_sets, reference)
    return ModelMetrics(
        n=n,
        frechet=tuple(frechet_distance(rows, reference.statistics).value for rows in feature_sets),
        kid=tuple(_kernel_distance(rows, reference) for rows in feature_sets),
        frechet_collapsed=real_variance,
        kid_collapsed=kernel_variance(reference.kid_features),
        variance_ratio=float(np.mean(variances) / real_variance),
        nearest_neighbor_ratio=_nearest_neighbor_ratio(feature_sets[0], reference.subsample),
        density_ratio=density,
        coverage_ratio=coverage,
        contrast_ratio=float(np.median(pixels.contrasts) / real_contrast),
        blank_share=float(np.mean(pixels.contrasts < BLANK_CONTRAST * real_contrast)),
        copy_share=_copy_share(pixels.thumbnails, real),
        repeat_share=_repeat_share(pixels.thumbnails[:n]),
        real_repeat_share=_real_repeat_share(real.train.thumbnails, n),
    )


def _kernel_distance(rows: Floats, reference: Reference) -> float:
    name, digest = reference.identity
    return kernel_distance(rows, reference.kid_features, extractor=name, digest=digest).value


def _nearest_neighbor_ratio(samples: Floats, real: Floats) -> float:
    """Median nearest-neighbor distance within the samples, over that within as many real images."""
    n = min(len(samples), len(real))
    ours, theirs = (float(np.median(nearest_neighbor_distances(rows[:n], k=1))) for rows in (samples, real))
    return ours / theirs


def _neighbor_ratios(feature_sets: Sequence[Floats], reference: Reference) -> tuple[float, float]:
    """Density and coverage over those of test people's images, both at a size that the latter reach.

    Coverage grows with the size of a set, so a larger set of samples is cut.
    """
    n = min(len(feature_sets[0]), len(reference.holdout))
    if n < 1:
        return np.nan, np.nan
    random = np.random.default_rng(0)
    subsets = [reference.holdout[random.permutation(len(reference.holdout))[:n]] for _ in range(REAL_SUBSETS)]
    ours, theirs = (
        np.mean([_density_and_coverage(rows, reference) for rows in sets], axis=0)
        for sets in ([rows[:n] for rows in feature_sets], subsets)
    )
    density, coverage = ours / np.where(theirs > 0, theirs, np.nan)
    return float(density), float(coverage)


def _density_and_coverage(rows: Floats, reference: Reference) -> tuple[float, float]:
    found = prdc(rows, reference.subsample, reference.neighbor_distances)
    return found.density, found.coverage


def _copy_share(samples: Thumbnails, real: RealImages) -> float:
    """Share of samples that are copies: see `RealImages.copy_bound`."""
    if np.isnan(real.copy_bound):
        return np.nan
    return float(np.mean(copy_similarity(samples, real.train.thumbnails) > real.copy_bound))


def _repeat_share(images: Thumbnails) -> float:
    return float(np.mean(repeat_similarity(images) > REPEAT_SIMILARITY))


def _real_repeat_share(train: Thumbnails, n: int) -> float:
    """The mean over random sets of n training images, or of all if they are fewer."""
    random = np.random.default_rng(0)
    return float(
        np.mean([_repeat_share(train[random.permutation(len(train))[:n]]) for _ in range(REAL_SUBSETS)])
    )
