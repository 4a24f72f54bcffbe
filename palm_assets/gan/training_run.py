"""A training run from crops to a model on disk: weights, samples, plots, calibration and model card."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from palm_assets.crops.extraction import Crops
from palm_assets.errors import QualityError, TrainingStoppedError
from palm_assets.gan.checkpoint import save_networks, write_metrics
from palm_assets.gan.checkpoint_selection import CheckpointRecord, CheckpointSelector
from palm_assets.gan.config import GanConfig
from palm_assets.gan.labeled_crops import label_counts, labeled_crops
from palm_assets.gan.metrics import TrainingMetrics
from palm_assets.gan.model_card import write_model_card
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.people_record import NOBODY, HeldOutOverlap, population_of, read_people, write_people
from palm_assets.gan.plot_files import CURVES_FILE, RELIABILITY_FILE, SAMPLES_FILE
from palm_assets.gan.plots import plot_curves, plot_reliability, sample_grid
from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.gan.score_calibration import calibrate, write_calibration
from palm_assets.gan.tensorboard_log import EVENTS_FOLDER, TensorBoardLog
from palm_assets.gan.training_loop import STATE_FILE, training_loop
from palm_assets.progress import ShouldStop
from palm_assets.quality.reliability import CalibrationReport
from palm_assets.store.artifacts import Artifact
from palm_assets.store.origins import Origin

CHECKPOINTS_FOLDER = "checkpoints"
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
    origin: Origin | None = None,
    report: Callable[[TrainingMetrics], None],
    on_checkpoint: Callable[[Image.Image, CheckpointRecord], None] = lambda samples, record: None,
    should_stop: ShouldStop,
) -> dict[str, Any]:
    """Train on the train split; write the checkpoint closest to the people of validation into `folder`.

    Sample grids go to `folder/progress`, and event files to `folder/tensorboard` if TensorBoard is installed.

    Args:
        crops: of all splits; those of test are not used.
        artifact: the artifact that holds them.
        config: networks and recipe.
        folder: folder to fill with the model.
        work: folder for the resumable state; the caller removes it once the model is published.
        start: the model that training starts from, if any.
        origin: of what the model is trained on, for its card.
        report: called about once a second.
        on_checkpoint: called with the sample grid and the record of each checkpoint.
        should_stop: asked after every step; True saves the state and ends training.

    Returns:
        Facts for the manifest. Without "score_auc" and the like if the score cannot be calibrated
        ("score_missing" says why). "trained_on_held_out" counts the people held out here whom the model that
        training started from was trained on; there may be more if "held_out_unknown".

    Raises:
        TrainingStoppedError: `should_stop()` became true; the state stays in `work`.
        TrainingDivergedError, DatasetError, CheckpointError: see `training_loop`.
    """
    if not (work / STATE_FILE).is_file():  # what an earlier run left that has to start over
        for name in (PROGRESS_FOLDER, CHECKPOINTS_FOLDER, EVENTS_FOLDER):
            shutil.rmtree(work / name, ignore_errors=True)
    grids = work / PROGRESS_FOLDER
    grids.mkdir(parents=True, exist_ok=True)
    selector = CheckpointSelector(crops.validation, work / CHECKPOINTS_FOLDER)
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

    images, labels = labeled_crops(crops, config.labels)
    try:
        result = training_loop(
            images,
            config,
            work,
            labels=labels,
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
    score = _calibrate(model, crops, folder)
    overlap = _record_people(crops, artifact, start, folder)
    facts = {
        "kimg": config.kimg,
        "chosen_kimg": selector.best.images_seen / 1000,
        "rollbacks": result.rollbacks,
        "image_size": config.image_size,
        **({"labels": config.labels, "label_counts": label_counts(crops)} if config.labels else {}),
        **_score_facts(score),
        "trained_on_held_out": overlap.people,
        "held_out_unknown": overlap.unknown,
    }
    checkpoints = [vars(row) for row in selector.checkpoints]
    metrics: dict[str, Any] = {**facts, "checkpoints": checkpoints}
    if isinstance(score, CalibrationReport):
        metrics["score_report"] = score.to_json()
    write_metrics(folder, metrics, result.metrics)
    write_model_card(folder, artifact, config, selector.best, score, start, overlap, origin)
    return facts


def _calibrate(model: PalmModel, crops: Crops, folder: Path) -> CalibrationReport | str:
    """Write the calibration of the score and its plot; the reason if it cannot be calibrated."""
    try:
        calibration, report = calibrate(model, crops)
    except QualityError as error:  # a model without a score is better than a training that was in vain
        return error.what
    write_calibration(calibration, folder)
    plot_reliability(report, folder / RELIABILITY_FILE)
    return report


def _score_facts(score: CalibrationReport | str) -> dict[str, Any]:
    if isinstance(score, str):
        return {"score_missing": score}
    return {
        "score_auc": score.auc,
        "score_auc_sd": score.auc_sd,
        "score_brier": score.brier,
        "score_brier_sd": score.brier_sd,
        "score_calibration_error": score.calibration_error,
        "score_uninformative": score.uninformative,
    }


def _record_people(crops: Crops, artifact: Artifact, start: Artifact | None, folder: Path) -> HeldOutOverlap:
    """Write the record of the people trained on; returns whom of those held out training had seen before."""
    before = NOBODY if start is None else read_people(start.folder)
    population = population_of(artifact.facts)
    write_people(before.including(crops.people.train, population), folder)
    return before.overlap(crops.people.held_out, population)
