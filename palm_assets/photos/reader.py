"""Reads one photograph into 8-bit sRGB: every image file enters through this module."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image, UnidentifiedImageError

from palm_assets.errors import PhotoError
from palm_assets.photos.color import as_srgb, is_srgb, scaled_to_eight_bits
from palm_assets.photos.formats import is_heif

if TYPE_CHECKING:
    import numpy as np

MAX_MEGAPIXELS = 64.0
HINT = "Replace the file or leave it out."
# No others: Pillow's decoder of EPS, for one, runs another program.
FORMATS = (
    "JPEG", "PNG", "BMP", "DIB", "WEBP", "TIFF", "GIF", "PPM", "AVIF", "JPEG2000", "TGA"
)  # fmt: skip
ANIMATED_FORMATS = frozenset({"GIF", "PNG", "WEBP", "AVIF"})  # not MPO: phones store a second view in a JPEG
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TIFF_SIGNATURES = (b"II*\x00", b"MM\x00*")
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_PLAIN_FORMATS = frozenset({"JPEG", "MPO", "PNG", "BMP"})
_size_limit_lock = threading.Lock()


@dataclass(frozen=True)
class Decoded:
    """A photograph as a viewer shows it.

    Attributes:
        pixels: uint8 sRGB, (H, W, 3).
        plain: any decoder gives these pixels: 8-bit RGB or gray in JPEG, PNG or BMP, opaque and in sRGB.
    """

    pixels: np.ndarray
    plain: bool


def read_photo(path: Path, *, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """Pixels of an image file, uint8 sRGB (H, W, 3); see `decode`.

    Raises:
        PhotoError: the file cannot be read, or `decode` refuses it.
    """
    return read(path, max_megapixels=max_megapixels).pixels


def read(path: Path, *, max_megapixels: float = MAX_MEGAPIXELS) -> Decoded:
    """Decode an image file; see `decode`.

    Raises:
        PhotoError: the file cannot be read, or `decode` refuses it.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise PhotoError("the file is gone", where=path, hint=HINT) from None
    except OSError as error:
        raise PhotoError(f"the file cannot be read: {error.strerror}", where=path, hint=HINT) from error
    return decode(data, path, max_megapixels=max_megapixels)


def decode_photo(data: bytes, where: Path | str, *, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """Pixels of an image in memory, uint8 sRGB (H, W, 3); see `decode`."""
    return decode(data, where, max_megapixels=max_megapixels).pixels


def decode(data: bytes, where: Path | str, *, max_megapixels: float = MAX_MEGAPIXELS) -> Decoded:
    """Decode the bytes of an image file into what a viewer shows.

    EXIF rotation and the embedded ICC profile are applied; CMYK, palette, gray, 16-bit and floating-point
    images become 8-bit RGB, and transparency is laid over white. The first of several views or pages counts.

    Args:
        data: the file's content.
        where: its path or name, for messages.
        max_megapixels: larger images are refused.

    Raises:
        PhotoError: empty, truncated, not an image, animated, or larger than `max_megapixels` million pixels.
    """
    import numpy as np  # takes a third of a second, which Dagster's start must not wait for

    def refuse(why: str) -> PhotoError:
        return PhotoError(why, where=where, hint=HINT)

    def check_size(width: int, height: int) -> None:
        if width * height > max_megapixels * 1e6:
            what = f"too large: {width}x{height} pixels, max_megapixels is {max_megapixels:g}"
            raise PhotoError(what, where=where, hint="Scale it down, or raise max_megapixels.")

    if not data:
        raise refuse("empty file")
    try:
        with open_image(io.BytesIO(data), data, max_megapixels=max_megapixels) as image:
            check_size(*image.size)
            if image.format in ANIMATED_FORMATS and getattr(image, "is_animated", False):
                raise refuse("animated, not a photograph")
            upright = _upright(image)
            return Decoded(np.asarray(as_srgb(upright)), _is_plain(image))
    except PhotoError:
        raise
    except Image.DecompressionBombError as error:
        what = f"too large: a frame exceeds the image, max_megapixels is {max_megapixels:g}"
        raise PhotoError(what, where=where, hint="Scale it down, or raise max_megapixels.") from error
    except (UnidentifiedImageError, ImportError):  # Ultralytics makes Pillow look for one more decoder
        if data.startswith(_TIFF_SIGNATURES) and (size := _tiff_size(data)) is not None:
            check_size(*size)
            pixels = _tiff_pixels(data)
            if pixels is not None:
                return Decoded(pixels, plain=False)
        raise refuse("not an image") from None
    except Exception as error:  # Pillow reports damage by nearly any exception, depending on the format
        raise refuse(f"damaged: {error}") from error


def open_image(stream: BinaryIO, head: bytes, *, max_megapixels: float) -> Image.Image:
    """An image with only its header read, of any size: Pillow's own limit, which all threads share, is off.

    Except for GIF, of which Pillow makes the first frame meanwhile: it may be larger than the image.

    Args:
        stream: the file, at its start.
        head: its first bytes.
        max_megapixels: of the first frame of a GIF; Pillow refuses twice as many.

    Raises:
        DecompressionBombError: the first frame of a GIF is larger.
        Exception: nearly any, if the file is damaged or no image.
    """
    formats: tuple[str, ...] = FORMATS
    if is_heif(head):
        _register_heif()
        formats = ("HEIF",)
    ours = max(int(max_megapixels * 1e6), 1) if head.startswith(b"GIF") else None
    with _size_limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, ours
        try:
            return Image.open(stream, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@lru_cache(maxsize=1)
def _register_heif() -> None:
    from pillow_heif import register_heif_opener  # takes a third of a second

    register_heif_opener()


def _upright(image: Image.Image) -> Image.Image:
    """Rotated as EXIF says; Pillow's own function fails on damage in other EXIF fields."""
    image.load()  # rotates a TIFF by itself
    transpose = UPRIGHT.get(_orientation(image))
    return image if transpose is None else image.transpose(transpose)


def _orientation(image: Image.Image) -> int:
    """EXIF's number; 1, which is upright, where there is none or the EXIF is damaged."""
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow reports damage by nearly any exception; the pixels need not be damaged
        return 1
    return found if isinstance(found, int) else 1


def _is_plain(image: Image.Image) -> bool:
    if image.format not in _PLAIN_FORMATS or image.mode not in ("RGB", "L") or image.has_transparency_data:
        return False
    # Every decoder rotates a JPEG by its EXIF, not every one a PNG.
    upright = image.format in ("JPEG", "MPO") or _orientation(image) == 1
    return upright and is_srgb(image.info.get("icc_profile"))


def _tiff_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a TIFF whose pixel format Pillow does not know; None if they cannot be read."""
    from PIL import TiffImagePlugin

    try:
        stream = io.BytesIO(data)
        directory = TiffImagePlugin.ImageFileDirectory_v2(stream.read(8))
        stream.seek(directory.next)
        directory.load(stream)
        return int(directory[_TIFF_WIDTH]), int(directory[_TIFF_HEIGHT])
    except Exception:  # damage, reported by nearly any exception
        return None


def _tiff_pixels(data: bytes) -> np.ndarray | None:
    """Pixels of a TIFF by OpenCV, which knows floating-point color; None if it cannot read them, either."""
    import cv2
    import numpy as np

    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if values is None or values.ndim != 3 or values.shape[2] not in (3, 4):
        return None
    return np.ascontiguousarray(scaled_to_eight_bits(values)[:, :, 2::-1])  # OpenCV's order is BGR
