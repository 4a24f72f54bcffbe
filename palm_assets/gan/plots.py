"""Plots of a training run: sample grid, training curves and reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from palm_assets.gan.checkpoint_selection import CheckpointRecord
from palm_assets.gan.metrics import TrainingMetrics
from palm_assets.gan.sampler import PalmModel
from palm_assets.image_grid import grid
from palm_assets.quality.reliability import CalibrationReport


def sample_grid(model: PalmModel, count: int, seed: int = 0) -> Image.Image:
    """A grid of the first `count` images of a seed, uncurated."""
    return grid(model.sample(count, seed=seed))


def plot_curves(
    metrics: Sequence[TrainingMetrics], checkpoints: Sequence[CheckpointRecord], path: Path
) -> None:
    """Plot losses, logits, and the kernel distance to held-out people over the images seen."""
    seen = np.array([row.images_seen for row in metrics]) / 1000
    figure = Figure(figsize=(11, 3), layout="constrained")
    losses, logits, distances = figure.subplots(1, 3)
    losses.plot(seen, [row.loss_d for row in metrics], label="discriminator")
    losses.plot(seen, [row.loss_g for row in metrics], label="generator")
    logits.plot(seen, [row.logit_real for row in metrics], label="real images")
    logits.plot(seen, [row.logit_fake for row in metrics], label="generated images")
    best = min(checkpoints, key=lambda row: row.kernel_distance, default=None)
    checkpoint_kimg = [row.images_seen / 1000 for row in checkpoints]
    distances.plot(checkpoint_kimg, [row.kernel_distance for row in checkpoints], marker=".")
    if best is not None:
        distances.plot(best.images_seen / 1000, best.kernel_distance, "o", label="best checkpoint")
    titles = ("Loss", "Discriminator logit", "Kernel distance to held-out people")
    for axes, title in zip((losses, logits, distances), titles, strict=True):
        axes.set(title=title, xlabel="real images seen (thousands)")
        axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def plot_reliability(report: CalibrationReport, path: Path) -> None:
    """Plot the share of real images against the score, with standard deviations."""
    figure = Figure(figsize=(3.6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="gray", linewidth=1)
    predicted = [row.predicted for row in report.bins]
    observed = [row.observed for row in report.bins]
    axes.errorbar(predicted, observed, [row.sd for row in report.bins], fmt="none", elinewidth=1, capsize=2)
    # The area of a point shows how many images it represents; most scores may lie in two bins.
    most = max(row.n for row in report.bins)
    axes.scatter(predicted, observed, [8 + 120 * row.n / most for row in report.bins], clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share of real images", title="Reliability")
    figure.savefig(path, dpi=110)
