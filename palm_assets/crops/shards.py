"""Shards of a set of photographs: cropped one after another, and kept as files for an interrupted run.

The photographs, in the order of their paths, are cut into runs of about equal length. Where a run ends
depends on the path alone (content-defined chunking, Muthitacharoen et al. 2001, LBFS), so a photograph that
was changed, added or removed changes its own shard and perhaps the next one, whatever the size of the set.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from palm_assets.crops.config import CropConfig
from palm_assets.crops.cropping import first_crops
from palm_assets.crops.turns import Detector, TurnedDetections
from palm_assets.errors import PhotoError
from palm_assets.photos.index import Photo, PhotoIndex
from palm_assets.progress import Progress, no_progress
from palm_assets.store.atomic import FILE_MODE, sync
from palm_assets.store.os_errors import is_disk_full

log = logging.getLogger(__name__)

SUFFIX = ".shard"
_DIGEST_BYTES = 32
_UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class Shard:
    """A run of photographs.

    Attributes:
        first: position of its first photograph in the set.
        photos: in the order of the set.
    """

    first: int
    photos: tuple[Photo, ...]

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def key(self) -> str:
        """Hex digest of the pixels of its photographs, in order."""
        digest = hashlib.sha256()
        for photo in self.photos:
            digest.update(photo.pixels_sha256.encode())
        return digest.hexdigest()[:32]

    def __str__(self) -> str:
        return f"{self.photos[0].path} to {self.photos[-1].path}"


@dataclass(frozen=True, eq=False)
class ShardCrops:
    """Crops of the N photographs of a shard, as far as they are known without the rest of the set.

    Attributes:
        images: uint8 (N, 3, S, S), a read-only memory map; zeros for a photograph that is set aside.
        detections: float64 (N, T, 5), in each turn the box and the confidence; NaN without a palm.
        log_odds: float64 (N, T), see `TurnedDetections`.
        turns: int64 (N,), quarter turns with which each was cropped.
    """

    images: np.ndarray
    detections: np.ndarray
    log_odds: np.ndarray
    turns: np.ndarray


class Engine(Protocol):
    """Crops the shards of a set; `LocalEngine` is one, `ray_engine.RayEngine` another."""

    def crop(
        self,
        shards: Sequence[Shard],
        photos: PhotoIndex,
        config: CropConfig,
        folder: Path,
        *,
        progress: Progress = no_progress,
    ) -> Generator[tuple[Shard, ShardCrops], None, None]:
        """Crop the photographs of shards, in any order, or find in `folder` what was cropped before.

        Args:
            shards: of the set.
            photos: the set.
            config: how to crop.
            folder: where finished shards are kept; a file is there whole or not at all.
            progress: called with photos done and photos in all, of the set.

        Raises:
            PhotoError: a photograph is gone or has changed.
        """
        ...


class LocalEngine:
    """Crops shards one after another in this process, with a detector."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def crop(
        self,
        shards: Sequence[Shard],
        photos: PhotoIndex,
        config: CropConfig,
        folder: Path,
        *,
        progress: Progress = no_progress,
    ) -> Generator[tuple[Shard, ShardCrops], None, None]:
        """Crop shards in their order; see `Engine` and `crop_shard`."""
        total = len(photos.photos)
        for shard in shards:

            def report(done: int, _: int, first: int = shard.first) -> None:
                progress(first + done, total)

            yield shard, crop_shard(shard, photos, self._detector, config, folder, progress=report)


def split_into_shards(photos: Sequence[Photo], size: int) -> list[Shard]:
    """Cut photographs into shards of about `size`: from half as many (but for the last one) to twice."""
    shards, first = [], 0
    for end in range(1, len(photos) + 1):
        length = end - first
        cut = length >= 2 * size or (2 * length >= size and _ends_shard(photos[end - 1].path, size))
        if cut or end == len(photos):
            shards.append(Shard(first, tuple(photos[first:end])))
            first = end
    return shards


