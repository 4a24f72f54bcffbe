"""Builds a reference on the nodes of a Ray cluster, shard by shard.

A node computes the features of a shard of crops on one thread and returns their statistics, and the few rows
that the reference keeps. Here the statistics are merged in the order of the shards: the same every time, and
those of one pass but for rounding. Which rows are kept depends on their number alone (see `Reservoir`), so
the same are kept as by `build_reference`, and a feature depends on its image alone.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from palm_assets.cluster.connection import import_ray
from palm_assets.cluster.tasks import Work, require_on_node, run_on_cluster
from palm_assets.errors import ArtifactError, ClusterError
from palm_assets.progress import Progress, no_progress
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.extractors.fingerprint import extractor_fingerprint
from palm_assets.quality.extractors.weights import weights_file
from palm_assets.quality.feature_collector import FeatureSample, sampled_indices
from palm_assets.quality.features import Extractor, Features, extract, load_extractor
from palm_assets.quality.reference import Reference
from palm_assets.quality.reference_builder import reference_of, require_enough
from palm_assets.quality.statistics import FeatureStatistics


@dataclass(frozen=True, eq=False)
class CropShard:
    """A run of crops in the array of a set.

    Attributes:
        first, end: its rows in the array, without `end`.
        kept: int64 (k,), which of its crops the features are returned of, ascending.
        measured: whether the statistics of all its features are returned.
    """

    first: int
    end: int
    kept: NDArray[np.int64]
    measured: bool

    def __len__(self) -> int:
        return self.end - self.first


@dataclass(frozen=True)
class ExtractorCopy:
    """What a node needs to load the extractor of this machine.

    Attributes:
        name, digest: its identity.
        precision: in which it computes.
        weights: content of its weights file.
    """

    name: str
    digest: str
    precision: str
    weights: bytes


@dataclass(frozen=True, eq=False)
class ShardFeatures:
    """What a node returns: statistics of all features of a shard, if asked for, and those kept, (k, dim)."""

    statistics: FeatureStatistics | None
    rows: Features


def build_reference_on_cluster(
    crops: Path,
    train: slice,
    holdout: slice,
    config: ReferenceConfig,
    *,
    holdout_people: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Reference:
    """The reference of `build_reference`, made on the nodes of a Ray cluster.

    Its statistics differ from those of one pass by rounding, by less than 1e-10 relatively. Its features are
    the same on the same kind of processor; on another kind they differ in the last digits of float32.

    Args:
        crops: file of the array of all crops, uint8 (N, 3, S, S), under the same path on all nodes.
        train: rows of the training people's crops.
        holdout: rows of the held-out people's crops.
        config: what to keep and measure, and where; its extractor is not "auto".
        holdout_people: see `build_reference`.
        progress: called with crops done and crops in all.

    Raises:
        PackageMissingError: Ray is not installed.
        ClusterError: the cluster cannot be reached, gives up, or lacks what a node needs.
        ArtifactError: a node cannot read the crops.
        QualityError: the training crops are too few.
        WeightsUnavailableError: the extractor's weights are not available here.
    """
    import_ray()
    n = train.stop - train.start
    require_enough(n, config)
    digest, precision = extractor_fingerprint(config.extractor)
    weights = weights_file(config.extractor).read_bytes()
    copy = ExtractorCopy(config.extractor, digest, precision, weights)
    sampled = sampled_indices(n, config.subsample, config.seed)
    shards = [
        *shards_of(train, train.start + np.sort(sampled), config.shard_crops, measured=True),
        *shards_of(holdout, np.arange(holdout.start, holdout.stop), config.shard_crops, measured=False),
    ]
    work = Work[CropShard](
        features_on_node,
        (crops, copy),
        note_of,
        retry_on=(ArtifactError, OSError, RuntimeError),
        in_order=True,
    )
    statistics: FeatureStatistics | None = None
    parts: dict[bool, list[Features]] = {True: [], False: []}
    on_nodes = run_on_cluster(work, shards, config.ray_address, progress=progress)
    with contextlib.closing(on_nodes):  # cancels them
        for shard, found in on_nodes:
            parts[shard.measured].append(found.rows.copy())  # a view would keep all of the result in memory
            if found.statistics is not None:
                statistics = found.statistics if statistics is None else statistics.merge(found.statistics)
    assert statistics is not None
    rows = np.concatenate(parts[True])[np.argsort(np.argsort(sampled))]  # ascending, then where each goes
    held_out = np.concatenate([np.zeros((0, rows.shape[1]), np.float32), *parts[False]])
    return reference_of(FeatureSample(statistics, rows, sampled), held_out, config, precision, holdout_people)


def shards_of(rows: slice, kept: NDArray[np.int64], size: int, *, measured: bool) -> list[CropShard]:
    """Cut rows of an array into shards of `size`, the last one shorter.

    Args:
        rows: to cut.
        kept: int64 (k,), those of which features are returned, ascending.
        size: of a shard.
        measured: whether statistics are returned.
    """
    shards = []
    for first in range(rows.start, rows.stop, size):
        end = min(first + size, rows.stop)
        within = slice(*np.searchsorted(kept, (first, end)))
        shards.append(CropShard(first, end, kept[within] - first, measured))
    return shards


def note_of(shard: CropShard) -> str:
    """What is added to the error that ends a run in this shard."""
    return f"in the shard of the crops {shard.first} to {shard.end - 1}"


def features_on_node(
    shard: CropShard, crops: Path, extractor: ExtractorCopy, *, progress: Progress
) -> ShardFeatures:
    """Compute the features of a shard in a process of a node.

    Args:
        shard: of which.
        crops: file of the array.
        extractor: of the machine that submits the shard.
        progress: called with crops done and crops in all, of this shard.

    Raises:
        ClusterError: the node has not the crops, or its extractor is another one.
        ArtifactError: the crops cannot be read.
    """
    require_on_node(crops.parent, "crops")
    loaded = _loaded(extractor)
    try:
        images = np.load(crops, mmap_mode="r")
        if len(images) < shard.end:
            raise ValueError(f"there are {len(images)} crops")
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"A node cannot read the crops: {error}",
            where=crops,
            hint="Give all nodes the same folder under this path.",
        ) from error
    features = extract(loaded, images[shard.first : shard.end], progress=progress)
    statistics = None
    if shard.measured:
        name, digest = loaded.identity
        statistics = FeatureStatistics.from_features(features, extractor=name, digest=digest)
    return ShardFeatures(statistics, features[shard.kept])


@functools.lru_cache(maxsize=1)
def _loaded(copy: ExtractorCopy) -> Extractor:
    """The extractor of this process, which works on one shard after another."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights"
        weights.write_bytes(copy.weights)
        extractor = load_extractor(copy.name, weights=weights, precision=copy.precision)
    if extractor.identity != (copy.name, copy.digest):
        raise ClusterError(
            f"A node has another extractor: {extractor.name} [{extractor.digest}]",
            where=f"{copy.name} [{copy.digest}]",
            hint="Install the same version of the program on all nodes.",
        )
    return extractor
