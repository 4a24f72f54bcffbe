"""The two trainings as jobs: plain values in, files in a folder and facts out, in whichever process."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from palm_assets.stages.open_artifacts import open_boxes, open_crops, open_start
from palm_assets.store.artifacts import Store

Job = dict[str, Any]
"""`task` (detector or models), `home`, `inputs` (versions), `config`, `folder` to fill, `work` for state."""

Say = Callable[[str], None]
SAY_SECONDS = 10.0


class Show(Protocol):
    """Shows where training stands: figures by name, and a picture."""

    def __call__(self, figures: dict[str, float], picture: Image.Image | None = None) -> None:
        """Show it at once."""
        ...


def show_nothing(figures: dict[str, float], picture: Image.Image | None = None) -> None:
    """For a terminal, which has no place for pictures."""


def perform(
    job: Job, *, say: Say, show: Show = show_nothing, stopped: Callable[[], bool] = lambda: False
) -> dict[str, Any]:
    """Run a job into its folder and return its facts.

    Args:
        job: what to do.
        say: told a line about every ten seconds.
        show: called after every epoch of the detector, and with every sample grid of the DCGAN.
        stopped: asked after every step; True saves the state and ends the job.

    Raises:
        TrainingStoppedError: `stopped()` became true; the state is saved.
        PalmError: whatever the stage refuses.
    """
    tasks = {"detector": _detector, "models": _model}
    return tasks[job["task"]](job, say, show, stopped)


def _detector(job: Job, say: Say, show: Show, stopped: Callable[[], bool]) -> dict[str, Any]:
    from palm_assets.detector.config import DetectorConfig
    from palm_assets.detector.training import train_detector

    config = DetectorConfig(**job["config"])
    boxes = open_boxes(Store(Path(job["home"])).open("boxes", job["inputs"]["boxes"]))
    started = time.monotonic()

    def on_epoch(epoch: int, figures: dict[str, float]) -> None:
        ap50 = figures.get("metrics/mAP50(B)", 0.0)
        eta = _eta(started, epoch, config.epochs)
        say(f"epoch {epoch}/{config.epochs}, {eta}, AP50 on validation {ap50:.3f}")
        show({"epoch": epoch, **figures})

    say(f"training the palm detector from {config.start}: {boxes.facts()}")
    return train_detector(
        boxes, config, Path(job["folder"]), Path(job["work"]), on_epoch=on_epoch, stopped=stopped
    )


def _model(job: Job, say: Say, show: Show, stopped: Callable[[], bool]) -> dict[str, Any]:
    from palm_assets.gan.checkpoint_selection import Candidate
    from palm_assets.gan.config import GanConfig
    from palm_assets.gan.training_loop import STATE_FILE, Figures
    from palm_assets.gan.training_run import train_and_publish

    config = GanConfig(**job["config"])
    store = Store(Path(job["home"]))
    crops, start = store.open("crops", job["inputs"]["crops"]), open_start(store, config.start)
    told = 0.0
    first: Figures | None = None
    latest: Figures | None = None
    started = time.monotonic()

    def report(figures: Figures) -> None:
        nonlocal told, first, latest
        first = first or figures
        latest = figures
        if time.monotonic() - told < SAY_SECONDS and figures.seen < figures.total:
            return
        told = time.monotonic()
        eta = _eta(started, figures.seen - first.seen, figures.total - first.seen)
        say(
            f"{figures.seen / 1000:.1f}/{figures.total / 1000:.0f} kimg, {eta}, "
            f"{figures.images_per_second:.0f} images/s, loss D {figures.loss_d:.2f} G {figures.loss_g:.2f}"
        )

    def evaluated(samples: Image.Image, candidate: Candidate) -> None:
        known = (
            {} if latest is None else {k: v for k, v in vars(latest).items() if k not in ("seen", "total")}
        )
        show({"kimg": candidate.seen / 1000, "distance_from_held_out": candidate.distance, **known}, samples)

    goes_on = (Path(job["work"]) / STATE_FILE).is_file()
    say(
        f"training a {config.image_size} px DCGAN on {crops.facts['crops']['train']} palms"
        + ("" if start is None else f", starting from model {start.version}")
        + (", from where an earlier run saved its state" if goes_on else "")
    )
    return train_and_publish(
        open_crops(crops),
        crops,
        config,
        Path(job["folder"]),
        Path(job["work"]),
        start=start,
        report=report,
        evaluated=evaluated,
        stopped=stopped,
    )


def _eta(started: float, done: int, total: int) -> str:
    if done <= 0:
        return "ETA unknown yet"
    seconds = (time.monotonic() - started) / done * (total - done)
    return f"ETA {int(seconds // 60)}:{int(seconds % 60):02d}"


def run_here(job: Job) -> dict[str, Any]:
    """Run a job in this process, with progress on the terminal."""
    return perform(job, say=lambda line: print(line, file=sys.stderr))
