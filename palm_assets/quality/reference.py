"""What sets of palms are measured against: the training people's crops, and the real floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from palm_assets.errors import QualityError
from palm_assets.quality.batches import Images
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.features import Extractor, extract, load_extractor
from palm_assets.quality.floor import FloorTable, measure_floor
from palm_assets.quality.neighbours import neighbour_distances
from palm_assets.quality.reference_files import load_reference, save_reference
from palm_assets.quality.score import SetScore, score_set
from palm_assets.quality.statistics import Doubles, FeatureStatistics, Floats

__all__ = [
    "Reference",
    "ReferenceConfig",
    "SetScore",
    "build_reference",
    "load_reference",
    "save_reference",
    "score_set",
]


@dataclass(frozen=True, eq=False)
class Reference:
    """Statistics of the real palms, all that a score needs.

    Attributes:
        extractor: network that made the features.
        digest: its weights and preprocessing.
        n: training images.
        mean: float64 (dim,).
        cov: float64 (dim, dim), unbiased.
        factor: float64 (dim, rank) with `factor @ factor.T == cov`.
        subsample: float32 (m, dim), features of training images in random order.
        subsample_indices: int64 (m,), their rows in the array of training images.
        distances: float64 (m, k), from each of them to its k nearest others.
        holdout: float32 (h, dim), features of held-out people's images.
        holdout_indices: int64 (h,), their rows in the array of held-out images.
        floor: what the holdout scores at several n; empty if it has fewer than 2 images.
    """

    extractor: str
    digest: str
    n: int
    mean: Doubles
    cov: Doubles
    factor: Doubles
    subsample: Floats
    subsample_indices: NDArray[np.int64]
    distances: Doubles
    holdout: Floats
    holdout_indices: NDArray[np.int64]
    floor: FloorTable

    @property
    def identity(self) -> tuple[str, str]:
        """Name and digest of the extractor."""
        return self.extractor, self.digest

    @cached_property
    def statistics(self) -> FeatureStatistics:
        """Mean and covariance with the factor already in place."""
        statistics = FeatureStatistics(self.n, self.mean, self.cov, self.extractor, self.digest)
        statistics.__dict__["factor"] = self.factor  # fills the cached property
        return statistics


def build_reference(
    train_images: Images,
    holdout_images: Images,
    config: ReferenceConfig,
    *,
    extractor: Extractor | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Reference:
    """Statistics of the training people's crops, with the floor that held-out people's crops set.

    Args:
        train_images: uint8 RGB (N, 3, H, W), an array, memory map or stream.
        holdout_images: the same of people who are not in `train_images`; may be empty.
        config: what to keep and measure.
        extractor: the network to use, else the one that the config names is loaded.
        progress: called with images done and images in all, over both sets together.
        cancelled: asked between batches.

    Raises:
        QualityError: fewer than 2 training images, or too few for the neighbours.
        ExtractionCancelledError: `cancelled` said so.
    """
    extractor = extractor or load_extractor(config.extractor)
    sizes = [
        len(images) if isinstance(images, np.ndarray) else 0 for images in (train_images, holdout_images)
    ]

    def report(offset: int) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, _: progress(offset + done, sum(sizes))

    train = extract(extractor, train_images, progress=report(0), cancelled=cancelled)
    holdout = extract(extractor, holdout_images, progress=report(len(train)), cancelled=cancelled)
    if len(train) <= config.neighbours:
        raise QualityError(
            f"A reference needs more than {config.neighbours} training images, there are {len(train)}",
            hint="Give more images",
        )
    return reference_from_features(train, holdout, config, extractor=extractor.name, digest=extractor.digest)


def reference_from_features(
    train: Floats, holdout: Floats, config: ReferenceConfig, *, extractor: str, digest: str
) -> Reference:
    """The reference of features (N, dim) already at hand; see `build_reference`."""
    statistics = FeatureStatistics.from_features(train, extractor=extractor, digest=digest)
    chosen = np.random.default_rng(config.seed).permutation(len(train))[: config.subsample]
    subsample = np.ascontiguousarray(train[chosen])
    distances = neighbour_distances(subsample, config.neighbours)
    floor = measure_floor(
        holdout,
        statistics,
        subsample,
        distances,
        counts=tuple(config.floor_counts),
        repeats=config.floor_repeats,
        seed=config.seed,
    )
    return Reference(
        extractor,
        digest,
        statistics.n,
        statistics.mean,
        statistics.cov,
        statistics.factor,
        subsample,
        chosen.astype(np.int64),
        distances,
        holdout,
        np.arange(len(holdout), dtype=np.int64),
        floor,
    )
