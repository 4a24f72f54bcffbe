"""File names of the images in a model's folder, which `palm_assets.gan.plots` draws."""

from __future__ import annotations

SAMPLES_FILE = "samples.png"
CURVES_FILE = "curves.png"
RELIABILITY_FILE = "reliability.png"
