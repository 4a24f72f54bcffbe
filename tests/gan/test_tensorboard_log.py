"""TensorBoard's event files, read back by TensorBoard."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from palm_assets.gan import tensorboard_log
from palm_assets.gan.checkpoint_selection import CheckpointRecord
from palm_assets.gan.metrics import TrainingMetrics
from palm_assets.gan.tensorboard_log import TensorBoardLog


def metrics(images_seen: int, loss_d: float) -> TrainingMetrics:
    return TrainingMetrics(images_seen, 1000, loss_d, 1.0, 0.5, -0.5, 400.0, 0.7)


def test_tensorboard_reads_the_metrics_and_grids_of_a_run_and_of_its_resumption(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = TensorBoardLog(tmp_path)
    first.add_metrics(metrics(64, 1.25))
    first.add_checkpoint(Image.new("RGB", (20, 10), "red"), CheckpointRecord(64, 0.75, 0.1))
    first.close()
    resumed = TensorBoardLog(tmp_path)
    resumed.add_metrics(metrics(128, 0.5))
    resumed.close()

    found = EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in found.Scalars("loss/discriminator")] == [(64, 1.25), (128, 0.5)]
    assert [(e.step, e.value) for e in found.Scalars("kernel_distance_to_held_out")] == [(64, 0.75)]
    (image,) = found.Images("samples")
    assert (image.step, image.width, image.height) == (64, 20, 10)


def test_without_tensorboard_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorboard_log, "find_spec", lambda name: None)
    log = TensorBoardLog(tmp_path)
    log.add_metrics(metrics(64, 1.0))
    log.add_checkpoint(Image.new("RGB", (2, 2)), CheckpointRecord(64, 0.75, 0.1))
    log.close()
    assert list(tmp_path.iterdir()) == []
