"""The reference that a Ray cluster makes is that of this process, whatever happens to a node."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from palm_assets.crops.extraction import CROPS_FILE
from palm_assets.errors import ArtifactError, ClusterError, PackageMissingError, QualityError
from palm_assets.progress import Progress, no_progress
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.extractors.fingerprint import extractor_fingerprint
from palm_assets.quality.extractors.weights import weights_file
from palm_assets.quality.ray_reference import (
    CropShard,
    ExtractorCopy,
    features_on_node,
    shards_of,
)
from palm_assets.quality.reference import Reference
from palm_assets.quality.reference_files import load_reference
from palm_assets.stages.reference import make_reference
from palm_assets.store.artifacts import Artifact, Store
from tests.cluster.ray_nodes import Loss, Nodes
from tests.crops.published_crops import publish_crops_of, split

LITE = "efficientnet-lite0"
CONFIG = ReferenceConfig(extractor=LITE, subsample=60, floor_counts=[4, 8, 16], floor_repeats=2)


def crops_in(store: Store) -> Artifact:
    """128 crops to train on, 32 for validation, 32 for the test; the same each time."""
    return publish_crops_of(store, split("abcdefgh", "vw", "st"), each=16)


def on_cluster(nodes: Nodes, shard_crops: int) -> ReferenceConfig:
    settings = {"engine": "ray", "ray_address": nodes.address, "shard_crops": shard_crops}
    return CONFIG.model_copy(update=settings)


def made_in(home: Path, config: ReferenceConfig, progress: Progress = no_progress) -> Artifact:
    store = Store(home)
    return make_reference(store, crops_in(store), config, progress=progress)


def require_same(found: Reference, expected: Reference) -> None:
    """Features are equal: each batch is computed on one thread. Statistics are, but for rounding."""
    for name in ("subsample", "subsample_indices", "neighbor_distances", "holdout", "holdout_indices"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert (found.identity, found.precision, found.n) == (expected.identity, expected.precision, expected.n)
    for name in ("mean", "cov"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert np.abs(ours - theirs).max() <= 1e-10 * np.abs(theirs).max()
        assert np.linalg.norm(ours - theirs) <= 1e-10 * np.linalg.norm(theirs)
    for ours, theirs in zip(found.floor, expected.floor, strict=True):
        assert ours.to_json() == pytest.approx(theirs.to_json(), rel=1e-6)


# On two nodes


@pytest.mark.alone
def test_a_cluster_makes_the_same_reference_though_a_node_is_killed(nodes: Nodes, tmp_path: Path) -> None:
    here = made_in(tmp_path / "here", CONFIG)
    done_at_kill: list[int] = []

    def some_are_done(done: int, total: int) -> bool:
        done_at_kill[:] = [done]
        return done > 0

    loss = Loss(nodes, features_on_node, some_are_done)
    there = made_in(tmp_path / "there", on_cluster(nodes, shard_crops=9), loss)
    assert loss.happened
    assert done_at_kill[0] < 160 - 4 * 9  # more than what was submitted was left to do
    assert there.version == here.version
    assert not there.reused
    require_same(load_reference(there.folder), load_reference(here.folder))


# Without a cluster


def test_without_a_cluster_the_stage_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = CONFIG.model_copy(update={"engine": "ray", "ray_address": "127.0.0.1:1"})
    with pytest.raises(ClusterError, match="cannot be reached"):
        make_reference(store, crops_in(store), nowhere)
    few = publish_crops_of(store, split("a", "v", "s"), each=5)
    with pytest.raises(QualityError, match="more than 5 training images"):
        make_reference(store, few, nowhere)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PackageMissingError, match=r"pip install 'palms\[cluster\]'"):
        make_reference(store, crops_in(store), nowhere)
    assert store.versions("reference") == []


def test_shards_cover_each_row_once_and_keep_what_is_asked_for() -> None:
    shards = shards_of(slice(10, 33), np.array([10, 15, 19, 20, 32]), 10, measured=True)
    assert [(shard.first, shard.end) for shard in shards] == [(10, 20), (20, 30), (30, 33)]
    assert [shard.kept.tolist() for shard in shards] == [[0, 5, 9], [0], [2]]
    assert shards_of(slice(5, 5), np.zeros(0, np.int64), 10, measured=False) == []


def test_a_node_without_the_crops_or_with_another_extractor_says_so(tmp_path: Path) -> None:
    digest, precision = extractor_fingerprint(LITE)
    ours = ExtractorCopy(LITE, digest, precision, weights_file(LITE).read_bytes())
    other = ExtractorCopy(LITE, "0" * 12, precision, ours.weights)
    np.save(tmp_path / CROPS_FILE, np.zeros((4, 3, 16, 16), np.uint8))

    def run(file: Path, extractor: ExtractorCopy, end: int) -> None:
        shard = CropShard(0, end, np.arange(end), measured=True)
        features_on_node(shard, file, extractor, progress=no_progress)

    with pytest.raises(ClusterError, match="crops are not on the node"):
        run(tmp_path / "none" / CROPS_FILE, ours, 4)
    with pytest.raises(ClusterError, match="another extractor"):
        run(tmp_path / CROPS_FILE, other, 4)
    with pytest.raises(ArtifactError, match="there are 4 crops"):
        run(tmp_path / CROPS_FILE, ours, 5)
    with pytest.raises(ArtifactError, match="cannot read the crops"):
        run(tmp_path / "none.npy", ours, 4)
