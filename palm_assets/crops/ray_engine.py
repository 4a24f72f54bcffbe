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
import socket
import tempfile
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from palm_assets import __version__
from palm_assets.crops.config import CropConfig
from palm_assets.crops.ray_cluster import Tally, connected, import_ray
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
from palm_assets.errors import ClusterError, PhotoError
from palm_assets.photos.index import PhotoIndex
from palm_assets.progress import Progress, no_progress
from palm_assets.runtime import limit_cores

CPUS = 1
"""Of one shard: many processes with a thread each crop more than one process with many threads."""
RETRIES = 3
"""Of a shard whose node or process died, or whose photographs could not be read."""
SHARDS_PER_CPU = 2
"""Submitted at once: one is cropped, one waits for its turn."""
WAIT_SECONDS = 0.5


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
        with connected(self._address) as ray:
            work = _Work(ray, missing, photos.root, self._detector / DETECTOR_FILE, config)
            try:
                while work.unfinished:
                    for shard, content in work.finished():
                        path = shard_file(folder, shard)
                        keep_shard(path, functools.partial(_write, content))
                        yield shard, read_shard(path)
                    progress(done + work.photos_done(), total)
            finally:
                work.cancel()


class _Work:
    """Shards of which as many are submitted to Ray as its cores are soon ready for."""

    def __init__(
        self, ray: Any, shards: Sequence[Shard], root: Path, detector_file: Path, config: CropConfig
    ) -> None:
        self._ray = ray
        self._waiting = deque(enumerate(shards))
        self._running: dict[Any, tuple[int, Shard]] = {}
        self._photos_of_finished = self._shown = 0
        tally = ray.remote(num_cpus=0, max_restarts=-1)(Tally)
        self._tally = tally.remote()
        self._asked = self._tally.done.remote()
        self._crop = ray.remote(
            num_cpus=CPUS, max_retries=RETRIES, retry_exceptions=[PhotoError, OSError, RuntimeError]
        )(crop_on_node)
        self._arguments = (root, ray.put(detector_file.read_bytes()), config, __version__)

    @property
    def unfinished(self) -> bool:
        """Whether there are shards that `finished` has not returned."""
        return bool(self._waiting or self._running)

    def finished(self) -> Iterator[tuple[Shard, memoryview]]:
        """Shards that were finished now, each with the content of its file; waits for one for a moment."""
        cpus = self._ray.cluster_resources().get("CPU", 0)  # nodes come and go
        while self._waiting and len(self._running) < max(1, SHARDS_PER_CPU * int(cpus / CPUS)):
            number, shard = self._waiting.popleft()
            self._running[self._crop.remote(number, shard, self._tally, *self._arguments)] = number, shard
        ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=WAIT_SECONDS)
        for reference in ready:
            shard = self._running[reference][1]
            content = self._result(reference, shard).data
            del self._running[reference]
            self._photos_of_finished += len(shard.photos)
            yield shard, content

    def photos_done(self) -> int:
        """Photographs of finished shards, and of running ones as far as is known; never less than before."""
        if self._ray.wait([self._asked], timeout=0)[0]:
            with contextlib.suppress(self._ray.exceptions.RayError):  # its node was lost: it starts again
                running = {number for number, _ in self._running.values()}
                counts = self._ray.get(self._asked)
                of_running = sum(done for number, done in counts.items() if number in running)
                self._shown = max(self._shown, self._photos_of_finished + of_running)
            self._asked = self._tally.done.remote()
        self._shown = max(self._shown, self._photos_of_finished)
        return self._shown

    def cancel(self) -> None:
        """End what is running at once: the processes are killed, as they write nothing."""
        for reference in self._running:
            with contextlib.suppress(Exception):
                self._ray.cancel(reference, force=True)
        with contextlib.suppress(Exception):
            self._ray.kill(self._tally)
        self._running, self._waiting = {}, deque()

    def _result(self, reference: Any, shard: Shard) -> np.ndarray:
        try:
            content: np.ndarray = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)  # of an exception of ours, which was raised on a node
            if not isinstance(cause, Exception):
                cause = ClusterError(
                    f"Ray gave up on a shard: {_first_line(error)}",
                    hint="See `ray status` and the nodes' logs, then run again.",
                )
            cause.add_note(note_of(shard))
            raise cause from error
        return content


def _write(content: memoryview, stream: BinaryIO) -> None:
    stream.write(content)


def crop_on_node(
    number: int, shard: Shard, tally: Any, root: Path, detector: bytes, config: CropConfig, version: str
) -> np.ndarray:
    """Crop a shard in a process of a node: the content of its file, uint8 (bytes,).

    Args:
        number: of the shard, for the tally.
        shard: to crop.
        tally: handle of the actor.
        root: folder of the photographs.
        detector: content of the detector's file.
        config: how to crop.
        version: of the program that submits the shard.

    Raises:
        ClusterError: the node has another version of the program, or not the photographs.
        PhotoError: a photograph is gone or has changed.
        DetectorError: the detector cannot be loaded.
    """
    if __version__ != version:
        raise ClusterError(
            f"A node runs Palms {__version__}, this machine {version}",
            where=socket.gethostname(),
            hint="Install the same version on all nodes.",
        )
    if not root.is_dir():
        raise ClusterError(
            f"The photographs are not on the node {socket.gethostname()}",
            where=root,
            hint="Mount their folder under the same path on all nodes, or use `engine: local`.",
        )
    limit_cores(CPUS)

    def report(done: int, _: int) -> None:
        tally.update.remote(number, done)

    stream = io.BytesIO()
    photos = PhotoIndex(root, shard.photos, ())
    write_crops(stream, shard, photos, _loaded(detector), config, progress=report)
    return np.frombuffer(stream.getbuffer(), np.uint8)


@functools.lru_cache(maxsize=1)
def _loaded(content: bytes) -> Detector:
    """The detector of this process, which crops one shard after another."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / DETECTOR_FILE).write_bytes(content)
        return load_detector(Path(folder))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
