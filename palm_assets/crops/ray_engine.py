"""Crops the shards of a set on the nodes of a Ray cluster.

Ray places the shards on free cores, starts those of a lost node again on another one, and carries the results
to this process, which keeps them in the same files as `LocalEngine`. A shard is cropped by one process with
one detector in the same batches, on one thread: its file is that of `LocalEngine` on one core. With more
threads a few pixels differ by a level.
"""

from __future__ import annotations

import contextlib
import functools
import io
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from palm_assets.cluster.connection import import_ray
from palm_assets.cluster.tasks import Work, require_on_node, run_on_cluster
from palm_assets.crops.config import CropConfig
from palm_assets.crops.shards import (
    Shard,
    ShardCrops,
    find_shard,
    keep_shard,
    note_of,
    read_shard,
    shard_file,
    write_crops,
)
from palm_assets.crops.turns import Detector
from palm_assets.detector.detection import DETECTOR_FILE, load_detector
from palm_assets.errors import PhotoError
from palm_assets.photos.index import PhotoIndex
from palm_assets.progress import Progress, no_progress


class RayEngine:
    """Crops shards on the nodes of a Ray cluster; each node reads the photographs under the same path.

    Args:
        detector: folder that `train_detector` wrote. Only this machine reads it.
        address: see `CropConfig.ray_address`.

    Raises:
        PackageMissingError: Ray is not installed.
    """

    def __init__(self, detector: Path, address: str | None = None) -> None:
        import_ray()
        self._detector, self._address = detector, address

    def crop(
        self,
        shards: Sequence[Shard],
        photos: PhotoIndex,
        config: CropConfig,
        folder: Path,
        *,
        progress: Progress = no_progress,
    ) -> Generator[tuple[Shard, ShardCrops], None, None]:
        """Crop shards, in the order in which they are finished; see `Engine`.

        If the generator is closed, or a callback raises, what the nodes do is cancelled.

        Raises:
            ClusterError: the cluster cannot be reached, gives up, or lacks what a node needs.
            PhotoError: a photograph is gone or has changed.
            DetectorError: the detector cannot be loaded.
        """
        total, done, missing = len(photos.photos), 0, []
        for shard in shards:
            kept = find_shard(folder, shard)
            if kept is None:
                missing.append(shard)
                continue
            done += len(shard.photos)
            progress(done, total)
            yield shard, kept
        if not missing:
            return
        work = Work[Shard](
            crop_on_node,
            (photos.root, (self._detector / DETECTOR_FILE).read_bytes(), config),
            note_of,
            retry_on=(PhotoError, OSError, RuntimeError),
        )
        on_nodes = run_on_cluster(
            work, missing, self._address, progress=lambda now, _: progress(done + now, total)
        )
        with contextlib.closing(on_nodes):  # cancels them
            for shard, content in on_nodes:
                path = shard_file(folder, shard)
                keep_shard(path, functools.partial(_write, content.data))
                yield shard, read_shard(path)


def _write(content: memoryview, stream: BinaryIO) -> None:
    stream.write(content)


def crop_on_node(
    shard: Shard, root: Path, detector: bytes, config: CropConfig, *, progress: Progress
) -> np.ndarray:
    """Crop a shard in a process of a node: the content of its file, uint8 (bytes,).

    Args:
        shard: to crop.
        root: folder of the photographs.
        detector: content of the detector's file.
        config: how to crop.
        progress: called with photos done and photos in all, of this shard.

    Raises:
        ClusterError: the node has not the photographs.
        PhotoError: a photograph is gone or has changed.
        DetectorError: the detector cannot be loaded.
    """
    require_on_node(root, "photographs")
    stream = io.BytesIO()
    photos = PhotoIndex(root, shard.photos, ())
    write_crops(stream, shard, photos, _loaded(detector), config, progress=progress)
    return np.frombuffer(stream.getbuffer(), np.uint8)


@functools.lru_cache(maxsize=1)
def _loaded(content: bytes) -> Detector:
    """The detector of this process, which crops one shard after another."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / DETECTOR_FILE).write_bytes(content)
        return load_detector(Path(folder))
