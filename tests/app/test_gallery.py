from __future__ import annotations

import pytest

from app.ui.gallery import display_size
from app.work.gallery import page_count, page_entries, sort_entries
from app.work.palm_sets import Entry


@pytest.mark.parametrize(
    ("image_size", "wanted", "side"),
    [(16, 150, 144), (32, 150, 160), (64, 150, 128), (128, 150, 128), (256, 150, 150), (64, 100, 128)],
)
def test_a_pixel_of_a_palm_becomes_a_whole_number_of_pixels_of_the_screen(
    image_size: int, wanted: int, side: int
) -> None:
    assert display_size(image_size, wanted) == side
    assert side % image_size == 0 or image_size > wanted  # what is too large is shown smaller


def entries(*scores: float) -> list[Entry]:
    return [Entry(i + 1, i, f"{i}", score) for i, score in enumerate(scores)]


def test_sorting_by_score_puts_the_best_first_and_keeps_equals_in_order() -> None:
    some = entries(0.2, 0.9, 0.2, 0.5)
    assert [entry.number for entry in sort_entries(some, "score")] == [2, 4, 1, 3]
    assert [entry.number for entry in sort_entries(sort_entries(some, "score"), "number")] == [1, 2, 3, 4]


def test_pages_cover_every_palm_once() -> None:
    some = entries(*[0.5] * 50)
    pages = [page_entries(some, page, 24) for page in range(1, page_count(50, 24) + 1)]
    assert [len(page) for page in pages] == [24, 24, 2]
    assert [entry for page in pages for entry in page] == some


def test_a_page_out_of_range_becomes_the_nearest() -> None:
    some = entries(*[0.5] * 30)
    assert page_entries(some, 0, 24) == page_entries(some, 1, 24)
    assert page_entries(some, 99, 24) == page_entries(some, 2, 24)
    assert page_count(0, 24) == 1
