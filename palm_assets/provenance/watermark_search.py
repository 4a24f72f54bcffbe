"""Looks for the watermark in any image, at any position, in a range of scales, turned or mirrored.

Each place is tested by correlation. The false-alarm rate has a computed bound: under a fixed image the phases
of the mark are independent and uniform, so the normalized correlation S of one test has the tail
P(S >= t) <= exp(-t**2 / 2), whatever the image shows (Chernoff's bound with E[exp(x cos phi)] = I0(x) <=
exp(x**2 / 4)).
The threshold follows from that, divided among all tests of one image (union bound).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from palm_assets.provenance.watermark import TILE, frequencies, waves

FALSE_ALARMS = 1e-5
"""Bound of the probability that an image without the mark is said to have it."""

MIN_SCALE, MAX_SCALE = 0.45, 3.0
SCALE_STEP = 0.01  # relative: at the edge of an image of 256 pixels the pattern is off by 0.6 pixels at most
MAX_SIDE = 1024
"""Larger images are first reduced to this, and scales are relative to the reduced image."""

# Of red, green and blue. The mark is in green alone, so what all channels share only disturbs; but JPEG keeps
# less of the differences between channels, so green less all of the others would be lost in it.
_MIXTURE = (-0.25, 1.0, -0.25)
_SHIFTS = 128  # positions tested in each direction of a tile: every half pixel
_COARSE_SHIFTS = 64  # every pixel; half pixels are only tested where these come near the threshold
_NEAR = 0.7  # of the threshold; a quarter of a pixel costs less than a tenth of the correlation
_ORIENTATIONS = 8
_WHITENING = 0.5  # exponent by which strong frequencies are weakened
_NYQUIST = 0.48  # cycles per pixel; finer waves cannot be in the image


@dataclass(frozen=True)
class WatermarkResult:
    """The strongest trace of the mark in an image.

    Attributes:
        found: whether it is above the threshold.
        statistic: normalized correlation with the mark; about 4 to 5 without a mark, at most 27 with it.
        threshold: what it must reach.
        scale: size of the image relative to the one that was marked; only meaningful if found.
    """

    found: bool
    statistic: float
    threshold: float
    scale: float


@functools.cache
def scales() -> tuple[float, ...]:
    """The scales that are tested, in ascending order."""
    steps = math.ceil(math.log(MAX_SCALE / MIN_SCALE) / SCALE_STEP)
    return tuple(MIN_SCALE * math.exp(SCALE_STEP * step) for step in range(steps + 1))


def count_of_tests() -> int:
    """Number of tests of one image: scales, positions and orientations."""
    return len(scales()) * _SHIFTS**2 * _ORIENTATIONS


def threshold(false_alarms: float = FALSE_ALARMS) -> float:
    """The correlation that an image without the mark exceeds with at most this probability."""
    return math.sqrt(2 * math.log(count_of_tests() / false_alarms))


def find_watermark(
    image: NDArray[np.uint8], *, at_scales: tuple[float, ...] | None = None
) -> WatermarkResult:
    """Look for the mark in an image uint8 RGB (H, W, 3).

    Args:
        image: any image; see `MAX_SIDE`.
        at_scales: test only these scales, for measurements; all by default. The threshold stays.
    """
    import cv2

    height, width = image.shape[:2]
    reduction = max(height, width) / MAX_SIDE
    if reduction > 1:
        size = max(round(width / reduction), 1), max(round(height / reduction), 1)
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    best, best_scale = 0.0, 1.0
    channel = image.astype(np.float32) @ np.array(_MIXTURE, np.float32)
    prepared: dict[int, tuple[NDArray[np.float32], int]] = {}
    for scale in at_scales or scales():
        # Half an octave of scales shares one normalized image.
        half_octave = math.floor(2 * math.log2(scale))
        if half_octave not in prepared:
            prepared[half_octave] = _prepared(channel, 2 ** (half_octave / 2))
        normalized, reduced_by = prepared[half_octave]
        statistic = _strongest(_spectrum(normalized, TILE * scale / reduced_by), scale / reduced_by)
        if statistic > best:
            best, best_scale = statistic, scale
    return WatermarkResult(best >= threshold(), best, threshold(), best_scale * max(reduction, 1.0))


def _prepared(channel: NDArray[np.float32], scale: float) -> tuple[NDArray[np.float32], int]:
    """The image for scales from this one on, normalized, and by which factor it was reduced."""
    import cv2

    reduced_by = 1
    while scale / reduced_by > 1 and min(channel.shape) > 16:
        reduced_by *= 2
        half = cv2.resize(channel, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        channel = np.asarray(half, np.float32)
    return _normalized(channel, scale / reduced_by), reduced_by


def _normalized(channel: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Differences from the surroundings, divided by their local size: edges must not outweigh the rest."""
    import cv2

    details = channel - cv2.GaussianBlur(channel, (0, 0), max(scale, 0.4))
    local = cv2.sqrt(cv2.GaussianBlur(details * details, (0, 0), 4 * scale))
    normalized: NDArray[np.float32] = details / (local + 0.3)
    return normalized


