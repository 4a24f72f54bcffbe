"""What the numbers of an image file mean: any pixel format as the 8-bit sRGB that a viewer shows."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

from PIL import Image

_SIXTEEN_BIT_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})
_WIDE_MODES = frozenset({"I", "F"})
# Floating-point images hold 0 to 1, a little more where highlights are kept, or integers of 8 or 16 bits.
_MAX_UNIT_RANGE = 2.0


def as_srgb(image: Image.Image) -> Image.Image:
    """The image in 8-bit sRGB.

    An embedded ICC profile is applied. Wide and floating-point values are scaled, palettes, CMYK, Lab and
    gray become RGB, and transparency is laid over white.
    """
    profile = image.info.get("icc_profile")
    if image.mode in _SIXTEEN_BIT_MODES | _WIDE_MODES:
        image = _eight_bit(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        color = _managed(layer.convert("RGB"), profile)
        color.putalpha(layer.getchannel("A"))
        paper = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(paper, color).convert("RGB")
    if image.mode in ("P", "1"):
        image = image.convert("RGB")
    if image.mode == "LAB":
        return _transformed(image, _lab_profile()).convert("RGB")
    return _managed(image, profile)


def is_srgb(profile: bytes | None) -> bool:
    """Whether an embedded profile leaves the numbers as they are: none, sRGB itself, or a damaged one."""
    if not profile:
        return True
    from PIL import ImageCms

    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return "srgb" in ImageCms.getProfileDescription(opened).lower()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return True


def scaled_to_eight_bits(values: Any) -> Any:
    """A numeric array as uint8: floats of 0 to 1, and integers of 8 or 16 bits, whatever its type."""
    import numpy as np

    kind = values.dtype
    values = np.nan_to_num(np.asarray(values, np.float64), posinf=0.0, neginf=0.0)
    highest = values.max(initial=0)
    if kind == np.uint16:
        scale = 255 / 65535
    elif kind == np.uint8:
        scale = 1.0
    elif kind.kind == "f" and highest <= _MAX_UNIT_RANGE:
        scale = 255.0
    else:  # 32-bit formats do not say what they hold: values above 255 must be of 16 bits
        scale = 255 / 65535 if highest > 255 else 1.0
    return np.clip(values * scale, 0, 255).round().astype(np.uint8)


def _eight_bit(image: Image.Image) -> Image.Image:
    import numpy as np

    values = np.asarray(image)
    if image.mode in _SIXTEEN_BIT_MODES:
        values = values.astype(np.uint16)
    return Image.fromarray(scaled_to_eight_bits(values))


def _managed(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB by way of the embedded profile; by Pillow's own rule if it is sRGB, damaged or of another mode."""
    if profile and not is_srgb(profile):
        from PIL import ImageCms

        try:
            return _transformed(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # viewers ignore it, too
    return image.convert("RGB")


def _transformed(image: Image.Image, profile: Any) -> Image.Image:
    from PIL import ImageCms

    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    shown = ImageCms.profileToProfile(image, profile, _srgb_profile(), intent, outputMode="RGB", flags=flags)
    assert shown is not None  # only an image that is changed in place gives None
    return shown


@lru_cache(maxsize=1)
def _srgb_profile() -> Any:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=1)
def _lab_profile() -> Any:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
