"""Images in NumPy's files, as other programs write them: one array of uint8 images in an NPY or NPZ file."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from palm_assets.errors import QualityError
from palm_assets.photos.archive import READ_ERRORS

ARRAY_SUFFIXES = (".npy", ".npz")
MAX_COMPRESSION = 1032  # of Deflate
_DAMAGED_HINT = "Write the array again, with numpy.save or numpy.savez."


@dataclass(frozen=True)
class ImageArray:
    """An array of images in a file, of which nothing but its header has been read.

    Attributes:
        path: NPY or NPZ file.
        member: name of the array in an NPZ; "" for an NPY.
        shape: (N, H, W, C), (N, C, H, W) or (N, H, W) with C = 1 or 3.
        channels_first: whether it is (N, C, H, W).
    """

    path: Path
    member: str
    shape: tuple[int, ...]
    channels_first: bool

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each image: its number, from 0."""
        return tuple(str(number) for number in range(self.shape[0]))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of every image."""
        height, width = self.shape[2:4] if self.channels_first else self.shape[1:3]
        return width, height

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Read the images one at a time, uint8 RGB (3, H, W).

        Raises:
            QualityError: the file is damaged or too short.
        """
        one = int(np.prod(self.shape[1:]))
        with _opened(self.path, self.member) as stream:
            _read_header(stream)
            for number in range(self.shape[0]):
                data = _read(stream, one)
                if len(data) < one:
                    raise _damaged(self.path, f"it ends after {number} of {self.shape[0]} images")
                image = np.frombuffer(data, np.uint8).reshape(self.shape[1:])
                if image.ndim == 2:
                    image = image[None]
                elif not self.channels_first:
                    image = image.transpose(2, 0, 1)
                yield np.ascontiguousarray(np.broadcast_to(image, (3, *image.shape[1:])))


def open_image_array(path: Path) -> ImageArray:
    """The images of an NPY file, or of an NPZ with one array of images.

    Raises:
        QualityError: it is damaged, or holds no array of uint8 images, or several; the message says what it
            holds.
    """
    if path.suffix.lower() == ".npy":
        return _image_array(path, "")
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
    except READ_ERRORS as error:
        raise _damaged(path, error) from error
    found = [name for name in members if len(array_header(path, name)[0]) >= 3]
    if len(found) != 1:
        held = ", ".join(name.removesuffix(".npy") for name in members[:8]) or "nothing"
        raise QualityError(
            f"The file holds {len(found)} arrays of images, not one: {held}",
            where=path,
            hint="Save one array uint8 (N, H, W, 3). Statistics (mu, sigma) are what `--against` takes.",
        )
    return _image_array(path, found[0])


def _image_array(path: Path, member: str) -> ImageArray:
    shape, order, dtype = array_header(path, member)
    if dtype != np.uint8:
        raise QualityError(
            f"The array is {dtype}, not uint8, so it does not say what is black and what is white",
            where=path,
            hint="Convert it: (x * 255).round().astype('uint8') for [0, 1], ((x + 1) * 127.5).round()"
            ".astype('uint8') for [-1, 1].",
        )
    if order or len(shape) not in (3, 4) or min(shape) < 1:
        raise _no_images(path, shape)
    if shape[0] > MAX_COMPRESSION * path.stat().st_size:  # before a name is made for each
        raise _damaged(path, f"it claims to hold {shape[0]} images")
    if len(shape) == 3:
        if shape[2] <= 4:  # or its rows would be taken for images
            raise QualityError(
                f"An array of shape {shape} is one image, not a set of images",
                where=path,
                hint="Save it as (N, H, W, 3), with the number of images first.",
            )
        return ImageArray(path, member, shape, channels_first=False)
    last, first = shape[3] in (1, 3), shape[1] in (1, 3)
    if last == first:  # neither, or it could be read either way
        raise _no_images(path, shape)
    return ImageArray(path, member, shape, channels_first=first)


def _no_images(path: Path, shape: tuple[int, ...]) -> QualityError:
    return QualityError(
        f"An array of shape {shape} is no set of images",
        where=path,
        hint="Save it in C order as (N, H, W, 3), (N, 3, H, W) or (N, H, W).",
    )


@contextlib.contextmanager
def _opened(path: Path, member: str) -> Iterator[IO[bytes]]:
    """The content of an NPY file, or of one member of an NPZ."""
    try:
        with contextlib.ExitStack() as stack:
            if member:
                yield stack.enter_context(stack.enter_context(zipfile.ZipFile(path)).open(member))
            else:
                yield stack.enter_context(path.open("rb"))
    except READ_ERRORS as error:
        raise _damaged(path, error) from error


def array_header(path: Path, member: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the order is Fortran's, and type of an array in an NPY or NPZ file, which is not read.

    Raises:
        QualityError: the file is damaged.
    """
    with _opened(path, member) as stream:
        return _read_header(stream)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the order is Fortran's, and type.

    Raises:
        ValueError: it is no such header.
    """
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(stream)
    except Exception as error:  # numpy parses the header as Python, whose parser raises nearly any exception
        raise ValueError(f"the header of the array cannot be read: {error}") from error
    raise ValueError(f"NPY version {version} is not known")


def _read(stream: IO[bytes], count: int) -> bytes:
    """The next bytes; fewer at the end, and no more memory than there are."""
    parts, left = [], count
    while left and (part := stream.read(min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _damaged(path: Path, cause: object) -> QualityError:
    reason = (str(cause).splitlines() or [type(cause).__name__])[0]
    return QualityError(f"The file is damaged: {reason}", where=path, hint=_DAMAGED_HINT)
