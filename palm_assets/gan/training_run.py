"""A training run from crops to a model on disk: weights, samples, plots, calibration and model card."""

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
from palm_assets.gan.plot_files import CURVES_FILE, RELIABILITY_FILE, SAMPLES_FILE
from palm_assets.gan.plots import plot_curves, plot_reliability, sample_grid
from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.gan.score_calibration import calibrate, write_calibration
from palm_assets.gan.tensorboard_log import EVENTS_FOLDER, TensorBoardLog
from palm_assets.gan.training_loop import training_loop
from palm_assets.progress import ShouldStop
from palm_assets.store.artifacts import Artifact

PROGRESS_FOLDER = "progress"  # of sample grids
SNAPSHOT_SAMPLES = 36
SAMPLES = 64


def run_training(
    crops: Crops,
    artifact: Artifact,
    config: GanConfig,
    folder: Path,
    work: Path,
    *,
    start: Artifact | None = None,
    report: Callable[[TrainingMetrics], None],
    on_checkpoint: Callable[[Image.Image, CheckpointRecord], None] = lambda samples, record: None,
    should_stop: ShouldStop,
) -> dict[str, Any]:
    """Train on the training split; write the checkpoint closest to the held-out people into `folder`.

    Sample grids go to `folder/progress`, and event files to `folder/tensorboard` if TensorBoard is installed.

    Args:
        crops: the training and held-out crops.
        artifact: the artifact that holds them.
        config: networks and recipe.
        folder: folder to fill with the model.
        work: folder for the resumable state, removed at the end.
        start: the model that training starts from, if any.
        report: called about once a second.
        on_checkpoint: called with the sample grid and the record of each checkpoint.
        should_stop: asked after every step; True saves the state and ends training.

    Returns:
        Facts for the manifest.

    Raises:
        TrainingStoppedError: `should_stop()` became true; the state stays in `work`.
        TrainingDivergedError, DatasetError, CheckpointError: see `training_loop`.
    """
    grids = work / PROGRESS_FOLDER
    grids.mkdir(parents=True, exist_ok=True)
    selector = CheckpointSelector(crops.holdout, work / "checkpoints")
    log = TensorBoardLog(work / EVENTS_FOLDER)

    def on_report(metrics: TrainingMetrics) -> None:
        log.add_metrics(metrics)
        report(metrics)

    def snapshot(generator: Generator, discriminator: Discriminator, images_seen: int) -> None:
        model = PalmModel(generator.cpu(), discriminator.cpu(), config.networks(), "", folder)
        samples = sample_grid(model, SNAPSHOT_SAMPLES)
        samples.save(grids / f"{images_seen // 1000:06d}-kimg.png")
        record = selector.consider(model, images_seen)
        log.add_checkpoint(samples, record)
        on_checkpoint(samples, record)

    try:
        result = training_loop(
            crops.train,
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
            "Training was stopped", hint="Start it again: it resumes from the saved state."
        )
    save_networks(*selector.networks(), config.networks(), folder)
    shutil.copytree(grids, folder / PROGRESS_FOLDER)
    if (work / EVENTS_FOLDER).is_dir():
        shutil.copytree(work / EVENTS_FOLDER, folder / EVENTS_FOLDER)
    model = load_model(folder, "")  # as its users will
    sample_grid(model, SAMPLES).save(folder / SAMPLES_FILE)
    plot_curves(result.metrics, selector.checkpoints, folder / CURVES_FILE)
    calibration, score_report = calibrate(model, crops)
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
        "score_calibration_error": score_report.calibration_error,
        "score_uninformative": score_report.uninformative,
    }
    checkpoints = [vars(row) for row in selector.checkpoints]
    metrics = {**facts, "checkpoints": checkpoints, "score_report": score_report.to_json()}
    write_metrics(folder, metrics, result.metrics)
    write_model_card(folder, artifact, config, selector.best, score_report, start)
    shutil.rmtree(work, ignore_errors=True)
    return facts
