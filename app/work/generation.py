"""A finished set of palms as the page keeps it, and how much of that all visitors together may keep."""

from __future__ import annotations

import io
import threading
import time
import weakref
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.jobs import Job, Steps
from palm_assets.generation.archives import PalmArchive
from palm_assets.generation.generate import Request, Tally, chunks

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

Sorting = Literal["number", "score"]
MOST_BYTES = 512 * 2**20
PREVIEW = 8


@dataclass(frozen=True)
class Entry:
    """One palm of a set: what people call it, its place in the set, its name in the ZIP, and its score."""

    number: int
    index: int
    file_name: str
    score: float


class PalmSet:
    """Palms that were made together. The ZIP is the only copy: single PNGs are read out of it.

    Attributes:
        request: what was asked for.
        model_version: which model drew them.
        calibrated: whether scores are calibrated probabilities.
        entries: the palms, by number.
        tally: how the set came out.
        seconds: how long it took.
    """

    def __init__(
        self, request: Request, model: PalmModel, entries: Sequence[Entry], tally: Tally, archive: bytes
    ) -> None:
        self.request = request
        self.model_version = model.version
        self.calibrated = model.scoring == "calibrated"
        self.image_size = model.image_size
        self.entries = tuple(entries)
        self.tally = tally
        self.seconds = 0.0
        self._archive: bytes | None = archive
        self._zip = zipfile.ZipFile(io.BytesIO(archive))
        self._looked = time.monotonic()

    @property
    def archive(self) -> bytes | None:
        """The ZIP, as `palms generate` writes it; None once it had to make room for others."""
        self._looked = time.monotonic()
        return self._archive

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(self._archive or b"")

    def png(self, entry: Entry) -> bytes:
        """One palm's PNG, with its text chunks. Only for a set that still has its archive."""
        return self._zip.read(entry.file_name)

    def let_go(self) -> None:
        """Free the memory."""
        self._archive = None
        self._zip = zipfile.ZipFile(io.BytesIO(), "w")


class Shelf:
    """Knows every set that some visitor holds; when all are too much, the one longest unseen is let go."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._sets: weakref.WeakSet[PalmSet] = weakref.WeakSet()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes that all sets hold."""
        return sum(kept.size for kept in list(self._sets))

    def put(self, fresh: PalmSet) -> None:
        """Count a set in, and make room for it."""
        with self._lock:
            self._sets.add(fresh)
            others = sorted((kept for kept in self._sets if kept is not fresh), key=lambda kept: kept._looked)
            for kept in others:
                if self.size <= self._most_bytes:
                    break
                kept.let_go()


@dataclass
class Preview:
    """The latest few palms of a set in the making, PNG."""

    pngs: tuple[bytes, ...] = ()


def making(
    model: PalmModel, request: Request, shelf: Shelf, preview: Preview
) -> Callable[[Job[PalmSet]], Steps[PalmSet]]:
    """The work of making a set, for `JobQueue.submit`."""

    def work(job: Job[PalmSet]) -> Steps[PalmSet]:
        stream, tally, entries = io.BytesIO(), Tally(), []
        with PalmArchive(stream, model) as archive:
            for palms in chunks(model, request, cancelled=lambda: job.cancelled, tally=tally):
                for palm in palms:
                    png = archive.add(palm)
                    preview.pngs = (*preview.pngs, png)[-PREVIEW:]
                    entries.append(Entry(palm.number, palm.index, palm.file_name, palm.score))
                yield len(entries), request.count
        made = PalmSet(request, model, entries, tally, stream.getvalue())
        made.seconds = job.seconds
        shelf.put(made)
        return made

    return work


def arranged(entries: Sequence[Entry], by: Sorting) -> list[Entry]:
    """By number, or the best score first."""
    return sorted(entries, key=lambda entry: (-entry.score, entry.number) if by == "score" else entry.number)


def page_count(entries: int, page_size: int) -> int:
    """How many pages a gallery has; at least one."""
    return max(1, -(-entries // page_size))


def page_of(entries: Sequence[Entry], page: int, page_size: int) -> Sequence[Entry]:
    """The entries of a page, which counts from 1; a page that is not there becomes the nearest that is."""
    page = min(max(page, 1), page_count(len(entries), page_size))
    return entries[(page - 1) * page_size : page * page_size]
