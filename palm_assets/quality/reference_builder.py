"""Builds a reference from the training people's crops and the held-out people's crops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from palm_assets.errors import QualityError
from palm_assets.progress import Progress, ShouldStop, never, no_progress
from palm_assets.quality.batches import Images, count_of
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.feature_collector import FeatureCollector, FeatureSample, feature_blocks
from palm_assets.quality.features import Extractor, extract, load_extractor, report_progress
from palm_assets.quality.floor import measure_floor
from palm_assets.quality.prdc import nearest_neighbor_distances
from palm_assets.quality.reference import Reference
from palm_assets.quality.statistics import Floats


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
    """Statistics of the training people's crops, and the floor: the metrics of the held-out people's crops.

    Args:
        train_images: uint8 RGB (N, 3, H, W), an array, memory map or stream.
        holdout_images: the same for people who are not in `train_images`; may be empty.
        config: what to keep and measure.
        holdout_people: person of each of `holdout_images`; with it the floor's spread is that between people.
        extractor: the network to use; by default the one that the config names is loaded.
        progress: called with images done and images in all, over both sets together.
        should_stop: called between batches.

    Raises:
        QualityError: fewer than 2 training images, or no more than `config.nearest_k`.
        ExtractionCancelledError: `should_stop` returned True.
    """
    extractor = extractor or load_extractor(config.extractor)
    n_train, n_holdout = count_of(train_images), count_of(holdout_images)

    def report(offset: int) -> Progress:
        return lambda done, _: progress(offset + done, n_train + n_holdout)

    batches = report_progress(extractor.features(train_images), n_train, report(0), should_stop)
    train = _collect(batches, config, extractor.dim, extractor.identity)
    holdout = extract(extractor, holdout_images, progress=report(train.statistics.n), should_stop=should_stop)
    return reference_of(train, holdout, config, extractor.precision, holdout_people)


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
    """Reference of features (N, dim) that are already computed; see `build_reference`."""
    collected = _collect(train, config, train.shape[1], (extractor, digest))
    return reference_of(collected, holdout, config, precision, holdout_people)


def _collect(
    features: Floats | Iterable[Floats], config: ReferenceConfig, dim: int, identity: tuple[str, str]
) -> FeatureSample:
    name, digest = identity
    collector = FeatureCollector(dim, config.subsample, extractor=name, digest=digest, seed=config.seed)
    for rows in feature_blocks(features):
        collector.add(rows)
    require_enough(collector.n, config)
    return collector.sample


def require_enough(n: int, config: ReferenceConfig) -> None:
    """Refuse to make a reference of too few training images.

    Raises:
        QualityError: there are fewer than 2, or no more than `config.nearest_k`.
    """
    if n <= config.nearest_k:
        raise QualityError(
            f"A reference needs more than {config.nearest_k} training images, there are {n}",
            hint="Give more images",
        )


def reference_of(
    train: FeatureSample,
    holdout: Floats,
    config: ReferenceConfig,
    precision: str,
    holdout_people: Sequence[str],
) -> Reference:
    """Reference of what is left of the training features, and of the held-out features (H, dim).

    Args:
        train: of the training images.
        holdout: float32, of all held-out images.
        config: what to keep and measure.
        precision: in which the features were computed.
        holdout_people: see `build_reference`.
    """
    statistics = train.statistics
    order = np.random.default_rng(config.seed).permutation(len(train.rows))
    subsample = train.rows[order]
    neighbor_distances = nearest_neighbor_distances(subsample, config.nearest_k)
    floor = measure_floor(
        holdout,
        statistics,
        subsample,
        neighbor_distances,
        counts=tuple(config.floor_counts),
        repeats=config.floor_repeats,
        seed=config.seed,
        people=np.unique(holdout_people, return_inverse=True)[1] if holdout_people else None,
    )
    return Reference(
        extractor=statistics.extractor,
        digest=statistics.digest,
        precision=precision,
        n=statistics.n,
        mean=statistics.mean,
        cov=statistics.cov,
        factor=statistics.factor,
        subsample=subsample,
        subsample_indices=train.indices[order],
        neighbor_distances=neighbor_distances,
        holdout=holdout,
        holdout_indices=np.arange(len(holdout), dtype=np.int64),
        floor=floor,
    )
