"""From a loaded model to a set of palms: drawn, scored, sifted, and written as PNGs, a ZIP or a folder.

Image i of a set depends on seed + i alone, and everything here writes the same bytes for the same request.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Self

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from palm_assets import __version__
from palm_assets.errors import DiskFullError, RequestError
from palm_assets.gan.sampling import CHUNK, MAX_SEED, PalmModel
from palm_assets.progress import Progress, silent

MAX_COUNT = 100_000
ATTEMPTS = 20  # candidates drawn per palm asked for, before a minimum score is given up
MANIFEST_NAME = "manifest.csv"
MANIFEST_HEAD = ("file", "index", "seed", "score", "model", "truncation")
SOFTWARE = f"palms {__version__}"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a ZIP can hold
_OURS = re.compile(r"palm_\d{6,}\.png|manifest\.csv")


@dataclass(frozen=True)
class Palm:
    """One palm of the set with this seed.

    Attributes:
        index: its place in the set, from 0.
        seed: of the set.
        image: uint8 RGB (3, S, S).
        score: how real it looks, 0..1; `PalmModel.scoring` says how that is meant.
        truncation: it was drawn with.
    """

    index: int
    seed: int
    image: np.ndarray
    score: float
    truncation: float = 1.0

    @property
    def number(self) -> int:
        """What people call it: they count from 1."""
        return self.index + 1

    @property
    def file_name(self) -> str:
        """Its name in a ZIP or folder; the same in a set of any size."""
        return f"palm_{self.number:06d}.png"


@dataclass(frozen=True)
class Request:
    """What a person asks for.

    Attributes:
        count: palms wanted, 1..100,000.
        seed: 0..2**53; the same seed gives the same palms.
        truncation: above 0, up to 1: towards 0 the palms become usual and alike.
        min_score: keep only palms with at least this score, 0..1; None keeps all.

    Raises:
        RequestError: a value out of its range.
    """

    count: int
    seed: int
    truncation: float = 1.0
    min_score: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_COUNT:
            raise RequestError(f"{self.count} palms cannot be made", hint=f"Ask for 1 to {MAX_COUNT}.")
        if not 0 <= self.seed <= MAX_SEED:
            raise RequestError(
                f"The seed {self.seed} is out of range", hint=f"Choose one from 0 to {MAX_SEED}."
            )
        if not 0 < self.truncation <= 1:
            raise RequestError(
                f"The truncation {self.truncation} is out of range", hint="Choose one above 0, up to 1."
            )
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise RequestError(
                f"The minimum score {self.min_score} is out of range", hint="Choose one from 0 to 1."
            )

    @property
    def most_attempts(self) -> int:
        """Candidates that are drawn at most."""
        return self.count if self.min_score is None else self.count * ATTEMPTS


@dataclass
class Tally:
    """How a set came out; kept up to date while it is drawn.

    Attributes:
        tried: candidates drawn and looked at.
        kept: palms handed on.
        score_sum: of their scores.
        ended: "" while drawing; "complete"; "cancelled"; or "given up": too few reach the minimum score.
    """

    tried: int = 0
    kept: int = 0
    score_sum: float = 0.0
    ended: Literal["", "complete", "cancelled", "given up"] = ""

    @property
    def rejected(self) -> int:
        """Candidates below the minimum score."""
        return self.tried - self.kept

    @property
    def mean_score(self) -> float:
        """Of the palms handed on; 0 if there are none."""
        return self.score_sum / max(self.kept, 1)


def never() -> bool:
    """Nobody cancels."""
    return False


def generate(
    model: PalmModel,
    request: Request,
    *,
    progress: Progress = silent,
    cancelled: Callable[[], bool] = never,
    tally: Tally | None = None,
) -> Iterator[Palm]:
    """Palms in order of their index, a chunk of candidates at a time: memory does not grow with the set.

    Args:
        model: draws and scores.
        request: what to draw.
        progress: called after every chunk with the number of palms kept, and wanted.
        cancelled: asked before every chunk; True ends the set with what is done.
        tally: filled in meanwhile; its `ended` says why the set ended.
    """
    progress(0, request.count)
    done = 0
    for palms in chunks(model, request, cancelled=cancelled, tally=tally):
        yield from palms
        done += len(palms)
        progress(done, request.count)


def chunks(
    model: PalmModel,
    request: Request,
    *,
    cancelled: Callable[[], bool] = never,
    tally: Tally | None = None,
) -> Iterator[list[Palm]]:
    """The same palms, those of each chunk together; a chunk of which none is good enough is empty."""
    tally = Tally() if tally is None else tally
    for start in range(0, request.most_attempts, CHUNK):
        if cancelled():
            tally.ended = "cancelled"
            return
        indices = range(start, min(start + CHUNK, request.most_attempts))
        images = model.draw(model.latents(request.seed, indices), truncation=request.truncation)
        scores = model.scores(images)
        palms = []
        for index, image, score in zip(indices, images, scores, strict=True):
            if tally.kept == request.count:
                break
            tally.tried += 1
            if request.min_score is None or score >= request.min_score:
                tally.kept += 1
                tally.score_sum += float(score)
                palms.append(Palm(index, request.seed, image, float(score), request.truncation))
        yield palms
        if tally.kept == request.count:
            break
    tally.ended = "complete" if tally.kept == request.count else "given up"


def png_bytes(palm: Palm, model: PalmModel) -> bytes:
    """The palm as a PNG whose text chunks say where it comes from, so that it can be made again."""
    origin = PngInfo()
    for key, value in (
        ("Software", SOFTWARE),
        ("palms:seed", palm.seed),
        ("palms:index", palm.index),
        ("palms:model", model.version),
        ("palms:score", f"{palm.score:.4f}"),
        ("palms:truncation", f"{palm.truncation:g}"),
    ):
        origin.add_text(key, str(value))
    stream = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(palm.image.transpose(1, 2, 0)))
    picture.save(stream, "PNG", compress_level=1, pnginfo=origin)
    return stream.getvalue()


def zip_into(stream: BinaryIO, palms: Iterable[Palm], model: PalmModel) -> int:
    """Write a ZIP of PNGs and a manifest into a binary stream; the number of palms in it."""
    with PalmArchive(stream, model) as archive:
        for palm in palms:
            archive.add(palm)
    return archive.count


class PalmArchive:
    """A ZIP of PNGs and a manifest that grows palm by palm; whole once its `with` block has ended well.

    PNGs are compressed already, so they are stored as they are.
    """

    def __init__(self, stream: BinaryIO, model: PalmModel) -> None:
        self._zip = zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED)
        self._model = model
        self._rows: list[tuple[object, ...]] = []

    @property
    def count(self) -> int:
        """Palms in it so far."""
        return len(self._rows)

    def add(self, palm: Palm) -> bytes:
        """Append one palm; its PNG."""
        png = png_bytes(palm, self._model)
        self._zip.writestr(_entry(palm.file_name), png)
        self._rows.append(_row(palm, self._model))
        return png

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self._zip.writestr(_entry(MANIFEST_NAME), _manifest(self._rows))
        self._zip.close()


def write_zip(path: Path, palms: Iterable[Palm], model: PalmModel) -> int:
    """Write a ZIP of PNGs and a manifest; a file of that name is replaced once the new one is whole.

    Raises:
        DiskFullError: no room left.
        RequestError: the place cannot be written.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                count = zip_into(stream, palms, model)
            Path(beside).chmod(0o644)
            Path(beside).replace(path)
        finally:
            Path(beside).unlink(missing_ok=True)
    return count


