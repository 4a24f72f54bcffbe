from __future__ import annotations

import pytest

from app.look import scaled


@pytest.mark.parametrize(
    ("image_size", "about", "side"),
    [(16, 150, 144), (32, 150, 160), (64, 150, 128), (128, 150, 128), (256, 150, 150), (64, 100, 128)],
)
def test_a_pixel_of_a_palm_becomes_a_whole_number_of_pixels_of_the_screen(
    image_size: int, about: int, side: int
) -> None:
    assert scaled(image_size, about) == side
    assert side % image_size == 0 or image_size > about  # what is too large is shown smaller
