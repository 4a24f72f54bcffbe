"""Which part of a photo is cropped, for any photo, palm and margin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm_assets.crops.config import CropConfig
from palm_assets.crops.cropping import resized
from palm_assets.crops.geometry import Box, crop_box


def _numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


@st.composite
def palms(draw: st.DrawFn) -> tuple[Box, int, int]:
    """A palm of some area inside a photo."""
    width, height = draw(st.integers(2, 4000)), draw(st.integers(2, 4000))
    left, top = draw(_numbers(0, width - 1)), draw(_numbers(0, height - 1))
    right, bottom = draw(_numbers(left + 0.5, width)), draw(_numbers(top + 0.5, height))
    return (left, top, right, bottom), width, height


CONFIGS = st.builds(
    CropConfig,
    margin=_numbers(0, 2),
    margin_of=st.sampled_from(["box", "photo"]),
    shape=st.sampled_from(["square", "stretch"]),
)


@given(palms(), CONFIGS)
def test_a_crop_lies_inside_the_photo_and_has_area(palm: tuple[Box, int, int], config: CropConfig) -> None:
    box, width, height = palm
    left, top, right, bottom = crop_box(box, width, height, config)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@given(palms(), CONFIGS)
def test_a_square_crop_is_square(palm: tuple[Box, int, int], config: CropConfig) -> None:
    config = config.model_copy(update={"shape": "square"})
    left, top, right, bottom = crop_box(*palm, config)
    assert right - left == pytest.approx(bottom - top, abs=1e-6)


@given(palms(), CONFIGS)
def test_a_crop_contains_the_palm_unless_it_must_be_a_square_and_the_photo_is_too_small(
    palm: tuple[Box, int, int], config: CropConfig
) -> None:
    box, width, height = palm
    left, top, right, bottom = crop_box(box, width, height, config)
    longer = max(box[2] - box[0], box[3] - box[1])
    if config.shape == "stretch" or longer <= min(width, height):
        assert left <= box[0] + 1e-6
        assert top <= box[1] + 1e-6
        assert right >= box[2] - 1e-6
        assert bottom >= box[3] - 1e-6
    else:
        assert right - left == pytest.approx(min(width, height))


@given(palms(), CONFIGS)
def test_where_the_photo_has_room_the_crop_is_centered_on_the_palm_and_has_the_margin_on_every_side(
    palm: tuple[Box, int, int], config: CropConfig
) -> None:
    box, width, height = palm
    left, top, right, bottom = crop_box(box, width, height, config)
    if left > 0 and right < width and top > 0 and bottom < height:
        assert (left + right) / 2 == pytest.approx((box[0] + box[2]) / 2, abs=1e-6)
        assert (top + bottom) / 2 == pytest.approx((box[1] + box[3]) / 2, abs=1e-6)
        of_box = config.margin_of == "box"
        wide = (box[2] - box[0]) + 2 * config.margin * (box[2] - box[0] if of_box else width)
        high = (box[3] - box[1]) + 2 * config.margin * (box[3] - box[1] if of_box else height)
        if config.shape == "square":
            wide = high = min(max(wide, high), width, height)
        assert (right - left, bottom - top) == pytest.approx((wide, high), abs=1e-6)


def test_the_published_crop_is_the_box_grown_by_a_fifth_of_the_photo_and_clipped() -> None:
    config = CropConfig(margin=0.2, margin_of="photo", shape="stretch")
    assert crop_box((200, 150, 300, 250), 640, 480, config) == pytest.approx((72, 54, 428, 346))
    assert crop_box((10, 150, 600, 250), 640, 480, config) == pytest.approx((0, 54, 640, 346))


@settings(max_examples=60, deadline=None)
@given(palms(), CONFIGS, st.sampled_from([16, 64]))
def test_every_crop_can_be_made(palm: tuple[Box, int, int], config: CropConfig, size: int) -> None:
    box, width, height = palm
    crop = crop_box(box, width, height, config)
    assert resized(np.full((height, width, 3), 77, np.uint8), crop, size).shape == (3, size, size)
