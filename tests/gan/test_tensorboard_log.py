"""TensorBoard's event files, read back by TensorBoard."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from palm_assets.gan import tensorboard_log as events
from palm_assets.gan.checkpoint_selection import Candidate
from palm_assets.gan.tensorboard_log import TensorBoardLog
from palm_assets.gan.training_loop import TrainingMetrics


def figures(seen: int, loss_d: float) -> TrainingMetrics:
    return TrainingMetrics(seen, 1000, loss_d, 1.0, 0.5, -0.5, 400.0, 0.7)


def test_tensorboard_reads_the_curves_and_grids_of_a_run_and_of_its_continuation(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = TensorBoardLog(tmp_path)
    first.figures(figures(64, 1.25))
    first.evaluation(Image.new("RGB", (20, 10), "red"), Candidate(64, 0.75, 0.1))
    first.close()
    resumed = TensorBoardLog(tmp_path)
    resumed.figures(figures(128, 0.5))
    resumed.close()

    found = EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in found.Scalars("loss/discriminator")] == [(64, 1.25), (128, 0.5)]
    assert [(e.step, e.value) for e in found.Scalars("distance_from_held_out")] == [(64, 0.75)]
    (picture,) = found.Images("samples")
    assert (picture.step, picture.width, picture.height) == (64, 20, 10)


def test_without_tensorboard_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "find_spec", lambda name: None)
    quiet = TensorBoardLog(tmp_path)
    quiet.figures(figures(64, 1.0))
    quiet.evaluation(Image.new("RGB", (2, 2)), Candidate(64, 0.75, 0.1))
    quiet.close()
    assert list(tmp_path.iterdir()) == []