def _spectrum(image: NDArray[np.float32], period: float) -> NDArray[np.complex128]:
    """Fourier coefficients (17, 33) of an image at whole multiples of 1 / period, as if it were folded."""
    limit = frequencies()[0].shape[0] - 1
    rows, columns = (_waves_along(length, period, limit) for length in image.shape)
    across = np.empty((image.shape[0], 2 * limit + 1), np.complex64)
    # Two real products instead of one complex one; the image is real, so negative frequencies are conjugates.
    across.real[:, limit:] = image @ columns.real.T
    across.imag[:, limit:] = image @ columns.imag.T
    across[:, :limit] = across[:, :limit:-1].conj()
    return (rows @ across).astype(np.complex128)


@functools.lru_cache(maxsize=1)  # most images are square
def _waves_along(length: int, period: float, limit: int) -> NDArray[np.complex64]:
    """Waves (limit + 1, length) of 0 to limit cycles per period."""
    waves = np.ones((limit + 1, length), np.complex128)
    waves[1:] = np.exp(-2j * np.pi / period * np.arange(length))
    # Powers of one wave, as as many exponentials would take half of the time of a search.
    return np.cumprod(waves, axis=0).astype(np.complex64)


def _strongest(spectrum: NDArray[np.complex128], scale: float) -> float:
    """The largest normalized correlation over all positions and orientations."""
    vertical, horizontal, used = frequencies()
    fits = used & (np.maximum(np.abs(horizontal), vertical) < _NYQUIST * TILE * scale)
    size = np.abs(spectrum)
    weighted = np.where(fits & (size > 1e-6), spectrum / np.maximum(size, 1e-6) ** _WHITENING, 0)
    norm = math.sqrt(float((np.abs(weighted) ** 2).sum()) / 2)
    if norm == 0:
        return 0.0
    # The correlation is real: horizontal frequencies from 0 determine it.
    weighted /= norm
    whole = _whole(weighted).astype(np.complex64)
    products = whole[:, whole.shape[1] // 2 :] * _turned_waves()
    coarse = _largest_correlation(products, _COARSE_SHIFTS)
    return coarse if coarse < _NEAR * threshold() else max(coarse, _largest_correlation(products, _SHIFTS))


def _largest_correlation(products: NDArray[np.complex64], shifts: int) -> float:
    """The maximum over a grid of positions of the inverse transform of products (8, 33, 17)."""
    limit = products.shape[2] - 1
    padded = np.zeros((len(products), shifts, limit + 1), np.complex64)
    padded[:, : limit + 1] = products[:, limit:]
    padded[:, -limit:] = products[:, :limit]
    down = scipy.fft.ifft(padded, axis=1, norm="forward", overwrite_x=True)
    return float(scipy.fft.irfft(down, shifts, axis=2, norm="forward").max()) / 2


def _whole(half: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Coefficients of the whole plane (33, 33) from those of a half plane (17, 33)."""
    limit = half.shape[0] - 1
    vertical, horizontal, _ = frequencies()
    whole = np.zeros((2 * limit + 1, 2 * limit + 1), np.complex128)
    whole[limit:] = np.where((vertical > 0) | (horizontal > 0), half, 0)
    return whole + whole[::-1, ::-1].conj()


@functools.cache
def _turned_waves() -> NDArray[np.complex64]:
    """Conjugates of the mark's waves (8, 33, 17), turned by quarter turns and mirrored; horizontal from 0."""
    whole = _whole(waves())
    turned = [np.rot90(whole, turns) for turns in range(4)]
    all_of_them = np.conj(np.stack([*turned, *(one[:, ::-1] for one in turned)]))
    return np.ascontiguousarray(all_of_them[:, :, whole.shape[1] // 2 :], np.complex64)
