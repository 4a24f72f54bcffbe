"""Sets of images in a folder or a ZIP, read one at a time as uint8 RGB."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from palm_assets.errors import PhotoError, QualityError
from palm_assets.photos.reader import IMAGE_SUFFIXES, decode_photo, read_photo


@dataclass(frozen=True)
class ImageSet:
    """The images of a folder (with its subfolders) or of a ZIP, in the order of their names.

    Iteration reads them one at a time as uint8 RGB (3, H, W), each in its own size, and can be repeated: pass
    the set to `features.extract` or `evaluate_set` as it is.

    Attributes:
        path: folder or ZIP.
        names: of the images, relative to `path`.
    """

    path: Path
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Read the images.

        Raises:
            PhotoError: one cannot be read; the message names it.
        """
        if self.path.is_dir():
            for name in self.names:
                yield _channels_first(read_photo(self.path / name))
            return
        with zipfile.ZipFile(self.path) as archive:
            for name in self.names:
                where = f"{self.path}: {name}"
                try:
                    data = archive.read(name)
                except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
                    raise PhotoError(
                        f"The image cannot be unpacked: {error}", where=where, hint="Pack the images again"
                    ) from error
                yield _channels_first(decode_photo(data, where))

    def png_heads(self, count: int) -> Iterator[bytes]:
        """The first `count` bytes of each PNG, for its metadata; files that cannot be read are skipped."""
        names = [name for name in self.names if name.lower().endswith(".png")]
        with contextlib.ExitStack() as stack:
            archive = None if self.path.is_dir() else stack.enter_context(zipfile.ZipFile(self.path))
            for name in names:
                with contextlib.suppress(OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError):
                    with (self.path / name).open("rb") if archive is None else archive.open(name) as file:
                        head = file.read(count)
                    yield head


def open_images(path: Path) -> ImageSet:
    """The images in a folder or ZIP; other files and hidden files are skipped.

    Raises:
        QualityError: it is neither a folder nor a ZIP, or it contains no image.
    """
    if path.is_dir():
        found = [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()]
    elif path.is_file() and zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                found = [info.filename for info in archive.infolist() if not info.is_dir()]
        except zipfile.BadZipFile as error:
            raise QualityError(
                f"The zip is damaged: {error}", where=path, hint="Pack the images again"
            ) from error
    else:
        raise QualityError(
            "Expected a folder or a zip of images",
            where=path,
            hint="Give the path of a folder or of a zip file",
        )
    names = sorted(name for name in found if _is_image(PurePosixPath(name)))
    if not names:
        raise QualityError(
            "There is no image in it", where=path, hint=f"Known suffixes: {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return ImageSet(path, tuple(names))


def _channels_first(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) to (3, H, W)."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _is_image(name: PurePosixPath) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in name.parts)
    return name.suffix.lower() in IMAGE_SUFFIXES and not hidden
