"""Texture of generated images, compared with that of crops: spectral power by period, and the weave.

The middle half of each image, mostly skin, under a Hann window. For bands of periods the power of the
generated images over that of the crops is printed, 1 is equal; and how far a pattern that repeats every 2, 4
or 8 pixels stands out: the power at this period along rows, along columns and along both, over the median
power around it. Transposed convolutions leave such patterns, photographs have none.

Example:
    python -m benchmarks.texture palm_home/crops/0123456789ab --model hands --model starter
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from palm_assets.crops.extraction import read_crops
from palm_assets.gan.networks import smooth_output
from palm_assets.release.model_loader import load_model

SEED = 8 * 10**9
BATCH = 20
BANDS = ((2.0, 2.5), (2.5, 3.0), (3.0, 4.0), (4.0, 5.0), (5.0, 6.0), (6.0, 8.0), (8.0, 12.0), (12.0, 20.0))
PATTERNS = (2, 4, 8)  # periods in pixels
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
NEAR, AROUND = 1, 6  # of a frequency: its peak, and what it is compared with


def power_spectrum(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean power of the middle halves of images uint8 RGB (N, 3, S, S), by frequency: (S/2, S/2).

    Frequencies are in the order of `numpy.fft.fftfreq`.
    """
    side = images.shape[-1] // 2
    middle = images[..., side // 2 : side // 2 + side, side // 2 : side // 2 + side]
    brightness = np.einsum("nchw,c->nhw", middle.astype(np.float32), LUMA)
    brightness -= brightness.mean((1, 2), keepdims=True)
    window = np.hanning(side)
    power: NDArray[np.float64] = np.abs(np.fft.fft2(brightness * np.outer(window, window))) ** 2
    return power.mean(0)


def band_power(power: NDArray[np.float64], low: float, high: float) -> float:
    """Power at periods from `low` to `high` pixels, in any direction."""
    frequencies = np.fft.fftfreq(len(power))
    radius = np.hypot(*np.meshgrid(frequencies, frequencies))
    return float(power[(radius > 1 / high) & (radius <= 1 / low)].sum())


def pattern_strength(power: NDArray[np.float64], period: int) -> float:
    """How far a pattern that repeats every `period` pixels stands out, at its strongest; 1 is not at all."""
    at = len(power) // period
    return max(_prominence(power, *place) for place in ((at, 0), (0, at), (at, at)))


def _prominence(power: NDArray[np.float64], row: int, column: int) -> float:
    steps = np.arange(-AROUND, AROUND + 1)
    around = power[np.ix_((row + steps) % len(power), (column + steps) % len(power))]
    distance = np.maximum(*np.abs(np.meshgrid(steps, steps)))
    return float(around[distance <= NEAR].mean() / np.median(around[distance > 2 * NEAR + 1]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("crops", type=Path, help="folder of crops to compare with")
    parser.add_argument("--model", action="append", required=True, help="version, folder, starter or hands")
    parser.add_argument("--count", type=int, default=400, help="images of each (default: 400)")
    options = parser.parse_args()
    crops = read_crops(options.crops).images
    rows = np.sort(np.random.default_rng(SEED).permutation(len(crops))[: options.count])
    reference = power_spectrum(crops[rows])
    print(f"{'period in px':28}" + "".join(f"{f'{low:g} to {high:g}':>11}" for low, high in BANDS), end="")
    print("".join(f"{f'pattern {period}':>11}" for period in PATTERNS))
    _print_row("photographs", reference, reference)
    for name in options.model:
        for kind, images in _samples(name, options.count).items():
            _print_row(f"{name}, {kind}", power_spectrum(images), reference)


@torch.no_grad()
def _samples(name: str, count: int) -> dict[str, NDArray[np.uint8]]:
    """Images of a model before and after its output smoothing."""
    generator = load_model(name).generator
    inputs = generator.random_inputs(count, torch.Generator().manual_seed(SEED))
    raw = torch.cat([generator(batch) for batch in inputs.split(BATCH)])
    images = {"before smoothing": raw}
    if generator.output_smoothing:
        images["smoothed"] = smooth_output(raw, generator.output_smoothing)
    return {kind: ((colors + 1) * 127.5).round().to(torch.uint8).numpy() for kind, colors in images.items()}


def _print_row(name: str, power: NDArray[np.float64], reference: NDArray[np.float64]) -> None:
    ratios = [band_power(power, *band) / band_power(reference, *band) for band in BANDS]
    strengths = [pattern_strength(power, period) for period in PATTERNS]
    print(f"{name:28}" + "".join(f"{value:11.2f}" for value in [*ratios, *strengths]), flush=True)


if __name__ == "__main__":
    main()
