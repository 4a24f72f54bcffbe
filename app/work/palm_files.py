"""PNG files of single images: what they show, and what they are called."""

from __future__ import annotations

from palm_assets.gan.hand_labels import ANY_HAND, HandLabels
from palm_assets.generation.png_metadata import HEAD_BYTES, read_png_metadata


def read_labels(png: bytes) -> HandLabels:
    """What a generated image was made to show."""
    metadata = read_png_metadata(png[:HEAD_BYTES])
    return ANY_HAND if metadata is None else metadata.labels


def file_name(png: bytes, *numbers: int) -> str:
    """Name of the file of an image: a palm or a back, and numbers that tell it from others."""
    kind = "back" if read_labels(png).aspect == "back" else "palm"
    return "-".join([kind, *map(str, numbers)]) + ".png"
