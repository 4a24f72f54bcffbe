"""One photograph, read safely into RGB: the only door through which image files enter."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from palm_assets.errors import PhotoError

if TYPE_CHECKING:
    import numpy as np

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}
)
MAX_MEGAPIXELS = 64.0
HINT = "Replace the file or leave it out."
SIXTEEN_BIT_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})
WIDE_MODES = frozenset({"I", "F"})
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


def read_photo(path: Path, *, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """Decode a photograph as a viewer would show it; see `decode_photo`.

    Raises:
        PhotoError: gone, or what `decode_photo` refuses.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise PhotoError("the file is gone", where=path, hint=HINT) from None
    except OSError as error:
        raise PhotoError(f"the file cannot be read: {error.strerror}", where=path, hint=HINT) from error
    return decode_photo(data, path, max_megapixels=max_megapixels)


def decode_photo(data: bytes, where: Path | str, *, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """Decode the bytes of an image file as a viewer would show it.

    EXIF rotation is applied, CMYK, palette and grey images become RGB, 16-bit ones are scaled to 8 bits, and
    transparency is laid over white. Of a file with several views or pages the first is read.

    Args:
        data: the file's content.
        where: its path or name, for messages.
        max_megapixels: larger pictures are refused.

    Returns:
        uint8 RGB, (H, W, 3).

    Raises:
        PhotoError: empty, truncated, not an image, animated, or larger than `max_megapixels` million pixels.
    """
    import numpy as np  # a third of a second, which Dagster's start must not wait for

    def refuse(why: str) -> PhotoError:
        return PhotoError(why, where=where, hint=HINT)

    if not data:
        raise refuse("empty file")
    try:
        with warnings.catch_warnings():
            # Pillow warns about large pictures before we can say so in our words.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > max_megapixels * 1e6:
                    raise refuse(f"too large: {image.width}x{image.height} pixels")
                if image.format in ANIMATED_FORMATS and getattr(image, "is_animated", False):
                    raise refuse("animated, not a photograph")
                return np.asarray(_as_rgb(_upright(image)))
    except PhotoError:
        raise
    except (UnidentifiedImageError, ImportError):  # Ultralytics makes Pillow look for one more decoder
        raise refuse("not an image") from None
    except Image.DecompressionBombError:
        raise refuse("too large to be a photograph") from None
    except Exception as error:  # Pillow reports damage by nearly any exception, depending on the format
        raise refuse(f"damaged: {error}") from error


def _upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says; Pillow's own function stumbles over damage in other EXIF fields."""
    image.load()  # turns a TIFF by itself
    turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode in SIXTEEN_BIT_MODES | WIDE_MODES:
        import numpy as np

        values = np.asarray(image).astype(np.float64)
        # 32-bit modes do not say what they hold: numbers above 255 must be of 16 bits.
        scale = 255 / 65535 if image.mode in SIXTEEN_BIT_MODES or values.max(initial=0) > 255 else 1
        return Image.fromarray(np.clip(values * scale, 0, 255).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(paper, layer).convert("RGB")
    return image.convert("RGB")
