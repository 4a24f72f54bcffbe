"""Finished sets as the page keeps them, and a bound on the memory that all of them take."""

from __future__ import annotations

import io
import threading
import time
import weakref
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palm_assets.generation.generate import GenerationRequest, GenerationStats

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

MAX_BYTES = 512 * 2**20


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
    """A generated set. The ZIP is the only copy: single PNGs are read out of it.

    Attributes:
        request: what was asked for.
        model_version: of the model that generated it.
        calibrated: whether scores are calibrated probabilities.
        image_size: side of an image in pixels.
        entries: the palms, by number.
        stats: counts of candidates, and why generation ended.
        seconds: how long generation took.
    """

    def __init__(
        self,
        request: GenerationRequest,
        model: PalmModel,
        entries: Sequence[Entry],
        stats: GenerationStats,
        archive: bytes,
    ) -> None:
        self.request = request
        self.model_version = model.version
        self.calibrated = model.scoring == "calibrated"
        self.image_size = model.image_size
        self.entries = tuple(entries)
        self.stats = stats
        self.seconds = 0.0
        self._archive: bytes | None = archive
        self._zip = zipfile.ZipFile(io.BytesIO(archive))
        self._last_used = time.monotonic()

    @property
    def archive(self) -> bytes | None:
        """The ZIP, as `palms generate` writes it; None once the set was evicted."""
        self._last_used = time.monotonic()
        return self._archive

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return len(self._archive or b"")

    def png(self, entry: Entry) -> bytes:
        """PNG of one palm, with its metadata. Only for a set that still has its archive."""
        return self._zip.read(entry.file_name)

    def evict(self) -> None:
        """Free the memory."""
        self._archive = None
        self._zip = zipfile.ZipFile(io.BytesIO(), "w")


class SetCache:
    """Knows the sets of all visitors; when they take too much memory, the least recently used is evicted."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._sets: weakref.WeakSet[PalmSet] = weakref.WeakSet()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes that all sets hold."""
        return sum(palms.size for palms in list(self._sets))

    def add(self, added: PalmSet) -> None:
        """Add a set, and evict others until all fit."""
        with self._lock:
            self._sets.add(added)
            others = [palms for palms in self._sets if palms is not added]
            for palms in sorted(others, key=lambda palms: palms._last_used):
                if self.size <= self._max_bytes:
                    break
                palms.evict()
