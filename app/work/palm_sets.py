"""Finished sets as the page keeps them, on the disk, and a bound on the space that all of them take."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import weakref
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.work.set_files import EvictedError, SetFile
from palm_assets.errors import DiskFullError
from palm_assets.gan.hand_labels import subject_of
from palm_assets.generation.generate import GenerationRequest, GenerationStats

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

MAX_BYTES = 8 * 2**30  # more than a full queue of the largest sets; at most half of what is free


@dataclass(frozen=True)
class Entry:
    """One palm of a set.

    Attributes:
        number: as people count, from 1.
        index: its place in the set, from 0.
        file_name: in the ZIP.
        score: 0..1.
    """

    number: int
    index: int
    file_name: str
    score: float


class PalmSet:
    """A generated set. Its ZIP on the disk is the only copy: single PNGs are read out of it.

    Attributes:
        request: what was asked for.
        model_version: of the model that generated it.
        calibrated: whether scores are calibrated probabilities.
        image_size: side of an image in pixels.
        subject: what it shows.
        model_subject: what its model draws if it is asked for nothing.
        entries: the palms, by number.
        stats: counts of candidates, and why generation ended.
        seconds: how long generation took.
        file: holds the ZIP, as `palms generate` writes it.
    """

    def __init__(
        self,
        request: GenerationRequest,
        model: PalmModel,
        entries: Sequence[Entry],
        stats: GenerationStats,
        file: SetFile,
    ) -> None:
        self.request = request
        self.model_version = model.version
        self.calibrated = model.scoring == "calibrated"
        self.image_size = model.image_size
        self.subject = subject_of(model.labels, request.labels)
        self.model_subject = subject_of(model.labels)
        self.entries = tuple(entries)
        self.stats = stats
        self.seconds = 0.0
        self.file = file
        self._size = file.size
        self._zip: zipfile.ZipFile | None = file.open_zip()
        self._last_used = time.monotonic()

    @property
    def available(self) -> bool:
        """Whether its ZIP is still there; not once the set was evicted."""
        self._last_used = time.monotonic()
        return self._zip is not None

    @property
    def archive(self) -> bytes:
        """The ZIP, read from the disk.

        Raises:
            EvictedError: the set was evicted, perhaps just now by another visitor's.
        """
        content = self.file.read() if self.available else b""
        if not content:
            raise EvictedError
        return content

    @property
    def size(self) -> int:
        """Bytes of the ZIP; 0 once the set was evicted."""
        return 0 if self._zip is None else self._size

    def png(self, entry: Entry) -> bytes:
        """PNG of one palm, with its metadata.

        Raises:
            EvictedError: the set was evicted, perhaps just now by another visitor's.
        """
        opened = self._zip  # which another thread may take away
        if opened is None:
            raise EvictedError
        return opened.read(entry.file_name)

    def evict(self) -> None:
        """Free the space."""
        self._zip = None
        self.file.close()


class SetCache:
    """Knows the files of all visitors' sets, and evicts the least recently used if they take too much space.

    Sets that are being generated count as they grow. A visitor who has more than a share of the space loses
    sets first.

    Args:
        max_bytes: of all sets together.
        visitor_bytes: of one visitor's; by default a quarter.
    """

    def __init__(self, max_bytes: int | None = None, visitor_bytes: int | None = None) -> None:
        room = shutil.disk_usage(tempfile.gettempdir()).free // 2
        self._max_bytes = min(MAX_BYTES, room) if max_bytes is None else max_bytes
        self._visitor_bytes = visitor_bytes or self._max_bytes // 4
        self._files: weakref.WeakSet[SetFile] = weakref.WeakSet()
        self._sets: weakref.WeakSet[PalmSet] = weakref.WeakSet()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes that all sets take, those that are being generated included."""
        return sum(file.size for file in list(self._files))

    def new_file(self, visitor: str) -> SetFile:
        """A file for a set that is about to be generated."""
        file = SetFile(visitor)
        with self._lock:
            self._files.add(file)
        return file

    def make_room(self, growing: SetFile) -> None:
        """Evict other sets until all fit, those of the same visitor first.

        Raises:
            DiskFullError: the sets that are being generated alone do not fit.
        """
        with self._lock:
            self._evict(growing)
            if self.size > self._max_bytes:
                raise DiskFullError(
                    "The sets that are being generated take more space than the page may use",
                    where=tempfile.gettempdir(),
                    hint="Try again when fewer people use the page.",
                )

    def add(self, added: PalmSet) -> None:
        """Add a finished set, and evict others until all fit."""
        with self._lock:
            self._files.add(added.file)
            self._sets.add(added)
            self._evict(added.file)

    def _evict(self, kept: SetFile) -> None:
        finished = [palms for palms in self._sets if palms.file is not kept and palms.size]
        finished.sort(key=lambda palms: palms._last_used)
        of_visitor = sum(file.size for file in list(self._files) if file.visitor == kept.visitor)
        for palms in [palms for palms in finished if palms.file.visitor == kept.visitor]:
            if of_visitor <= self._visitor_bytes:
                break
            of_visitor -= palms.size
            palms.evict()
        for palms in finished:
            if self.size <= self._max_bytes:
                break
            palms.evict()
