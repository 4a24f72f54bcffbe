"""What sets of palms are measured against: the training people's crops, and the real floor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from palm_assets.errors import QualityError
from palm_assets.progress import Progress, ShouldStop, never, no_progress
from palm_assets.quality.batches import Images, count_of
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.feature_collector import Collector, in_blocks
from palm_assets.quality.features import Extractor, extract, load_extractor, watched
from palm_assets.quality.floor import FloorTable, measure_floor
from palm_assets.quality.prdc import neighbor_distances
from palm_assets.quality.reference_files import load_reference, save_reference
from palm_assets.quality.set_metrics import SetMetrics, evaluate_set
from palm_assets.quality.statistics import Doubles, FeatureStatistics, Floats

__all__ = [
    "Reference",
    "ReferenceConfig",
    "SetMetrics",
    "build_reference",
    "evaluate_set",
    "load_reference",
    "save_reference",
]


@dataclass(frozen=True, eq=False)
class Reference:
    """Statistics of the real palms, all that a score needs.

    Attributes:
        extractor: network that made the features.
        digest: its weights and preprocessing.
        precision: of the network's numbers; sets are scored in the same.
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
    precision: str
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
    holdout_people: Sequence[str] = (),
    extractor: Extractor | None = None,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> Reference:
    """Statistics of the training people's crops, with the floor that held-out people's crops set.

    Args:
        train_images: uint8 RGB (N, 3, H, W), an array, memory map or stream.
        holdout_images: the same of people who are not in `train_images`; may be empty.
        config: what to keep and measure.
        holdout_people: whose each of `holdout_images` is; the floor's spread is that between people then.
        extractor: the network to use, else the one that the config names is loaded.
        progress: called with images done and images in all, over both sets together.
        should_stop: asked between batches.

    Raises:
        QualityError: fewer than 2 training images, or too few for the prdc.
        ExtractionCancelledError: `should_stop` became true.
    """
    extractor = extractor or load_extractor(config.extractor)
    n_train, n_holdout = count_of(train_images), count_of(holdout_images)

    def report(offset: int) -> Progress:
        return lambda done, _: progress(offset + done, n_train + n_holdout)

    train = watched(extractor.features(train_images), n_train, report(0), should_stop)
    taken = _collect(train, config, extractor.dim, extractor.identity)
    holdout = extract(extractor, holdout_images, progress=report(taken.n), should_stop=should_stop)
    return _reference(taken, holdout, config, extractor.precision, holdout_people)


def reference_from_features(
    train: Floats,
    holdout: Floats,
    config: ReferenceConfig,
    *,
    extractor: str,
    digest: str,
    precision: str = "float32",
    holdout_people: Sequence[str] = (),
) -> Reference:
    """The reference of features (N, dim) already at hand; see `build_reference`."""
    taken = _collect(train, config, train.shape[1], (extractor, digest))
    return _reference(taken, holdout, config, precision, holdout_people)


def _collect(
    features: Floats | Iterable[Floats], config: ReferenceConfig, dim: int, identity: tuple[str, str]
) -> Collector:
    taken = Collector(dim, config.subsample, extractor=identity[0], digest=identity[1], seed=config.seed)
    for rows in in_blocks(features):
        taken.add(rows)
    if taken.n <= config.prdc:
        raise QualityError(
            f"A reference needs more than {config.prdc} training images, there are {taken.n}",
            hint="Give more images",
        )
    return taken


def _reference(
    taken: Collector, holdout: Floats, config: ReferenceConfig, precision: str, people: Sequence[str]
) -> Reference:
    statistics = taken.statistics
    shuffled = np.random.default_rng(config.seed).permutation(len(taken.rows))
    subsample = taken.rows[shuffled]
    distances = neighbor_distances(subsample, config.prdc)
    floor = measure_floor(
        holdout,
        statistics,
        subsample,
        distances,
        counts=tuple(config.floor_counts),
        repeats=config.floor_repeats,
        seed=config.seed,
        people=np.unique(people, return_inverse=True)[1] if people else None,
    )
    return Reference(
        statistics.extractor,
        statistics.digest,
        precision,
        statistics.n,
        statistics.mean,
        statistics.cov,
        statistics.factor,
        subsample,
        taken.indices[shuffled],
        distances,
        holdout,
        np.arange(len(holdout), dtype=np.int64),
        floor,
    )
