"""The imperceptible watermark: a spread-spectrum pattern in the frequency domain, repeated every 64 pixels.

The pattern is a sum of cosine waves of equal strength with pseudo-random phases (Cox et al. 1997, "Secure
spread spectrum watermarking for multimedia"). It is repeated as a tile, so that any part of an image holds it
and its position can be found again after cropping. It is added to the green channel, stronger where the image
is rough (Weber's law), and depends on nothing but the pixels, so equal images stay equal.

The phases are public, so that everybody can look for the mark. It follows that somebody who wants to can also
remove it, or put it into another image: it is a hint, not a proof.

Palms finds it again in `watermark_search`.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

TILE = 64
"""Side of the repeated pattern in pixels."""

MIN_FREQUENCY, MAX_FREQUENCY = 3.5, 14.5  # periods of a wave in one tile: 18 to 4.4 pixels
STRENGTH = 0.13  # of the pattern, relative to the local standard deviation
MAX_STRENGTH = 2.5  # gray levels, root mean square
NEIGHBORHOOD = 7  # pixels: the window of that standard deviation
MIN_SIDE = 64
"""Smaller images are not marked: less than one tile cannot be found again."""

_KEY = 20261127  # seeds the phases; another number is another mark
_LIMIT = 16  # frequencies are at most this


@functools.cache
def frequencies() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Vertical and horizontal frequencies (17, 33) of a half plane, and whether the mark uses them."""
    vertical, horizontal = np.meshgrid(np.arange(_LIMIT + 1), np.arange(-_LIMIT, _LIMIT + 1), indexing="ij")
    radius = np.hypot(vertical, horizontal)
    return (
        vertical,
        horizontal,
        (radius >= MIN_FREQUENCY) & (radius <= MAX_FREQUENCY) & ((vertical > 0) | (horizontal > 0)),
    )


@functools.cache
def waves() -> NDArray[np.complex128]:
    """The mark's waves (17, 33): a complex number of length 1 per frequency that it uses, else 0."""
    _, _, used = frequencies()
    # Philox is specified to give the same numbers on every machine and in every version of NumPy.
    bits = np.random.Philox(key=_KEY).random_raw(used.size).reshape(used.shape)
    return np.where(used, np.exp(2j * np.pi * (bits >> np.uint64(11)).astype(np.float64) / 2**53), 0)


@functools.cache
def _pattern(height: int, width: int) -> NDArray[np.float32]:
    """The pattern (height, width), with variance 1."""
    vertical, horizontal, used = frequencies()
    spectrum = np.zeros((TILE, TILE), np.complex128)
    spectrum[vertical[used] % TILE, horizontal[used] % TILE] = waves()[used]
    spectrum[-vertical[used] % TILE, -horizontal[used] % TILE] = waves()[used].conj()
    tile = np.fft.ifft2(spectrum).real
    tile = (tile / tile.std()).round(4).astype(np.float32)  # rounded: FFTs may differ in the last bits
    return np.tile(tile, (-(-height // TILE), -(-width // TILE)))[:height, :width].copy()


def watermarked(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image uint8 RGB (3, H, W) with the mark; a copy without it below `MIN_SIDE` pixels.

    It changes the green channel alone, by few gray levels where the image is rough and not at all where it is
    flat. The same image always becomes the same image.
    """
    import cv2  # takes a tenth of a second to import

    marked = np.array(image)
    height, width = image.shape[1:]
    if min(height, width) < MIN_SIDE:
        return marked
    green = np.ascontiguousarray(image[1])
    window, count = (NEIGHBORHOOD, NEIGHBORHOOD), NEIGHBORHOOD**2
    # Sums of whole numbers below 2**24: exact in float32, whatever the order of addition.
    sums = np.asarray(cv2.boxFilter(green, cv2.CV_32F, window, normalize=False), np.float32)
    squares = np.asarray(cv2.sqrBoxFilter(green, cv2.CV_32F, window, normalize=False), np.float32)
    squares *= np.float32(count)
    squares -= np.square(sums, out=sums)  # in place: fresh memory costs more than the arithmetic
    # NumPy's maximum and minimum take four times as long.
    cv2.max(squares, 0, dst=squares)  # type: ignore[call-overload]
    change = np.sqrt(squares, out=squares)
    change *= np.float32(STRENGTH / count)
    cv2.min(change, MAX_STRENGTH, dst=change)  # type: ignore[call-overload]
    change *= _pattern(height, width)
    np.rint(change, out=change)
    change += green
    marked[1] = np.clip(change, 0, 255, out=change)
    return marked
