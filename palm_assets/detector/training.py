"""Trains the palm detector with Ultralytics and measures it on the test split."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from palm_assets.detector.boxes import BoxSet
from palm_assets.detector.config import DETECTIONS_FILE, DetectorConfig
from palm_assets.detector.detection import DETECTOR_FILE, load_detector
from palm_assets.detector.detection_grid import detection_grid
from palm_assets.detector.saved_epochs import SavedEpochs
from palm_assets.detector.ultralytics_layout import lay_out_for_ultralytics
from palm_assets.errors import DetectorError, PalmError, PhotoError, TrainingStoppedError
from palm_assets.photos.reader import read_photo
from palm_assets.progress import ShouldStop, never
from palm_assets.runtime import use_all_cores

EPOCHS_FILE = "curves.csv"
IMAGES_SHOWN = 24


def train_detector(
    boxes: BoxSet,
    config: DetectorConfig,
    folder: Path,
    work: Path,
    *,
    on_epoch: Callable[[int, dict[str, float]], None] = lambda epoch, metrics: None,
    should_stop: ShouldStop = never,
) -> dict[str, Any]:
    """Train on the training split, keep the epoch that is best on the validation split, measure on the test.

    Writes `detector.safetensors`, `curves.csv` and `detections.png` into `folder`. Ultralytics' own files go
    to `work`; an interrupted training resumes after its last whole epoch. The caller removes `work` once the
    detector is published.

    Args:
        boxes: the labeled images.
        config: how to train.
        folder: receives the results.
        work: the resumable state.
        on_epoch: called with the number of epochs done and the metrics on the validation split.
        should_stop: called after every batch; True ends the training.

    Returns:
        Facts for the manifest: `ap50` and `ap50_95` on the test split, in [0, 1], and the number of epochs.

    Raises:
        DetectorError: the starting weights are not available, or training fails.
        TrainingStoppedError: `should_stop` returned True; the last whole epoch is kept in `work`.
    """
    from palm_assets.detector.ultralytics_import import YOLO

    shutil.rmtree(work / "set", ignore_errors=True)
    data = lay_out_for_ultralytics(boxes, work / "set")
    saved = SavedEpochs(work)
    done = saved.restore()
    if done == 0:
        shutil.rmtree(work / "run", ignore_errors=True)
    yolo = YOLO(str(saved.last)) if done else _starting_point(config)

    def set_up_epoch(trainer: Any) -> None:
        # Ultralytics sets one thread and the slower memory layout; on a CPU each halves the speed.
        use_all_cores()
        trainer.model.to(memory_format=_channels_last())

    def report(trainer: Any) -> None:
        metrics = {name: float(value) for name, value in trainer.metrics.items()}
        if trainer.epoch < config.epochs:  # Ultralytics calls once more for the final model
            on_epoch(trainer.epoch + 1, metrics)

    def save(trainer: Any) -> None:
        saved.save(config.epochs if trainer.stop else trainer.epoch + 1)  # it may stop early

    def stop(trainer: Any) -> None:
        if should_stop():
            raise TrainingStoppedError(
                "Training was stopped", hint="Materialize it again: it resumes after its last whole epoch."
            )

    yolo.add_callback("on_train_epoch_start", set_up_epoch)
    yolo.add_callback("on_train_batch_end", stop)
    yolo.add_callback("on_model_save", save)
    yolo.add_callback("on_fit_epoch_end", report)
    with _typed_errors(boxes):
        if done < config.epochs:
            yolo.train(
                resume=done > 0,
                data=str(data),
                epochs=config.epochs,
                imgsz=config.image_size,
                batch=config.batch,
                nbs=config.batch,  # an update per batch; by default only one per 64 images
                seed=config.seed,
                project=str(work),
                name="run",
                exist_ok=True,
                workers=0,
                cache="ram",
                plots=False,
                amp=False,  # its AMP check downloads weights
                verbose=False,
                deterministic=True,
            )

        best: Any = YOLO(str(saved.best))
        use_all_cores()
        metrics = best.val(
            data=str(data),
            split="test",
            imgsz=config.image_size,
            batch=config.batch,
            workers=0,
            plots=False,
            verbose=False,
            project=str(work),
            name="val",
            exist_ok=True,
        )

    weights = {name: value.contiguous() for name, value in best.model.float().state_dict().items()}
    save_file(
        weights,
        folder / DETECTOR_FILE,
        metadata={"architecture": json.dumps(best.model.yaml), "image_size": str(config.image_size)},
    )
    epochs = _copy_epochs(work / "run" / "results.csv", folder / EPOCHS_FILE)
    _save_detections(boxes, folder)
    return {"ap50": float(metrics.box.map50), "ap50_95": float(metrics.box.map), "epochs": epochs}


def _starting_point(config: DetectorConfig) -> Any:
    from palm_assets.detector.ultralytics_import import YOLO

    try:
        return YOLO(config.start, task="detect")
    except Exception as error:  # whatever a download, an unpickler or a YAML reader may raise
        raise DetectorError(
            f"Cannot start from {config.start}: {error}",
            hint="Put the file there, check the network, or set `start: yolo11n.yaml` to train from scratch.",
        ) from error


@contextlib.contextmanager
def _typed_errors(boxes: BoxSet) -> Iterator[None]:
    """Make a DetectorError of the many classes of errors by which Ultralytics reports a bad set."""
    try:
        yield
    except Exception as error:
        if isinstance(error, PalmError) or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise DetectorError(
            f"Training the detector failed: {error}",
            where=boxes.root,
            hint="Check the labeled images there.",
        ) from error


def _channels_last() -> Any:
    import torch

    return torch.channels_last


def _copy_epochs(source: Path, target: Path) -> int:
    """Copy Ultralytics' table of losses and metrics without its padding; return the number of epochs.

    An epoch that was interrupted after its row was written has two: the later one counts.
    """
    with source.open(newline="", encoding="utf-8") as stream:
        head, *rows = [[cell.strip() for cell in row] for row in csv.reader(stream)]
    epochs = {row[0]: row for row in rows}
    with target.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([head, *epochs.values()])
    return len(epochs)


def _save_detections(boxes: BoxSet, folder: Path) -> None:
    tests = boxes.of("test")
    chosen = tests[:: max(1, len(tests) // IMAGES_SHOWN)][:IMAGES_SHOWN]
    photos, truths = [], []
    for image in chosen:
        with contextlib.suppress(PhotoError):  # Ultralytics leaves out such images, too
            photos.append(read_photo(boxes.root / image.path, max_megapixels=boxes.max_megapixels))
            truths.append(image.boxes)
    found = load_detector(folder).detect(photos)
    detection_grid(photos, truths, found).save(folder / DETECTIONS_FILE)
