"""Any images that a person has, in a folder or a zip, one after the other as uint8 RGB."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from palm_assets.errors import PhotoError, QualityError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}


@dataclass(frozen=True)
class ImageSet:
    """The images of a folder (with its subfolders) or of a zip, in the order of their names.

    Iterating reads them one at a time as uint8 RGB (3, H, W), each in its own size, so it can be
    handed to `features.extract` or `score_set` as it is, and again.

    Attributes:
        path: folder or zip.
        names: of the images, relative to it.
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
                yield decode(_read(self.path / name), self.path / name)
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
                yield decode(data, where)


def open_images(path: Path) -> ImageSet:
    """The images in a folder or zip; other files, and hidden ones, are passed over.

    Raises:
        QualityError: neither a folder nor a zip, or it holds no image.
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
            "There is no image in it", where=path, hint=f"Known endings: {', '.join(sorted(SUFFIXES))}"
        )
    return ImageSet(path, tuple(names))


def decode(data: bytes, where: Path | str) -> NDArray[np.uint8]:
    """Bytes of an image file to uint8 RGB (3, H, W): upright, transparency on white, 16-bit scaled down.

    Raises:
        PhotoError: not an image, truncated, or absurdly large.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16-bit grey: PIL's own conversion would clip it at 255
                image = Image.fromarray((np.asarray(image, np.uint32) >> 8).astype(np.uint8))
            if image.has_transparency_data:
                image = image.convert("RGBA")
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image)
            pixels = np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PhotoError(
            f"The image cannot be read: {error}", where=where, hint="Repair it or leave it out of the set"
        ) from error
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PhotoError(
            f"The image cannot be read: {error.strerror}", where=path, hint="Leave it out of the set"
        ) from error


def _is_image(name: PurePosixPath) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in name.parts)
    return name.suffix.lower() in SUFFIXES and not hidden
