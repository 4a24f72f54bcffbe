"""From a finished training run to a model on disk: weights, samples, curves, score and card."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")  # no window: this runs in workers and servers
from matplotlib.figure import Figure
from PIL import Image

from palm_assets.crops.making import Crops
from palm_assets.errors import TrainingStoppedError
from palm_assets.gan.calibrating import calibrate, write_calibration
from palm_assets.gan.card import write_card
from palm_assets.gan.checkpoint import save_networks, write_metrics
from palm_assets.gan.config import GanConfig
from palm_assets.gan.networks import Generator
from palm_assets.gan.sampling import PalmModel, load_model
from palm_assets.gan.training import Figures, train
from palm_assets.pictures import grid
from palm_assets.quality.calibration import CalibrationReport
from palm_assets.store import Artifact

SAMPLES = 64
SAMPLES_FILE = "samples.png"
CURVES_FILE = "curves.png"
RELIABILITY_FILE = "reliability.png"


def train_and_publish(
    palms: Crops,
    crops: Artifact,
    config: GanConfig,
    folder: Path,
    work: Path,
    *,
    report: Callable[[Figures], None],
    evaluated: Callable[[Image.Image, int], None] = lambda samples, seen: None,
    stopped: Callable[[], bool],
) -> dict[str, Any]:
    """Train on the people in training and write the whole model into `folder`; grids go to `folder/progress`.

    `evaluated(samples, seen)` is called with each of these grids as it is made.

    Returns:
        Facts for the manifest.

    Raises:
        TrainingStoppedError: stopped early; the state stays in `work`.
    """
    grids = work / "progress"
    grids.mkdir(parents=True, exist_ok=True)

    def snapshot(generator: Generator, seen: int) -> None:
        generator = generator.cpu()
        model = PalmModel(
            generator,
            discriminator=None,  # type: ignore[arg-type]  # nothing is judged here
            networks=config.networks(),
            version="",
            folder=folder,
        )
        samples = samples_grid(model, 36)
        samples.save(grids / f"{seen // 1000:06d}-kimg.png")
        evaluated(samples, seen)

    trained = train(palms.train, config, work, report=report, snapshot=snapshot, stopped=stopped)
    if trained is None:
        raise TrainingStoppedError(
            "Training was stopped", hint="Materialize it again: it goes on where it stopped."
        )
    save_networks(trained.generator, trained.discriminator, config.networks(), folder)
    shutil.copytree(grids, folder / "progress")
    model = load_model(folder, "")  # by the door that everybody uses
    samples_grid(model, SAMPLES).save(folder / SAMPLES_FILE)
    curves_picture(trained.curves, folder / CURVES_FILE)
    calibration, verdict = calibrate(model, palms)
    write_calibration(calibration, folder)
    reliability_picture(verdict, folder / RELIABILITY_FILE)
    facts = {
        "kimg": config.kimg,
        "image_size": config.image_size,
        "score_auc": verdict.auc,
        "score_brier": verdict.brier,
        "score_error": verdict.error,
    }
    write_metrics(folder, {**facts, "score_report": verdict.to_json()}, trained.curves)
    write_card(folder, crops, config, verdict)
    shutil.rmtree(work, ignore_errors=True)
    return facts


def samples_grid(model: PalmModel, count: int, seed: int = 0) -> Image.Image:
    """The first `count` palms of a seed, unchosen."""
    return grid(model.draw(model.latents(seed, range(count))))


def curves_picture(curves: Sequence[Figures], path: Path) -> None:
    """Losses and logits over the images shown."""
    seen = np.array([row.seen for row in curves]) / 1000
    figure = Figure(figsize=(8, 3), layout="constrained")
    losses, logits = figure.subplots(1, 2)
    losses.plot(seen, [row.loss_d for row in curves], label="discriminator")
    losses.plot(seen, [row.loss_g for row in curves], label="generator")
    logits.plot(seen, [row.logit_real for row in curves], label="on photographs")
    logits.plot(seen, [row.logit_fake for row in curves], label="on generated palms")
    for axes, title in ((losses, "Loss"), (logits, "Discriminator's logit")):
        axes.set(title=title, xlabel="thousand photographs shown")
        axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def reliability_picture(verdict: CalibrationReport, path: Path) -> None:
    """What the score promises beside what came true."""
    figure = Figure(figsize=(3.6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.errorbar(
        [row.predicted for row in verdict.bins],
        [row.observed for row in verdict.bins],
        [row.sd for row in verdict.bins],
        marker="o",
        linewidth=1,
        capsize=2,
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share that is real", title="Reliability")
    figure.savefig(path, dpi=110)
