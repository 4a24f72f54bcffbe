"""From a finished training run to a model on disk: weights, samples, curves, score and card."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matplotlib.figure import Figure
from PIL import Image

from palm_assets.crops.extraction import Crops
from palm_assets.errors import TrainingStoppedError
from palm_assets.gan.checkpoint import save_networks, write_metrics
from palm_assets.gan.checkpoint_selection import Candidate, Chooser
from palm_assets.gan.config import GanConfig
from palm_assets.gan.model_card import write_card
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.gan.score_calibration import calibrate, write_calibration
from palm_assets.gan.tensorboard_log import EVENTS_FOLDER, Events
from palm_assets.gan.training_loop import Figures, train
from palm_assets.image_grid import grid
from palm_assets.quality.reliability import CalibrationReport
from palm_assets.store.artifacts import Artifact

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
    start: Artifact | None = None,
    report: Callable[[Figures], None],
    evaluated: Callable[[Image.Image, Candidate], None] = lambda samples, candidate: None,
    stopped: Callable[[], bool],
) -> dict[str, Any]:
    """Train on the people in training; write the checkpoint that is best on people held out into `folder`.

    Sample grids go to `folder/progress`; `evaluated(samples, candidate)` is called with each as it is made.
    TensorBoard's event files go to `folder/tensorboard`, where it is installed.

    Returns:
        Facts for the manifest.

    Raises:
        TrainingStoppedError: stopped early; the state stays in `work`.
        TrainingDivergedError, DatasetError, CheckpointError: see `palm_assets.gan.training_loop.train`.
    """
    grids = work / "progress"
    grids.mkdir(parents=True, exist_ok=True)
    chooser = Chooser(palms.holdout, work / "checkpoints")
    events = Events(work / EVENTS_FOLDER)

    def on_report(figures: Figures) -> None:
        events.figures(figures)
        report(figures)

    def snapshot(generator: Generator, discriminator: Discriminator, seen: int) -> None:
        model = PalmModel(generator.cpu(), discriminator.cpu(), config.networks(), "", folder)
        samples = samples_grid(model, 36)
        samples.save(grids / f"{seen // 1000:06d}-kimg.png")
        candidate = chooser.consider(model, seen)
        events.evaluation(samples, candidate)
        evaluated(samples, candidate)

    try:
        trained = train(
            palms.train,
            config,
            work,
            start=None if start is None else start.folder,
            report=on_report,
            snapshot=snapshot,
            stopped=stopped,
        )
    finally:
        events.close()
    if trained is None:
        raise TrainingStoppedError(
            "Training was stopped", hint="Materialize it again: it goes on where it stopped."
        )
    save_networks(*chooser.networks(), config.networks(), folder)
    shutil.copytree(grids, folder / "progress")
    if (work / EVENTS_FOLDER).is_dir():
        shutil.copytree(work / EVENTS_FOLDER, folder / EVENTS_FOLDER)
    model = load_model(folder, "")  # by the door that everybody uses
    samples_grid(model, SAMPLES).save(folder / SAMPLES_FILE)
    curves_picture(trained.curves, chooser.candidates, folder / CURVES_FILE)
    calibration, verdict = calibrate(model, palms)
    write_calibration(calibration, folder)
    reliability_picture(verdict, folder / RELIABILITY_FILE)
    facts = {
        "kimg": config.kimg,
        "chosen_kimg": chooser.best.seen / 1000,
        "rollbacks": trained.rollbacks,
        "image_size": config.image_size,
        "score_auc": verdict.auc,
        "score_auc_sd": verdict.auc_sd,
        "score_brier": verdict.brier,
        "score_brier_sd": verdict.brier_sd,
        "score_error": verdict.error,
        "score_says_little": verdict.says_little,
    }
    candidates = [vars(row) for row in chooser.candidates]
    write_metrics(
        folder, {**facts, "candidates": candidates, "score_report": verdict.to_json()}, trained.curves
    )
    write_card(folder, crops, config, chooser.best, verdict, start)
    shutil.rmtree(work, ignore_errors=True)
    return facts


def samples_grid(model: PalmModel, count: int, seed: int = 0) -> Image.Image:
    """The first `count` palms of a seed, unchosen."""
    return grid(model.draw(model.latents(seed, range(count))))


def curves_picture(curves: Sequence[Figures], candidates: Sequence[Candidate], path: Path) -> None:
    """Losses, logits, and the distance from people held out, over the photographs shown."""
    seen = np.array([row.seen for row in curves]) / 1000
    figure = Figure(figsize=(11, 3), layout="constrained")
    losses, logits, distances = figure.subplots(1, 3)
    losses.plot(seen, [row.loss_d for row in curves], label="discriminator")
    losses.plot(seen, [row.loss_g for row in curves], label="generator")
    logits.plot(seen, [row.logit_real for row in curves], label="on photographs")
    logits.plot(seen, [row.logit_fake for row in curves], label="on generated palms")
    best = min(candidates, key=lambda row: row.distance, default=None)
    distances.plot([row.seen / 1000 for row in candidates], [row.distance for row in candidates], marker=".")
    if best is not None:
        distances.plot(best.seen / 1000, best.distance, "o", label="kept")
    titles = ("Loss", "Discriminator's logit", "Kernel distance from people held out")
    for axes, title in zip((losses, logits, distances), titles, strict=True):
        axes.set(title=title, xlabel="thousand photographs shown")
        axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def reliability_picture(verdict: CalibrationReport, path: Path) -> None:
    """What the score promises beside what came true."""
    figure = Figure(figsize=(3.6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    promised = [row.predicted for row in verdict.bins]
    came_true = [row.observed for row in verdict.bins]
    axes.errorbar(promised, came_true, [row.sd for row in verdict.bins], fmt="none", elinewidth=1, capsize=2)
    # An area says how many palms a point stands for: most scores may lie in two bins.
    most = max(row.n for row in verdict.bins)
    axes.scatter(promised, came_true, [8 + 120 * row.n / most for row in verdict.bins], clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share that is real", title="Reliability")
    figure.savefig(path, dpi=110)
