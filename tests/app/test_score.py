from __future__ import annotations

import pytest

from app.i18n.words import Words
from app.ui.score import score_word
from app.work.score import Band, band


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0, "low"),
        (0.194, "low"),
        (0.196, "middle"),
        (0.2, "middle"),
        (0.494, "middle"),
        (0.5, "high"),
        (1, "high"),
    ],
)
def test_the_band_is_that_of_the_number_as_it_is_shown(score: float, expected: Band) -> None:
    assert band(score) == expected


def test_only_a_calibrated_score_has_a_word() -> None:
    assert score_word(Words("en"), 0.9, calibrated=True) == "convincing"
    assert score_word(Words("ru"), 0.1, calibrated=True) == "неубедительно"
    assert score_word(Words("en"), 0.9, calibrated=False) == ""
