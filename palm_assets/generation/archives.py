"""Palms as files: PNGs that say where they come from, and ZIPs and folders of them.

The same palms give the same bytes, and a file or folder appears only once it is whole.
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
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from palm_assets import __version__
from palm_assets.errors import DiskFullError, RequestError
from palm_assets.generation.generate import Palm
from palm_assets.quality.image_sets import MIN_SCORE_TEXT

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

MANIFEST_NAME = "manifest.csv"
MANIFEST_HEAD = ("file", "index", "seed", "score", "model", "truncation", "min_score")
SOFTWARE = f"palms {__version__}"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a ZIP can hold
_OURS = re.compile(r"palm_\d{6,}\.png|manifest\.csv")


def png_bytes(palm: Palm, model: PalmModel, *, steps: Sequence[int] = ()) -> bytes:
    """The palm as a PNG whose text chunks say where it comes from, so that it can be made again.

    `steps` are those that were taken away from the palm of this seed and index, if any.
    """
    origin = PngInfo()
    for key, value in (
        ("Software", SOFTWARE),
        ("palms:seed", palm.seed),
        ("palms:index", palm.index),
        ("palms:model", model.version),
        ("palms:score", f"{palm.score:.4f}"),
        ("palms:truncation", f"{palm.truncation:g}"),
        *([("palms:steps", ".".join(map(str, steps)))] if steps else []),
    ):
        origin.add_text(key, str(value))
    if palm.min_score is not None:  # whoever measures such a set has to know that it was chosen
        origin.add_text(MIN_SCORE_TEXT, f"{palm.min_score:g}")
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
    least = "" if palm.min_score is None else f"{palm.min_score:g}"
    return palm.file_name, palm.index, palm.seed, score, model.version, truncation, least


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
