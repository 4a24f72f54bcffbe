"""The two trainings as jobs: a frozen model in, files in a folder and facts out, in whichever process."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from palm_assets.detector.config import DetectorConfig
from palm_assets.gan.config import GanConfig
from palm_assets.progress import ShouldStop, never
from palm_assets.stages.open_artifacts import open_boxes, open_crops, open_start
from palm_assets.store.artifacts import Store

if TYPE_CHECKING:
    from PIL import Image

    from palm_assets.gan.checkpoint_selection import CheckpointRecord
    from palm_assets.gan.metrics import TrainingMetrics

LOG_SECONDS = 10.0


class _Job(BaseModel):
    """Where a training reads and writes.

    Attributes:
        home: folder of the artifact store.
        inputs: versions of the artifacts that it trains on.
        folder: empty folder to fill.
        work: folder of the resumable state.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path
    inputs: dict[str, str]
    folder: Path
    work: Path


class DetectorJob(_Job):
    """Train the palm detector."""

    kind: Literal["detector"] = "detector"
    config: DetectorConfig


class ModelJob(_Job):
    """Train a DCGAN."""

    kind: Literal["models"] = "models"
    config: GanConfig


TrainingJob = DetectorJob | ModelJob
TRAINING_JOB: TypeAdapter[TrainingJob] = TypeAdapter(Annotated[TrainingJob, Field(discriminator="kind")])
"""Validates a job that comes from another process."""

Log = Callable[[str], None]


class Report(Protocol):
    """Shows how training is doing: metrics by name, and an image."""

    def __call__(self, metrics: dict[str, float], image: Image.Image | None = None) -> None:
        """Show it at once."""
        ...


def report_nothing(metrics: dict[str, float], image: Image.Image | None = None) -> None:
    """For a terminal, which has no place for images."""


def run_job(
    job: TrainingJob, *, log: Log, report: Report = report_nothing, should_stop: ShouldStop = never
) -> dict[str, Any]:
    """Run a job into its folder and return the facts for the manifest.

    Args:
        job: what to do.
        log: called with a line about every ten seconds.
        report: called after every epoch of the detector, and with every sample grid of the DCGAN.
        should_stop: asked after every step; True saves the state and ends the job.

    Raises:
        TrainingStoppedError: `should_stop()` became true; the state is saved.
        PalmError: anything else that the training refuses.
    """
    if isinstance(job, DetectorJob):
        return _train_detector(job, log, report, should_stop)
    return _train_model(job, log, report, should_stop)


def run_in_this_process(job: TrainingJob) -> dict[str, Any]:
    """Run a job here, with progress on the terminal."""
    return run_job(job, log=lambda line: print(line, file=sys.stderr))


def _train_detector(job: DetectorJob, log: Log, report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    from palm_assets.detector.training import train_detector

    boxes = open_boxes(Store(job.home).open("boxes", job.inputs["boxes"]))
    started = time.monotonic()

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        ap50 = metrics.get("metrics/mAP50(B)", 0.0)
        eta = _eta(started, epoch, job.config.epochs)
        log(f"epoch {epoch}/{job.config.epochs}, {eta}, AP50 on validation {ap50:.3f}")
        report({"epoch": epoch, **metrics})

    log(f"training the palm detector from {job.config.start}: {boxes.facts()}")
    return train_detector(boxes, job.config, job.folder, job.work, on_epoch=on_epoch, should_stop=should_stop)


def _train_model(job: ModelJob, log: Log, report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    from palm_assets.gan.training_loop import STATE_FILE
    from palm_assets.gan.training_run import run_training

    config, store = job.config, Store(job.home)
    crops, start = store.open("crops", job.inputs["crops"]), open_start(store, config.start)
    last_log = 0.0
    first: TrainingMetrics | None = None
    latest: TrainingMetrics | None = None
    started = time.monotonic()

    def on_metrics(metrics: TrainingMetrics) -> None:
        nonlocal last_log, first, latest
        first = first or metrics
        latest = metrics
        if time.monotonic() - last_log < LOG_SECONDS and metrics.images_seen < metrics.total:
            return
        last_log = time.monotonic()
        eta = _eta(started, metrics.images_seen - first.images_seen, metrics.total - first.images_seen)
        log(
            f"{metrics.images_seen / 1000:.1f}/{metrics.total / 1000:.0f} kimg, {eta}, "
            f"{metrics.images_per_second:.0f} images/s, loss D {metrics.loss_d:.2f} G {metrics.loss_g:.2f}"
        )

    def on_checkpoint(samples: Image.Image, record: CheckpointRecord) -> None:
        known = {} if latest is None else dict(vars(latest))
        for name in ("images_seen", "total"):
            known.pop(name, None)
        distance = {"kernel_distance_to_held_out": record.kernel_distance}
        report({"kimg": record.images_seen / 1000, **distance, **known}, samples)

    resumed = (job.work / STATE_FILE).is_file()
    log(
        f"training a {config.image_size} px DCGAN on {crops.facts['crops']['train']} crops"
        + ("" if start is None else f", starting from model {start.version}")
        + (", resuming from the saved state of an earlier run" if resumed else "")
    )
    return run_training(
        open_crops(crops),
        crops,
        config,
        job.folder,
        job.work,
        start=start,
        report=on_metrics,
        on_checkpoint=on_checkpoint,
        should_stop=should_stop,
    )


def _eta(started: float, done: int, total: int) -> str:
    if done <= 0:
        return "ETA unknown yet"
    seconds = (time.monotonic() - started) / done * (total - done)
    return f"ETA {int(seconds // 60)}:{int(seconds % 60):02d}"
