"""Near copies are found however they are mirrored, moved, rotated or recolored; other images are not."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.degradations import moved, rotated
from palm_assets.evaluation.measurement import COPY_SIMILARITY
from palm_assets.gan.sampler import load_model
from palm_assets.quality import copies as copies_module
from palm_assets.quality.copies import (
    SHORTLIST,
    SIDE,
    copy_similarity,
    repeat_similarity,
    shifted_similarity,
    thumbnails,
)
from palm_assets.store.starter import STARTER


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
    assert copies.min() > COPY_SIMILARITY
    assert copies.min() > others.max() + 0.1


@pytest.fixture(scope="module")
def palms() -> np.ndarray:
    """Samples of the starter, uint8 (250, 3, 256, 256)."""
    return load_model(STARTER, "starter").sample(250, seed=5)


@pytest.mark.parametrize("zoom", [0.9, 1, 1.1])
@pytest.mark.parametrize("degrees", [0, 4, 8])
def test_mirrored_moved_rotated_and_zoomed_copies_are_above_the_bound(
    palms: np.ndarray, degrees: float, zoom: float
) -> None:
    random = np.random.default_rng(degrees)
    changed = rotated(moved(palms[:20], 2, random), degrees, zoom, random)
    found = copy_similarity(thumbnails(changed), thumbnails(palms[:150]))
    assert np.mean(found > COPY_SIMILARITY) >= 0.9


def test_other_palms_of_one_model_are_below_the_bound(palms: np.ndarray) -> None:
    found = copy_similarity(thumbnails(palms[150:]), thumbnails(palms[:150]))
    assert np.mean(found > COPY_SIMILARITY) <= 0.01


def test_a_copy_is_found_among_many_more_originals_than_are_compared_closely(palms: np.ndarray) -> None:
    random = np.random.default_rng(0)
    originals = thumbnails(palms)
    assert len(originals) > 3 * SHORTLIST
    changed = thumbnails(rotated(moved(palms[-20:], 2, random), 8, 1.1, random))
    listed = copies_module._shortlist(changed, originals).numpy()
    assert listed.shape == (20, SHORTLIST)
    assert np.mean([row in found for row, found in zip(range(230, 250), listed, strict=True)]) >= 0.95
    assert np.mean(copy_similarity(changed, originals) > COPY_SIMILARITY) >= 0.9


def test_shifted_similarity_finds_moved_copies_and_no_rotated_ones(palms: np.ndarray) -> None:
    originals, random = thumbnails(palms[:100]), np.random.default_rng(0)
    whole_pixels = np.roll(originals[:20, :, ::-1], (2, -1), axis=(1, 2))
    np.testing.assert_allclose(shifted_similarity(whole_pixels, originals), 1, atol=1e-5)
    turned = thumbnails(rotated(palms[:20], 8, 1.1, random))
    assert np.mean(shifted_similarity(turned, originals) > COPY_SIMILARITY) <= 0.1


def test_nothing_is_similar_to_no_originals() -> None:
    some, none = thumbnails(ORIGINALS), thumbnails(ORIGINALS[:0])
    np.testing.assert_array_equal(copy_similarity(some, none), -1)
    assert copy_similarity(none, some).shape == (0,)
    np.testing.assert_array_equal(shifted_similarity(some, none), -1)
    assert repeat_similarity(none).shape == (0,)


def test_similarity_does_not_depend_on_how_many_originals_are_compared_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = thumbnails(images(20, 3)), thumbnails(ORIGINALS)
    whole = copy_similarity(first, second), repeat_similarity(first)
    monkeypatch.setattr(copies_module, "ROWS_PER_BLOCK", 7)
    monkeypatch.setattr(copies_module, "VIEWS_PER_BLOCK", 3)
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
