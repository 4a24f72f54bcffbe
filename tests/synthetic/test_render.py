"""One rendered photograph: determinism, box, sides, tones, refusals."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from palm_assets.errors import RequestError
from palm_assets.synthetic import SyntheticHand, render_hand, sample_person
from palm_assets.synthetic.render import PHOTOS_PER_PERSON


def digest(photo: SyntheticHand) -> str:
    return hashlib.sha256(photo.image.tobytes()).hexdigest()


def crop(photo: SyntheticHand, plane: np.ndarray) -> np.ndarray:
    x0, y0, x1, y1 = (round(v) for v in photo.palm_box)
    return plane[y0:y1, x0:x1]


def thumb_side(photo: SyntheticHand) -> str:
    """Which side of the image the skin beyond the box lies on, for a hand with its fingers up."""
    x0, y0, x1, y1 = (round(v) for v in photo.palm_box)
    left, right = photo.mask[y0:y1, : max(x0 - 1, 0)].sum(), photo.mask[y0:y1, x1 + 1 :].sum()
    return "left" if left > right else "right"


def test_an_image_is_square_uint8_rgb_with_a_mask_of_the_same_size() -> None:
    photo = render_hand(0, 0, size=200)
    assert photo.image.shape == (200, 200, 3)
    assert photo.image.dtype == np.uint8
    assert photo.mask.shape == (200, 200)
    assert 0 <= photo.mask.min() < photo.mask.max() <= 1


def test_the_same_seed_and_number_give_the_same_bytes_and_others_do_not() -> None:
    assert digest(render_hand(5, 3)) == digest(render_hand(5, 3))
    assert len({digest(render_hand(s, i)) for s in (5, 6) for i in (3, 4)}) == 4


def test_a_photo_depends_neither_on_the_order_of_rendering_nor_on_the_process() -> None:
    forward = [digest(render_hand(7, i, size=96)) for i in range(6)]
    backward = [digest(render_hand(7, i, size=96)) for i in reversed(range(6))]
    assert forward == backward[::-1]
    code = (
        "import hashlib; from palm_assets.synthetic import render_hand;"
        "print(hashlib.sha256(render_hand(7, 4, size=96).image.tobytes()).hexdigest())"
    )
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert other.stdout.strip() == forward[4]


def test_the_palm_box_lies_inside_the_image_and_over_skin() -> None:
    for i in range(40):
        photo = render_hand(11, i)
        x0, y0, x1, y1 = photo.palm_box
        assert 0 <= x0 < x1 <= 256
        assert 0 <= y0 < y1 <= 256
        assert min(x1 - x0, y1 - y0) > 40
        inside = crop(photo, photo.mask)
        assert inside.mean() > 0.6
        # The middle of the box is palm and nothing else (no gap between fingers, no sleeve).
        h, w = inside.shape
        assert inside[h // 3 : 2 * h // 3, w // 3 : 2 * w // 3].min() > 0.97


def test_the_box_leaves_out_the_fingers() -> None:
    for i in range(20):
        photo = render_hand(12, i, max_tilt=0)
        x0, y0, x1, _ = (round(v) for v in photo.palm_box)
        # Just above the box there are gaps between fingers, and skin reaches on far above it.
        assert photo.mask[max(y0 - 40, 0) : y0, x0:x1].mean() > 0.2
        assert photo.mask[max(y0 - 25, 0), x0:x1].min() < 0.5


def test_a_left_hand_has_its_thumb_on_the_right_as_in_the_photographs_palmar_and_dorsal_alike() -> None:
    for i in range(8):
        for aspect in ("palmar", "dorsal"):
            assert thumb_side(render_hand(13, i, aspect=aspect, side="left", max_tilt=10)) == "right"
            assert thumb_side(render_hand(13, i, aspect=aspect, side="right", max_tilt=10)) == "left"


def test_both_aspects_and_both_sides_occur_and_most_are_palmar() -> None:
    photo = [render_hand(14, i, size=32) for i in range(120)]
    palmar = np.mean([d.aspect == "palmar" for d in photo])
    left = np.mean([d.side == "left" for d in photo])
    assert 0.62 < palmar < 0.88
    assert 0.35 < left < 0.65


def test_a_palm_shows_more_lines_in_its_middle_than_the_back_of_the_same_hand() -> None:
    person = replace(sample_person(1, 1), hairy=0.0, age=25, monk_tone=4, crease_depth=1.0)

    def lines(aspect: str) -> float:
        edges = []
        for i in range(8):
            photo = render_hand(15, i, person=person, aspect=aspect)
            gray = crop(photo, photo.image.mean(axis=2))
            h, w = gray.shape
            middle = gray[h // 5 : 4 * h // 5, w // 5 : 4 * w // 5] / gray.mean()
            edges.append(np.abs(np.diff(middle, axis=0)).mean() + np.abs(np.diff(middle, axis=1)).mean())
        return float(np.mean(edges))

    assert lines("palmar") > 1.15 * lines("dorsal")


def test_skin_darkens_from_tone_to_tone_and_palms_of_dark_hands_are_lighter_than_their_backs() -> None:
    base = replace(sample_person(2, 2), hairy=0.0, nail_polish=False, sleeve="none")
    light: dict[str, list[float]] = {"palmar": [], "dorsal": []}
    for aspect, levels in light.items():
        for tone in range(1, 11):
            photo = render_hand(16, 2, person=replace(base, monk_tone=tone), aspect=aspect, side="left")
            middle = crop(photo, photo.image)
            h, w = middle.shape[:2]
            levels.append(float(middle[h // 3 : 2 * h // 3, w // 3 : 2 * w // 3].mean()))
        assert levels == sorted(levels, reverse=True)
    assert light["palmar"][9] > 1.25 * light["dorsal"][9]
    assert light["palmar"][0] < 1.25 * light["dorsal"][0]


def test_a_caller_choosing_the_side_mirrors_the_hand_and_changes_no_choice_of_pose() -> None:
    left, right = (render_hand(17, 1, side=side, max_tilt=0) for side in ("left", "right"))
    boxes = np.array([left.palm_box, right.palm_box])
    assert np.allclose(boxes[0, 2] - boxes[0, 0], boxes[1, 2] - boxes[1, 0])
    assert np.allclose(boxes[0, [1, 3]], boxes[1, [1, 3]])


def test_larger_images_show_the_same_scene() -> None:
    small, large = render_hand(18, 0, size=128), render_hand(18, 0, size=384)
    assert np.allclose(np.array(small.palm_box) * 3, large.palm_box, atol=1e-6)
    reduced = large.mask.reshape(128, 3, 128, 3).mean(axis=(1, 3))
    assert np.abs(reduced - small.mask).mean() < 0.02


@pytest.mark.parametrize("size", [32, 33, 2048])
def test_the_extreme_sizes_work(size: int) -> None:
    assert render_hand(19, 0, size=size).image.shape == (size, size, 3)


@pytest.mark.parametrize(
    ("seed", "index", "size"), [(0, 0, 31), (0, 0, 2049), (-1, 0, 256), (0, -1, 256), (0, 0, 0)]
)
def test_requests_out_of_range_are_refused_with_a_hint(seed: int, index: int, size: int) -> None:
    with pytest.raises(RequestError) as caught:
        render_hand(seed, index, size=size)
    assert caught.value.hint
    assert "=" in str(caught.value.where)


def test_photos_in_a_row_share_a_person() -> None:
    photo = [render_hand(20, i, size=32) for i in range(2 * PHOTOS_PER_PERSON)]
    assert len({d.person for d in photo}) == 2
    assert len({digest(d) for d in photo}) == len(photo)


def test_at_least_25_photos_a_second_are_rendered_in_one_thread_at_256_pixels() -> None:
    render_hand(21, 0)
    # Processor time, so that a busy machine does not decide.
    begin = time.thread_time()
    for i in range(30):
        render_hand(21, i)
    assert 30 / (time.thread_time() - begin) > 25
