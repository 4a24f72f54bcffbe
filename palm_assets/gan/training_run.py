"""A training run from crops to a finished model on disk: weights, samples, curves, calibration and card."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from palm_assets.crops.extraction import Crops
from palm_assets.errors import TrainingStoppedError
from palm_assets.gan.checkpoint import save_networks, write_metrics
from palm_assets.gan.checkpoint_selection import CheckpointRecord, CheckpointSelector
from palm_assets.gan.config import GanConfig
from palm_assets.gan.metrics import TrainingMetrics
from palm_assets.gan.model_card import write_model_card
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.plots import (
    CURVES_FILE,
    RELIABILITY_FILE,
    SAMPLES_FILE,
    plot_curves,
    plot_reliability,
    sample_grid,
)
from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.gan.score_calibration import calibrate, write_calibration
from palm_assets.gan.tensorboard_log import EVENTS_FOLDER, TensorBoardLog
from palm_assets.gan.training_loop import training_loop
from palm_assets.progress import ShouldStop
from palm_assets.store.artifacts import Artifact

SAMPLES = 64


def run_training(
    palms: Crops,
    crops: Artifact,
    config: GanConfig,
    folder: Path,
    work: Path,
    *,
    start: Artifact | None = None,
    report: Callable[[TrainingMetrics], None],
    on_checkpoint: Callable[[Image.Image, CheckpointRecord], None] = lambda samples, record: None,
    should_stop: ShouldStop,
) -> dict[str, Any]:
    """Train on the training split; write the checkpoint nearest to held-out people into `folder`.

    Sample grids go to `folder/progress`; `on_checkpoint(samples, record)` is called with each as it is made.
    TensorBoard's event files go to `folder/tensorboard`, if the package is installed.

    Returns:
        Facts for the manifest.

    Raises:
        TrainingStoppedError: stopped early; the state stays in `work`.
        TrainingDivergedError, DatasetError, CheckpointError: see `training_loop`.
    """
    grids = work / "progress"
    grids.mkdir(parents=True, exist_ok=True)
    selector = CheckpointSelector(palms.holdout, work / "checkpoints")
    log = TensorBoardLog(work / EVENTS_FOLDER)

    def on_report(metrics: TrainingMetrics) -> None:
        log.add_metrics(metrics)
        report(metrics)

    def snapshot(generator: Generator, discriminator: Discriminator, images_seen: int) -> None:
        model = PalmModel(generator.cpu(), discriminator.cpu(), config.networks(), "", folder)
        samples = sample_grid(model, 36)
        samples.save(grids / f"{images_seen // 1000:06d}-kimg.png")
        record = selector.consider(model, images_seen)
        log.add_checkpoint(samples, record)
        on_checkpoint(samples, record)

    try:
        result = training_loop(
            palms.train,
            config,
            work,
            start=None if start is None else start.folder,
            report=on_report,
            snapshot=snapshot,
            should_stop=should_stop,
        )
    finally:
        log.close()
    if result is None:
        raise TrainingStoppedError(
            "Training was stopped", hint="Materialize it again: it resumes from the saved state."
        )
    save_networks(*selector.networks(), config.networks(), folder)
    shutil.copytree(grids, folder / "progress")
    if (work / EVENTS_FOLDER).is_dir():
        shutil.copytree(work / EVENTS_FOLDER, folder / EVENTS_FOLDER)
    model = load_model(folder, "")  # as everybody else will load it
    sample_grid(model, SAMPLES).save(folder / SAMPLES_FILE)
    plot_curves(result.metrics, selector.checkpoints, folder / CURVES_FILE)
    calibration, score_report = calibrate(model, palms)
    write_calibration(calibration, folder)
    plot_reliability(score_report, folder / RELIABILITY_FILE)
    facts = {
        "kimg": config.kimg,
        "chosen_kimg": selector.best.images_seen / 1000,
        "rollbacks": result.rollbacks,
        "image_size": config.image_size,
        "score_auc": score_report.auc,
        "score_auc_sd": score_report.auc_sd,
        "score_brier": score_report.brier,
        "score_brier_sd": score_report.brier_sd,
        "score_error": score_report.error,
        "score_says_little": score_report.says_little,
    }
    checkpoints = [vars(row) for row in selector.checkpoints]
    metrics = {**facts, "checkpoints": checkpoints, "score_report": score_report.to_json()}
    write_metrics(folder, metrics, result.metrics)
    write_model_card(folder, crops, config, selector.best, score_report, start)
    shutil.rmtree(work, ignore_errors=True)
    return facts
