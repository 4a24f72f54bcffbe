"""Marks images and files that leave the program, in the layers that the operator has left on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palm_assets.provenance.config import ProvenanceConfig, provenance_config
from palm_assets.provenance.xmp import xmp_packet


def mark_pixels(image: NDArray[np.uint8], config: ProvenanceConfig | None = None) -> NDArray[np.uint8]:
    """An image uint8 RGB (3, H, W) with the watermark, or as it is if that layer is off.

    Raises:
        ProvenanceError: the environment asks for an unknown layer.
    """
    config = config or provenance_config()
    if "watermark" not in config.layers:
        return image
    from palm_assets.provenance.watermark import watermarked

    return watermarked(image)


def packet_of(model: str, seed: int | None = None, config: ProvenanceConfig | None = None) -> str:
    """The XMP packet of a file, see `xmp_packet`; "" if that layer is off."""
    config = config or provenance_config()
    return xmp_packet(model, seed) if "xmp" in config.layers else ""


def sign_file(file: bytes, media_type: str, model: str, config: ProvenanceConfig | None = None) -> bytes:
    """A finished file with signed Content Credentials, or as it is if that layer is off.

    Args:
        file: its content; nothing in it may change afterwards.
        media_type: image/png, image/webp, video/mp4, ...
        model: version of the model that made it.
        config: from the environment by default.

    Raises:
        ProvenanceError: see `palm_assets.provenance.content_credentials.signed`.
    """
    config = config or provenance_config()
    if "c2pa" not in config.layers:
        return file
    from palm_assets.provenance.content_credentials import signed

    return signed(file, media_type, model, config)
