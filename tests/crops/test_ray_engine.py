"""Shards cropped by a Ray cluster of two nodes are those of one process, whatever happens to a node."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from palm_assets.crops.config import CropConfig
from palm_assets.crops.ray_engine import RayEngine, crop_on_node
from palm_assets.crops.shards import LocalEngine, Shard, shard_file, split_into_shards
from palm_assets.detector.detection import load_detector
from palm_assets.errors import ClusterError, PackageMissingError, PhotoError
from palm_assets.photos.index import PhotoIndex
from palm_assets.progress import Progress, no_progress
from palm_assets.sources.config import PhotosConfig
from palm_assets.stages.crops import make_crops
from palm_assets.stages.detector import open_starter_detector
from palm_assets.stages.photos import make_photos, open_photos
from palm_assets.store.artifacts import Artifact, Store
from tests.cluster.ray_nodes import Loss, Nodes, until

SHARD = 5
CONFIG = CropConfig(image_size=32, shard_photos=SHARD, batch=4, no_palm="whole_photo")


@pytest.fixture(scope="module")
def cropped_here(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, Artifact]:
    """Photographs, and their crops by `engine: local`."""
    store = Store(tmp_path_factory.mktemp("home"))
    photos = make_photos(
        store,
        PhotosConfig(source="synthetic", synthetic_photos=60, synthetic_people=12, synthetic_size=160),
    )
    return photos, crop_here(store, photos)


def crop_here(store: Store, photos: Artifact) -> Artifact:
    """Crop by `engine: local` on one core, as each shard has on a node.

    With another number of threads the detector's sums differ in the last bits, and a few pixels by a level.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("palm_assets.runtime._most_cores", 1)
        return crop(store, photos, CONFIG)


def on_cluster(nodes: Nodes) -> CropConfig:
    return CONFIG.model_copy(update={"engine": "ray", "ray_address": nodes.address})


def crop(store: Store, photos: Artifact, config: CropConfig, progress: Progress = no_progress) -> Artifact:
    return make_crops(store, photos, open_starter_detector(), config, progress=progress)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def finished_shards(store: Store) -> dict[str, tuple[int, int]]:
    """Inode and time of each file in the folder of shards: equal if nothing wrote it again."""
    found = (store.home / "work").glob("crops-*-shards/*")
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


# On two nodes


@pytest.mark.alone
def test_a_cluster_makes_the_same_version_and_the_same_bytes(
    nodes: Nodes, cropped_here: tuple[Artifact, Artifact], store: Store
) -> None:
    photos, here = cropped_here
    reports: list[tuple[int, int]] = []
    handler = signal.getsignal(signal.SIGTERM)
    made = crop(store, photos, on_cluster(nodes), lambda done, total: reports.append((done, total)))
    assert not made.reused
    assert made.version == here.version
    assert files(made.folder) == files(here.folder)
    done = [done for done, _ in reports]
    assert done == sorted(done)
    assert {total for _, total in reports} == {len(open_photos(photos).photos)} == {done[-1]}
    assert len(set(done)) > 5  # while the work goes on
    assert signal.getsignal(signal.SIGTERM) is handler  # Ray sets one of its own
    assert until(lambda: not nodes.running(crop_on_node), 10)


@pytest.mark.alone
def test_an_interrupted_run_is_cancelled_and_its_shards_are_kept(
    nodes: Nodes, cropped_here: tuple[Artifact, Artifact], store: Store
) -> None:
    photos, here = cropped_here

    def interrupt(done: int, total: int) -> None:
        if done >= 2 * SHARD and finished_shards(store):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crop(store, photos, on_cluster(nodes), interrupt)
    assert until(lambda: not nodes.running(crop_on_node), 10)
    kept = finished_shards(store)
    assert kept
    assert all(name.endswith(".shard") for name in kept)
    assert store.versions("crops") == []
    made = crop_here(store, photos)  # the other engine goes on with them
    assert kept.items() <= finished_shards(store).items()
    assert files(made.folder) == files(here.folder)


@pytest.mark.alone
def test_a_photograph_that_is_gone_is_named_after_retries_on_the_nodes(
    nodes: Nodes, cropped_here: tuple[Artifact, Artifact], tmp_path: Path
) -> None:
    index = open_photos(cropped_here[0])
    for photo in index.photos[:6]:
        (tmp_path / photo.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / photo.path).write_bytes((index.root / photo.path).read_bytes())
    photos = PhotoIndex(tmp_path, index.photos[:6], ())
    (tmp_path / photos.photos[4].path).unlink()
    (shards := tmp_path / "shards").mkdir()
    engine = RayEngine(open_starter_detector().folder, nodes.address)
    with pytest.raises(PhotoError, match="the file is gone") as raised:
        list(engine.crop(split_into_shards(photos.photos, 100), photos, CONFIG, shards))
    assert photos.photos[4].path in str(raised.value)
    assert "finished shards are kept" in raised.value.__notes__[0]
    assert list(shards.iterdir()) == []


@pytest.mark.alone
def test_a_killed_node_costs_no_more_than_the_shard_that_it_was_cropping(
    nodes: Nodes, cropped_here: tuple[Artifact, Artifact], store: Store
) -> None:
    photos, here = cropped_here
    at_kill: dict[str, tuple[int, int]] = {}

    def some_are_finished(done: int, total: int) -> bool:
        at_kill.update(finished_shards(store))
        return bool(at_kill)

    loss = Loss(nodes, crop_on_node, some_are_finished)
    made = crop(store, photos, on_cluster(nodes), loss)
    assert loss.happened
    assert (
        len(at_kill) < len(split_into_shards(open_photos(photos).photos, SHARD)) - 1
    )  # it was in the middle
    assert at_kill.items() <= finished_shards(store).items()
    assert all(name.endswith(".shard") for name in finished_shards(store))
    assert made.version == here.version
    assert files(made.folder) == files(here.folder)


# Without a cluster


def test_without_ray_the_stage_is_refused_before_its_work(
    store: Store, cropped_here: tuple[Artifact, Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PackageMissingError, match=r"pip install 'palms\[cluster\]'"):
        crop(store, cropped_here[0], CONFIG.model_copy(update={"engine": "ray"}))
    assert store.versions("crops") == []
    assert finished_shards(store) == {}


def test_shards_that_are_finished_need_no_cluster(
    cropped_here: tuple[Artifact, Artifact], tmp_path: Path
) -> None:
    photos, detector = open_photos(cropped_here[0]), open_starter_detector().folder
    shards = split_into_shards(photos.photos, SHARD)
    list(LocalEngine(load_detector(detector)).crop(shards, photos, CONFIG, tmp_path))
    reports: list[tuple[int, int]] = []
    engine = RayEngine(detector, "127.0.0.1:1")
    found = engine.crop(shards, photos, CONFIG, tmp_path, progress=lambda *report: reports.append(report))
    assert [shard for shard, _ in found] == shards
    assert reports[-1] == (len(photos.photos), len(photos.photos))
    shard_file(tmp_path, shards[0]).unlink()
    with pytest.raises(ClusterError, match="cannot be reached"):
        list(engine.crop(shards, photos, CONFIG, tmp_path))


def test_a_node_without_the_photographs_says_so(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="photographs are not on the node"):
        crop_on_node(Shard(0, ()), tmp_path / "none", b"", CONFIG, progress=no_progress)
