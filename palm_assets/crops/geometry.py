"""The region of a photo that is cropped for a palm's box."""

from __future__ import annotations

from palm_assets.crops.config import CropConfig

Box = tuple[float, float, float, float]


def crop_box(palm: Box, width: int, height: int, config: CropConfig) -> Box:
    """The region to crop from a `width` x `height` photo: (left, top, right, bottom) in pixels, inside it.

    The palm's box (left, top, right, bottom) is extended by the margin. A square region has the longer side,
    is centered on the palm where the photo has room, and is shifted inside where it has not.
    """
    left, top, right, bottom = palm
    unit_x, unit_y = (right - left, bottom - top) if config.margin_of == "box" else (width, height)
    left, right = left - config.margin * unit_x, right + config.margin * unit_x
    top, bottom = top - config.margin * unit_y, bottom + config.margin * unit_y
    if config.shape == "square":
        side = min(max(right - left, bottom - top), width, height)
        left = min(max((left + right - side) / 2, 0), width - side)
        top = min(max((top + bottom - side) / 2, 0), height - side)
        return left, top, left + side, top + side
    return max(left, 0), max(top, 0), min(right, width), min(bottom, height)
