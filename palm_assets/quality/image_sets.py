"""Sets of images in a folder or a ZIP, read one at a time as uint8 RGB."""

from __future__ import annotations

import contextlib
import logging
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from palm_assets.errors import QualityError
from palm_assets.photos.archive import READ_ERRORS, image_members, read_member
from palm_assets.photos.candidates import find_candidates
from palm_assets.photos.formats import IMAGE_SUFFIXES
from palm_assets.photos.reader import decode_photo, read_photo
from palm_assets.sources.folders import reason_counts

log = logging.getLogger(__name__)


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
            for member in image_members(archive):
                data = read_member(archive, member)
                yield _channels_first(decode_photo(data, f"{self.path}: {member.filename}"))

    def png_heads(self, count: int) -> Iterator[bytes]:
        """The first `count` bytes of each PNG, for its metadata; files that cannot be read are skipped."""
        if self.path.is_dir():
            for name in self.names:
                with contextlib.suppress(OSError):
                    if name.lower().endswith(".png"):
                        with (self.path / name).open("rb") as file:
                            head = file.read(count)
                        yield head
            return
        with zipfile.ZipFile(self.path) as archive:
            for member in image_members(archive):
                with contextlib.suppress(*READ_ERRORS):
                    if member.filename.lower().endswith(".png"):
                        with archive.open(member) as packed:
                            head = packed.read(count)
                        yield head


def open_images(path: Path) -> ImageSet:
    """The images in a folder or ZIP; litter and other files are skipped, links are followed.

    Raises:
        QualityError: it is neither a folder nor a ZIP, or it contains no image.
    """
    if path.is_dir():
        candidates = find_candidates(path)
        names = candidates.images
        if candidates.set_aside:
            log.warning("Not used in %s: %s", path, reason_counts(candidates.set_aside))
    elif path.is_file() and zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                names = tuple(member.filename for member in image_members(archive))
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise QualityError(
                f"The zip is damaged: {error}", where=path, hint="Pack the images again"
            ) from error
    else:
        raise QualityError(
            "Expected a folder or a zip of images",
            where=path,
            hint="Give the path of a folder or of a zip file",
        )
    if not names:
        raise QualityError(
            "There is no image in it", where=path, hint=f"Known suffixes: {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return ImageSet(path, names)


def _channels_first(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) to (3, H, W)."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
