"""Training jobs: a frozen model in, files in a folder and facts out, in this process or another."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from palm_assets import errors
from palm_assets.detector.config import DetectorConfig
from palm_assets.detector.starting_weights import identify_start
from palm_assets.errors import DetectorError, PalmError
from palm_assets.gan.config import GanConfig
from palm_assets.progress import ShouldStop, never
from palm_assets.stages.boxes import open_unchanged_boxes
from palm_assets.stages.crops import open_crops
from palm_assets.stages.start_model import open_start_model
from palm_assets.store.artifacts import Store
from palm_assets.store.origins import origin_of_training

if TYPE_CHECKING:
    from PIL import Image

    from palm_assets.gan.checkpoint_selection import CheckpointRecord
    from palm_assets.gan.metrics import TrainingMetrics

LOG_SECONDS = 10.0


class _Job(BaseModel):
    """What a training reads and writes.

    Attributes:
        home: folder of the artifact store.
        inputs: versions of the artifacts that it trains on, by role.
        folder: an empty folder, for the artifact's files.
        work: a folder for the resumable state.
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
"""Validates a job from another process."""


class JobOutcome(BaseModel):
    """How a job ended in another process: with facts, or with an error that a person can act on."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    facts: dict[str, Any] | None = None
    error_type: str = ""
    what: str = ""
    where: str | None = None
    hint: str = ""

    @classmethod
    def of_error(cls, error: PalmError) -> Self:
        """The outcome of a job that failed; of a path that is not UTF-8, bytes become escapes."""
        texts = {"what": error.what, "where": error.where or "", "hint": error.hint}
        texts = {key: text.encode("utf-8", "backslashreplace").decode() for key, text in texts.items()}
        return cls(error_type=type(error).__name__, **{**texts, "where": texts["where"] or None})

    def facts_or_raise(self) -> dict[str, Any]:
        """The facts for the manifest.

        Raises:
            PalmError: the error with which the job failed, of its own type.
        """
        if self.facts is not None:
            return self.facts
        error_type: type[PalmError] = getattr(errors, self.error_type, PalmError)
        raise error_type(self.what, where=self.where, hint=self.hint)


Log = Callable[[str], None]


class Report(Protocol):
    """Receives metrics by name, and perhaps a grid of samples, while a training runs."""

    def __call__(self, metrics: dict[str, float], image: Image.Image | None = None) -> None:
        """Show them at once."""
        ...


def no_report(metrics: dict[str, float], image: Image.Image | None = None) -> None:
    """Show nothing."""


def run_job(
    job: TrainingJob, *, log: Log, report: Report = no_report, should_stop: ShouldStop = never
) -> dict[str, Any]:
    """Run a job: fill its folder, and return the facts for the manifest.

    Args:
        job: what to train.
        log: called with a line, for the DCGAN about every ten seconds.
        report: called after every epoch of the detector, and at every snapshot of the DCGAN.
        should_stop: called after every step; True saves the state and ends the job.

    Raises:
        TrainingStoppedError: `should_stop` returned True; the state is saved.
        PalmError: the training failed for a reason that a person can remove.
    """
    if isinstance(job, DetectorJob):
        return _train_detector(job, log, report, should_stop)
    return _train_model(job, log, report, should_stop)


def _train_detector(job: DetectorJob, log: Log, report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    from palm_assets.detector.training import train_detector

    boxes = open_unchanged_boxes(Store(job.home).open("boxes", job.inputs["boxes"]))
    if job.inputs["start"] != identify_start(job.config.start):
        raise DetectorError(
            "The file with the starting weights has changed", where=job.config.start, hint="Start again."
        )
    started = time.monotonic()

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        ap50 = metrics.get("metrics/mAP50(B)", 0.0)
        eta = _eta(started, epoch, job.config.epochs)
        log(f"epoch {epoch}/{job.config.epochs}, {eta}, AP50 on the validation split {ap50:.3f}")
        report({"epoch": epoch, **metrics})

    log(f"training the palm detector from {job.config.start}: {boxes.facts()}")
    return train_detector(boxes, job.config, job.folder, job.work, on_epoch=on_epoch, should_stop=should_stop)


def _train_model(job: ModelJob, log: Log, report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    from palm_assets.gan.score_calibration import calibration_problem
    from palm_assets.gan.training_loop import STATE_FILE
    from palm_assets.gan.training_run import run_training

    config, store = job.config, Store(job.home)
    crops, start = store.open("crops", job.inputs["crops"]), open_start_model(store, config.start)
    opened = open_crops(crops)
    if problem := calibration_problem(opened):
        log(f"the score of this model will not be calibrated: {problem}")
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
            f"{metrics.images_seen / 1000:.1f}/{metrics.total / 1000:g} kimg, {eta}, "
            f"{metrics.images_per_second:.0f} images/s, loss D {metrics.loss_d:.2f} G {metrics.loss_g:.2f}"
        )

    def on_checkpoint(samples: Image.Image, record: CheckpointRecord) -> None:
        metrics = {} if latest is None else dict(vars(latest))
        constants = ("augment_probability",) if config.augment_target == 0 else ()
        for name in ("images_seen", "total", *constants):
            metrics.pop(name, None)
        distance = {"kernel_distance_to_held_out": record.kernel_distance}
        report({"kimg": record.images_seen / 1000, **distance, **metrics}, samples)

    resumed = (job.work / STATE_FILE).is_file()
    log(
        f"training a {config.image_size} px DCGAN on {crops.facts['crops']['train']} crops"
        + ("" if start is None else f", starting from model {start.version}")
        + (", resuming from the saved state of an earlier run" if resumed else "")
    )
    return run_training(
        opened,
        crops,
        config,
        job.folder,
        job.work,
        start=start,
        origin=origin_of_training(job.home, crops.version, "" if start is None else start.version),
        report=on_metrics,
        on_checkpoint=on_checkpoint,
        should_stop=should_stop,
    )


def _eta(started: float, done: int, total: int) -> str:
    if done <= 0:
        return "ETA unknown"
    seconds = (time.monotonic() - started) / done * (total - done)
    return f"ETA {int(seconds // 60)}:{int(seconds % 60):02d}"
