"""The benchmark of texture."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.texture import band_power, pattern_strength, power_spectrum


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 156, (40, 3, 64, 64), dtype=np.uint8)


def test_half_the_contrast_is_a_quarter_of_the_power_at_each_period() -> None:
    images = noise()
    whole, half = power_spectrum(images), power_spectrum(images // 2)
    for low, high in ((2, 3), (4, 8)):
        assert band_power(half, low, high) / band_power(whole, low, high) == pytest.approx(0.25, abs=0.02)


def test_a_blur_takes_power_from_short_periods_only() -> None:
    images = noise().astype(np.float32)
    blurred = (images + np.roll(images, 1, 2) + np.roll(images, 1, 3) + np.roll(images, (1, 1), (2, 3))) / 4
    before, after = power_spectrum(noise()), power_spectrum(blurred.astype(np.uint8))
    short, long = [band_power(after, *band) / band_power(before, *band) for band in ((2, 2.5), (12, 20))]
    assert short < 0.15
    assert long > 0.75


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)], ids=["rows", "columns", "both"])
@pytest.mark.parametrize("period", [4, 8])
def test_a_pattern_stands_out_at_its_period_alone(period: int, axes: tuple[int, ...]) -> None:
    wave = np.ones((64, 64))
    for axis in axes:
        cosine = np.cos(2 * np.pi * np.arange(64) / period)
        wave = wave * (cosine[:, None] if axis == 0 else cosine)
    woven = (noise() + 6 * wave).astype(np.uint8)
    power, plain = power_spectrum(woven), power_spectrum(noise())
    assert pattern_strength(power, period) > 2
    assert pattern_strength(plain, period) < 1.3
    assert pattern_strength(power, 12 - period) < 1.5
