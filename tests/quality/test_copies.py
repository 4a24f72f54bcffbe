"""Near copies are found however they are mirrored, moved or recolored; other images are not."""

from __future__ import annotations

import numpy as np
import pytest

from palm_assets.quality.copies import SIDE, copy_similarity, repeat_similarity, thumbnails


def images(count: int, seed: int, side: int = 64) -> np.ndarray:
    """Smooth random images, uint8 (count, 3, side, side)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 3, 8, 8)).astype(np.float64)
    for axis in (2, 3):
        coarse = np.repeat(coarse, side // 8, axis=axis)
        kernel = np.ones(side // 8) / (side // 8)
        coarse = np.apply_along_axis(np.convolve, axis, coarse, kernel, mode="same")
    return np.clip(coarse, 0, 255).astype(np.uint8)


ORIGINALS = images(30, 0)
CHANGES = {
    "exact": lambda x: x,
    "mirrored": lambda x: x[..., ::-1],
    "moved": lambda x: np.roll(x, (4, -5), axis=(2, 3)),
    "recolored": lambda x: np.clip(x * np.array([0.8, 1.0, 1.1])[:, None, None] * 0.9 + 20, 0, 255).astype(
        np.uint8
    ),
    "with noise": lambda x: np.clip(x + np.random.default_rng(1).normal(0, 10, x.shape), 0, 255).astype(
        np.uint8
    ),
    "larger": lambda x: np.repeat(np.repeat(x, 2, axis=2), 2, axis=3),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_copy_is_more_similar_than_any_other_image(change) -> None:  # type: ignore[no-untyped-def]
    originals = thumbnails(ORIGINALS)
    copies = copy_similarity(thumbnails(change(ORIGINALS[:10])), originals)
    others = copy_similarity(thumbnails(images(200, 7)), originals)
    assert copies.min() > 0.93
    assert copies.min() > others.max() + 0.1


def test_similarity_does_not_depend_on_how_many_originals_are_compared_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = thumbnails(images(20, 3)), thumbnails(ORIGINALS)
    whole = copy_similarity(first, second), repeat_similarity(first)
    monkeypatch.setattr("palm_assets.quality.copies.ROWS_PER_BLOCK", 7)
    np.testing.assert_allclose(copy_similarity(first, second), whole[0], atol=1e-6)
    np.testing.assert_allclose(repeat_similarity(first), whole[1], atol=1e-6)


def test_an_image_does_not_repeat_itself() -> None:
    assert repeat_similarity(thumbnails(ORIGINALS)).max() < 0.9
    doubled = thumbnails(np.concatenate([ORIGINALS, ORIGINALS[:3, :, :, ::-1]]))
    assert np.flatnonzero(repeat_similarity(doubled) > 0.97).tolist() == [0, 1, 2, 30, 31, 32]


def test_flat_images_are_similar_to_nothing() -> None:
    flat = thumbnails(np.full((2, 3, 64, 64), 200, np.uint8))
    np.testing.assert_array_equal(copy_similarity(flat, thumbnails(ORIGINALS)), 0)
    np.testing.assert_array_equal(repeat_similarity(flat), 0)


def test_thumbnails_are_gray_and_of_one_size() -> None:
    assert thumbnails(np.zeros((0, 3, 64, 64), np.uint8)).shape == (0, SIDE, SIDE)
    found = thumbnails(np.stack([np.full((3, 96, 96), value, np.uint8) for value in (0, 90)]))
    assert found.shape == (2, SIDE, SIDE)
    np.testing.assert_allclose(found[1], 90)
