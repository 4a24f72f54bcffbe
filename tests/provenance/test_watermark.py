from __future__ import annotations

import hashlib
import io
import math

import numpy as np
import pytest
from PIL import Image

from palm_assets.provenance.watermark import MIN_SIDE, watermarked, waves
from palm_assets.provenance.watermark_search import (
    FALSE_ALARMS,
    _largest_correlation,
    _spectrum,
    _turned_waves,
    _whole,
    count_of_tests,
    find_watermark,
    threshold,
)


def rough(side: int = 256, seed: int = 0) -> np.ndarray:
    """An image uint8 RGB (3, side, side) of soft spots and noise, with a flat white corner."""
    dice = np.random.default_rng(seed)
    vertical, horizontal = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    size = np.maximum(np.hypot(vertical, horizontal), 1 / side) ** -1.5
    gray = np.fft.irfft2(size * np.exp(2j * np.pi * dice.random(size.shape)), (side, side))
    image = 128 + 40 * gray / gray.std() + dice.normal(0, 3, (side, side))
    image[: side // 4, : side // 4] = 255
    return np.repeat(np.clip(image, 0, 255).astype(np.uint8)[None], 3, axis=0)


def rows(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image.transpose(1, 2, 0))


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def test_the_mark_changes_little_and_nothing_that_is_flat() -> None:
    image = rough()
    change = watermarked(image).astype(int) - image
    assert not change[[0, 2]].any()
    assert not change[:, :60, :60].any()
    assert 0.5 < math.sqrt((change[1] ** 2).mean()) < 2.6
    assert abs(change).max() <= 12


def test_the_same_image_is_marked_the_same_on_every_machine() -> None:
    image = rough()
    before = image.copy()
    assert (watermarked(image) == watermarked(image)).all()
    assert (image == before).all()
    ramp = (np.arange(3 * 64 * 64, dtype=np.int64).reshape(3, 64, 64) * 7919 % 251).astype(np.uint8)
    assert hashlib.sha256(watermarked(ramp).tobytes()).hexdigest()[:16] == "a17bf27cacea92d4"


def test_an_image_smaller_than_a_tile_is_left_alone() -> None:
    image = rough()[:, : MIN_SIDE - 1, : MIN_SIDE - 1]
    assert (watermarked(image) == image).all()


@pytest.mark.parametrize(
    "damage",
    [
        lambda image: image,
        lambda image: jpeg(image, 80),
        lambda image: np.asarray(Image.fromarray(image).resize((128, 128), Image.Resampling.BICUBIC)),
        lambda image: np.asarray(Image.fromarray(image).resize((343, 343), Image.Resampling.BILINEAR)),
        lambda image: np.asarray(Image.fromarray(image).resize((150, 150), Image.Resampling.NEAREST)),
        lambda image: np.ascontiguousarray(image[26:-26, 26:-26]),
        lambda image: np.ascontiguousarray(np.rot90(image)[:, ::-1]),
        lambda image: np.pad(image, ((90, 130), (201, 55), (0, 0)), constant_values=240),
    ],
    ids=["none", "jpeg", "half", "larger", "nearest", "crop", "turned", "on a page"],
)
def test_the_mark_is_found_after(damage) -> None:  # type: ignore[no-untyped-def]
    result = find_watermark(damage(rows(watermarked(rough()))))
    assert result.found, result


def test_the_scale_is_reported() -> None:
    small = np.asarray(Image.fromarray(rows(watermarked(rough()))).resize((192, 192)))
    assert find_watermark(small).scale == pytest.approx(0.75, rel=0.02)


@pytest.mark.parametrize("image", [rough(), np.zeros((3, 256, 256), np.uint8), rough(40), rough()[:, :3, :1]])
def test_an_image_without_the_mark_has_none(image: np.ndarray) -> None:
    assert not find_watermark(rows(image)).found


def test_the_threshold_follows_from_the_bound() -> None:
    assert count_of_tests() * math.exp(-(threshold() ** 2) / 2) == pytest.approx(FALSE_ALARMS)


def test_the_tail_of_one_test_is_below_the_bound() -> None:
    """For other phases in place of the mark's, the correlation exceeds t less often than exp(-t**2 / 2)."""
    dice = np.random.default_rng(0)
    used = waves() != 0
    image = np.where(used, dice.pareto(1.5, used.shape) * np.exp(2j * np.pi * dice.random(used.shape)), 0)
    norm = math.sqrt((np.abs(image) ** 2).sum() / 2)
    phases = np.exp(2j * np.pi * dice.random((20_000, *used.shape)))
    correlations = (image * phases).real.sum((1, 2)) / norm
    for t in (1.0, 2.0, 3.0):
        assert (correlations >= t).mean() <= math.exp(-(t**2) / 2) * 1.1


def test_the_mark_itself_correlates_fully_at_its_place() -> None:
    products = (_whole(waves())[:, 16:] * _turned_waves()).astype(np.complex64)
    count = (waves() != 0).sum()
    assert _largest_correlation(products, 64) == pytest.approx(count, rel=1e-4)


def test_the_spectrum_is_the_sum_that_its_docstring_says() -> None:
    image = np.random.default_rng(3).standard_normal((50, 70)).astype(np.float32)
    rows, columns = np.arange(50)[:, None], np.arange(70)
    spectrum = _spectrum(image, 21.7)
    for vertical, horizontal in ((0, 1), (3, 0), (16, -16), (7, 5), (2, -9)):
        wave = np.exp(-2j * np.pi / 21.7 * (vertical * rows + horizontal * columns))
        assert abs(spectrum[vertical, horizontal + 16] - (image * wave).sum()) < 1e-3