def write_folder(path: Path, palms: Iterable[Palm], model: PalmModel) -> int:
    """Write PNGs and a manifest into a folder, which appears once it is whole; the number of palms in it.

    An earlier folder of palms is replaced; a folder that holds anything else is left alone.

    Raises:
        DiskFullError: no room left.
        RequestError: the place cannot be written, or holds files that are not ours.
    """
    _refuse_foreign(path)
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            rows = []
            fresh, old = beside / "new", beside / "old"
            fresh.mkdir()
            for palm in palms:
                (fresh / palm.file_name).write_bytes(png_bytes(palm, model))
                rows.append(_row(palm, model))
            (fresh / MANIFEST_NAME).write_bytes(_manifest(rows))
            if path.exists():
                path.rename(old)
            fresh.rename(path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return len(rows)


def _row(palm: Palm, model: PalmModel) -> tuple[object, ...]:
    score, truncation = f"{palm.score:.4f}", f"{palm.truncation:g}"
    return palm.file_name, palm.index, palm.seed, score, model.version, truncation


def _manifest(rows: list[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([MANIFEST_HEAD, *rows])
    return text.getvalue().encode()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = 3  # Unix, wherever it is written
    entry.external_attr = 0o644 << 16
    return entry


def _refuse_foreign(path: Path) -> None:
    if path.is_dir():
        foreign = next((entry.name for entry in path.iterdir() if not _OURS.fullmatch(entry.name)), None)
        if foreign is not None:
            raise RequestError(f"The folder holds {foreign} too", where=path, hint="Name another folder.")
    elif path.exists():
        raise RequestError("There is a file in the folder's place", where=path, hint="Name another.")


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "Free some space; nothing was written."
            raise DiskFullError("The disk is full", where=path, hint=hint) from error
        raise RequestError(
            f"It cannot be written: {error.strerror}", where=path, hint="Name a place that you may write to."
        ) from error
