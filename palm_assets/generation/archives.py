"""Sets of generated images as ZIPs and folders: PNGs and a manifest.

The same images give the same pixels, text chunks and manifest; only signatures differ. A file or folder
appears only once it is complete.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from palm_assets.errors import RequestError
from palm_assets.gan.hand_labels import LABELS
from palm_assets.generation.generate import GeneratedImage
from palm_assets.generation.png_metadata import png_bytes
from palm_assets.provenance.config import DIGITAL_SOURCE_TYPE
from palm_assets.sources.folders import is_disposable
from palm_assets.store.atomic import FILE_MODE, refuse_special_file
from palm_assets.store.os_errors import typed_write_errors

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

MANIFEST_NAME = "manifest.csv"
MANIFEST_HEAD = (
    *("file", "index", "seed", "score", "model", "truncation", "min_score", *LABELS),
    *("ai_generated", "digital_source_type"),
)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a ZIP can hold
_OWN_FILE = re.compile(r"(palm|back)_\d{6,}\.png|manifest\.csv")


def zip_into(stream: BinaryIO, images: Iterable[GeneratedImage], model: PalmModel) -> int:
    """Write a ZIP of PNGs and a manifest into a binary stream; return the number of images."""
    with PalmArchive(stream, model) as archive:
        for image in images:
            archive.add(image)
    return archive.count


class PalmArchive:
    """A ZIP of PNGs and a manifest, written image by image; valid once its `with` block has ended normally.

    PNGs are compressed already, so they are stored without compression.
    """

    def __init__(self, stream: BinaryIO, model: PalmModel) -> None:
        self._zip = zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED)
        self._model = model
        self._rows: list[tuple[object, ...]] = []

    @property
    def count(self) -> int:
        """Number of images so far."""
        return len(self._rows)

    def add(self, image: GeneratedImage) -> bytes:
        """Append one image; return its PNG."""
        png = png_bytes(image, self._model.version)
        self._zip.writestr(_entry(image.file_name), png)
        self._rows.append(_row(image, self._model))
        return png

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self._zip.writestr(_entry(MANIFEST_NAME), _manifest(self._rows))
        self._zip.close()


def write_zip(path: Path, images: Iterable[GeneratedImage], model: PalmModel) -> int:
    """Write a ZIP of PNGs and a manifest; return the number of images.

    A file of that name is replaced once the new one is complete; of a link, the file that it leads to.

    Raises:
        DiskFullError: no space left.
        RequestError: there are no images, or the path cannot be written, or is a device or the like.
    """
    with _write_errors(path):
        path = Path(os.path.realpath(path))
        refuse_special_file(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                count = zip_into(stream, images, model)
            _refuse_empty(path, count)
            Path(beside).chmod(path.stat().st_mode & 0o777 if path.is_file() else FILE_MODE)
            Path(beside).replace(path)
        finally:
            Path(beside).unlink(missing_ok=True)
    return count


def write_folder(path: Path, images: Iterable[GeneratedImage], model: PalmModel) -> int:
    """Write PNGs and a manifest into a folder, which appears once complete; return the number of images.

    An earlier folder of generated images is replaced, and is back if that fails; a folder with any other file
    is refused. Of a link, the folder that it leads to is meant. In the current folder, and where a file
    system is mounted, the files are replaced one by one.

    Raises:
        DiskFullError: no space left.
        RequestError: there are no images, or the path cannot be written, or holds other files.
    """
    _refuse_foreign(path)
    with _write_errors(path):
        path = Path(os.path.realpath(path))
        stays = path.is_dir() and (path == Path.cwd() or path.is_mount())
        (path if stays else path.parent).mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path if stays else path.parent))
        try:
            rows = []
            fresh, old = beside / "new", beside / "old"
            fresh.mkdir()
            for image in images:
                (fresh / image.file_name).write_bytes(png_bytes(image, model.version))
                rows.append(_row(image, model))
            _refuse_empty(path, len(rows))
            (fresh / MANIFEST_NAME).write_bytes(_manifest(rows))
            if stays:
                _replace_files(path, fresh)
            else:
                _replace_folder(path, fresh, old)
        finally:
            if not old.exists() or path.exists():  # else the earlier images stay there
                shutil.rmtree(beside, ignore_errors=True)
    return len(rows)


def _replace_files(path: Path, fresh: Path) -> None:
    """Remove the earlier images from `path`, and move those of `fresh` there, the manifest last."""
    for entry in path.iterdir():
        if _OWN_FILE.fullmatch(entry.name):
            entry.unlink()
    for entry in sorted(fresh.iterdir(), key=lambda entry: entry.name == MANIFEST_NAME):
        entry.rename(path / entry.name)


def _replace_folder(path: Path, fresh: Path, old: Path) -> None:
    """Rename `fresh` to `path`; what was there becomes `old`, and comes back if that fails."""
    if path.exists():
        path.rename(old)
    try:
        fresh.rename(path)
    except BaseException:
        if old.exists():
            old.rename(path)
        raise


def _row(image: GeneratedImage, model: PalmModel) -> tuple[object, ...]:
    score, truncation = f"{image.score:.4f}", f"{image.truncation:g}"
    min_score = "" if image.min_score is None else f"{image.min_score:g}"
    labels = (image.labels.known.get(name, "") for name in LABELS)
    marks = "true", DIGITAL_SOURCE_TYPE  # whichever layers are on
    return (
        *(image.file_name, image.index, image.seed, score, model.version, truncation, min_score),
        *labels,
        *marks,
    )


def _manifest(rows: list[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([MANIFEST_HEAD, *rows])
    return text.getvalue().encode()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = 3  # Unix, wherever it is written
    entry.external_attr = 0o644 << 16
    return entry


def _refuse_empty(path: Path, count: int) -> None:
    if count == 0:
        raise RequestError("There are no images to write", where=path, hint="Ask for a lower minimum score.")


def _refuse_foreign(path: Path) -> None:
    if path.is_dir():
        names = [
            entry.name for entry in path.iterdir() if not (entry.is_file() and is_disposable(entry.name))
        ]
        foreign = next((name for name in names if not _OWN_FILE.fullmatch(name)), None)
        if foreign is not None:
            raise RequestError(f"The folder also holds {foreign}", where=path, hint="Name another folder.")
    elif path.exists():
        raise RequestError("There is a file of that name", where=path, hint="Name another.")


def _write_errors(path: Path) -> contextlib.AbstractContextManager[None]:
    return typed_write_errors(
        path,
        RequestError,
        "Cannot write",
        hint="Choose a path that you may write to.",
        full_hint="Free some space; nothing was written.",
        only_writes=True,
    )