def _ends_shard(path: str, size: int) -> bool:
    """True for one path of `size / 2`."""
    digest = hashlib.sha256(path.encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8]) % max(size // 2, 1) == 0


def crop_shard(
    shard: Shard,
    photos: PhotoIndex,
    detector: Detector,
    config: CropConfig,
    folder: Path,
    *,
    progress: Progress = no_progress,
) -> ShardCrops:
    """Crop the photographs of a shard, or find in `folder` what was made of the same pixels before.

    A shard that fails is tried once more, alone: what it reads may lie on another machine.

    Args:
        shard: to crop.
        photos: the set.
        detector: finds the palms.
        config: how to crop; the folder belongs to this detector and config.
        folder: where finished shards are kept; a file is there whole or not at all.
        progress: called with photos done and photos in all, of this shard.

    Raises:
        PhotoError: a photograph is gone or has changed.
    """
    kept = find_shard(folder, shard)
    if kept is not None:
        progress(len(shard.photos), len(shard.photos))
        return kept
    path = shard_file(folder, shard)

    def write(stream: BinaryIO) -> None:
        write_crops(stream, shard, photos, detector, config, progress=progress)

    try:
        keep_shard(path, write)
    except (PhotoError, OSError, RuntimeError) as error:
        if is_disk_full(error, folder):
            raise
        log.warning("The shard %s failed and is tried once more: %s", shard, error)
        try:
            keep_shard(path, write)
        except Exception as again:
            again.add_note(note_of(shard))
            raise
    return read_shard(path)


def note_of(shard: Shard) -> str:
    """What is added to the error that ends a run in this shard."""
    return f"in the shard {shard}; finished shards are kept, so a new run goes on with this one"


def find_shard(folder: Path, shard: Shard) -> ShardCrops | None:
    """The crops of a shard, if its file is in the folder and whole."""
    path = shard_file(folder, shard)
    if not path.is_file():
        return None
    if not _is_whole(path):
        log.warning("%s is damaged: the shard %s is cropped again", path, shard)
        return None
    return read_shard(path)


def shard_file(folder: Path, shard: Shard) -> Path:
    """Where the crops of a shard are kept."""
    return folder / (shard.key + SUFFIX)


def tidy(folder: Path, shards: Sequence[Shard]) -> None:
    """Remove all shards but these, and those that a killed process left unfinished."""
    kept = {shard_file(folder, shard).name for shard in shards}
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink(missing_ok=True)


def keep_shard(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Make the file of a shard, which `write` fills; it is there whole or not at all."""
    handle, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        Path(unfinished).chmod(FILE_MODE)
        Path(unfinished).replace(path)
        sync(path.parent)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def write_crops(
    stream: BinaryIO,
    shard: Shard,
    photos: PhotoIndex,
    detector: Detector,
    config: CropConfig,
    *,
    progress: Progress = no_progress,
) -> None:
    """Write three arrays in the format of NumPy one after another, and the SHA-256 of all that.

    The crops go to the stream one at a time. A full disk would end a process that writes to a memory map.
    """
    file = _Hashed(stream)
    side = config.image_size
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(shard.photos), 3, side, side)}
    np.lib.format.write_array_header_1_0(file, header)
    blank = bytes(3 * side * side)
    found: list[TurnedDetections] = []
    turns: list[int] = []
    for candidates, crop in first_crops(photos, shard.photos, detector, config, progress=progress):
        file.write(blank if crop is None else crop.pixels.tobytes())
        found.append(candidates)
        turns.append(0 if crop is None else crop.turn // 90)
    for array in (_corners(found), np.array([one.log_odds for one in found]), np.array(turns)):
        np.lib.format.write_array(file, array, allow_pickle=False)
    stream.write(file.digest.digest())


class _Hashed:
    """A file that hashes what is written."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.digest = stream, hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        return self._stream.write(content)


def _corners(found: Sequence[TurnedDetections]) -> np.ndarray:
    nothing = (np.nan,) * 5
    return np.array(
        [
            [nothing if one is None else (*one.box, one.confidence) for one in photo.detections]
            for photo in found
        ],
        np.float64,
    )


def _is_whole(path: Path) -> bool:
    """Whether a file ends with the hash of the rest."""
    digest, left = hashlib.sha256(), path.stat().st_size - _DIGEST_BYTES
    with path.open("rb") as stream:
        while left > 0 and (part := stream.read(min(left, 1 << 20))):
            digest.update(part)
            left -= len(part)
        return stream.read() == digest.digest()


def read_shard(path: Path) -> ShardCrops:
    """Open the file of a shard that `crop_shard` has made or found."""
    images = np.load(path, mmap_mode="r")
    with path.open("rb") as stream:
        stream.seek(images.offset + images.nbytes)
        detections, log_odds, turns = (np.load(stream) for _ in range(3))
    return ShardCrops(images, detections, log_odds, turns)
