"""Sets of images in a folder, a ZIP or a NumPy file, read one at a time as uint8 RGB."""

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
from palm_assets.photos.archive import READ_ERRORS, image_members, read_member, unused_members
from palm_assets.photos.candidates import find_candidates
from palm_assets.photos.formats import IMAGE_SUFFIXES
from palm_assets.photos.reader import MAX_MEGAPIXELS, decode_photo, read_photo
from palm_assets.quality.image_arrays import ARRAY_SUFFIXES, ImageArray, open_image_array
from palm_assets.sources.folders import SetAside, reason_counts
from palm_assets.sources.unpack import is_zip

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageSet:
    """The images of a folder (with its subfolders), a ZIP, or an array in an NPY or NPZ, in order.

    Iteration reads them one at a time as uint8 RGB (3, H, W), each in its own size, and can be repeated: pass
    the set to `features.extract` or `evaluate_set` as it is.

    Attributes:
        path: folder or file.
        names: of the images, relative to `path`; numbers in an array.
        max_megapixels: larger images are refused.
        array: where the images of an NPY or NPZ are; None for a folder or ZIP.
    """

    path: Path
    names: tuple[str, ...]
    max_megapixels: float = MAX_MEGAPIXELS
    array: ImageArray | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Read the images.

        Raises:
            PhotoError: one cannot be read, or is too large; the message names it.
            QualityError: the array is damaged.
        """
        if self.array is not None:
            yield from self.array
        elif self.path.is_dir():
            for name in self.names:
                yield _channels_first(read_photo(self.path / name, max_megapixels=self.max_megapixels))
        else:
            with zipfile.ZipFile(self.path) as archive:
                for member in image_members(archive):
                    data, where = read_member(archive, member), f"{self.path}: {member.filename}"
                    yield _channels_first(decode_photo(data, where, max_megapixels=self.max_megapixels))

    def png_heads(self, count: int) -> Iterator[bytes]:
        """The first `count` bytes of each PNG, for its metadata; files that cannot be read are skipped."""
        if self.array is not None:
            return
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


def open_images(path: Path, *, max_megapixels: float = MAX_MEGAPIXELS) -> ImageSet:
    """The images in a folder, a ZIP, or an NPY or NPZ array (see `image_arrays`).

    Litter and other files are skipped, links are followed.

    Args:
        path: folder or file.
        max_megapixels: larger images are refused when they are read; those of an array at once.

    Raises:
        QualityError: it is none of these, it is damaged, or it contains no image.
    """
    array = None
    unused: tuple[SetAside, ...] = ()
    if path.is_dir():
        candidates = find_candidates(path)
        names, unused = candidates.images, candidates.set_aside
    elif path.is_file() and path.suffix.lower() in ARRAY_SUFFIXES:
        array = open_image_array(path)
        width, height = array.size
        if width * height > max_megapixels * 1e6:
            raise QualityError(
                f"The images are too large: {width}x{height} pixels, max_megapixels is {max_megapixels:g}",
                where=path,
                hint="Scale them down, or raise max_megapixels.",
            )
        names = array.names
    elif path.is_file() and is_zip(path):
        try:
            with zipfile.ZipFile(path) as archive:
                names = tuple(member.filename for member in image_members(archive))
                unused = tuple(unused_members(archive))
        except READ_ERRORS as error:
            raise QualityError(
                f"The zip is damaged: {error}", where=path, hint="Pack the images again"
            ) from error
    else:
        raise QualityError(
            "Expected a folder or a zip of images, or an array of images (.npy, .npz)",
            where=path,
            hint="Give the path of a folder or of such a file",
        )
    if unused:
        log.warning("Not used in %s: %s", path, reason_counts(unused))
    if not names:
        raise QualityError(
            "There is no image in it", where=path, hint=f"Known suffixes: {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return ImageSet(path, names, max_megapixels, array)


def _channels_first(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) to (3, H, W)."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
