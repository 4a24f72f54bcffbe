"""Training: reproducible and resumable bit for bit, and a typed error when it diverges."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from palm_assets.errors import CheckpointError, DatasetError, TrainingDivergedError
from palm_assets.gan import curves
from palm_assets.gan import training_loop as training_module
from palm_assets.gan.metrics import TrainingMetrics
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.trainer import Trainer
from palm_assets.gan.training_loop import (
    CURVES_FILE,
    SAFE_REPORTS,
    STATE_FILE,
    WON_LOSS,
    WON_REPORTS,
    divergence,
    training_loop,
)
from palm_assets.gan.training_state import load_state
from tests.gan.recipes import IMAGES, RECIPES, differing, tiny, weights

# Reproducible


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path, recipe: str) -> None:
    config = tiny(**RECIPES[recipe])
    torch.manual_seed(1)
    first = weights(training_loop(IMAGES, config, tmp_path / "1"))
    torch.manual_seed(2)
    assert differing(first, weights(training_loop(IMAGES, config, tmp_path / "2"))) == []
    other = weights(training_loop(IMAGES, config.model_copy(update={"seed": 1}), tmp_path / "3"))
    assert len(differing(first, other)) > 10


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_run_stopped_and_resumed_at_random_steps_ends_in_the_same_weights(
    tmp_path: Path, recipe: str
) -> None:
    config = tiny(**RECIPES[recipe])
    uninterrupted = training_loop(IMAGES, config, tmp_path / "uninterrupted")
    for attempt in range(2):
        stops = sorted(random.Random(f"{recipe}{attempt}").sample(range(1, 12), 3))
        done = 0
        for stop in stops:
            steps = itertools.count(done + 1)
            torch.manual_seed(stop)  # global random state must not matter
            should_stop = lambda steps=steps, stop=stop: next(steps) == stop  # noqa: E731
            assert training_loop(IMAGES, config, tmp_path / f"{attempt}", should_stop=should_stop) is None
            done = stop
        resumed = training_loop(IMAGES, config, tmp_path / f"{attempt}")
        assert differing(weights(uninterrupted), weights(resumed)) == [], f"stopped after {stops} steps"
        assert resumed is not None
        assert resumed.metrics[-1].images_seen == 96


RUN = """
import numpy as np, sys, time
from pathlib import Path
from palm_assets.gan.training_loop import training_loop
from tests.gan.recipes import IMAGES, tiny
def should_stop():
    time.sleep(0.02)
    return False
print("training", flush=True)
training_loop(IMAGES, tiny(kimg=8, save_minutes=1e-5), Path(sys.argv[1]), should_stop=should_stop)
"""


def test_a_killed_run_resumes_from_its_last_saved_state(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 60
    while not (tmp_path / STATE_FILE).exists():
        assert process.poll() is None, "the run ended early"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    process.kill()
    process.wait()
    notes = load_state(tmp_path / STATE_FILE, Trainer(IMAGES, tiny()).parts())
    assert notes is not None
    assert notes["images_seen"] >= 8
    reported: list[int] = []
    config = tiny(kimg=(notes["images_seen"] + 16) / 1000)
    resumed = training_loop(
        IMAGES, config, tmp_path, report=lambda metrics: reported.append(metrics.images_seen)
    )
    uninterrupted = training_loop(IMAGES, config, tmp_path / "uninterrupted")
    assert differing(weights(uninterrupted), weights(resumed)) == []
    assert reported == [notes["images_seen"] + 16]


def test_a_completed_run_is_not_trained_again(tmp_path: Path) -> None:
    first = weights(training_loop(IMAGES, tiny(), tmp_path))
    reports: list[TrainingMetrics] = []
    again = training_loop(IMAGES, tiny(), tmp_path, report=reports.append)
    assert reports == []
    assert differing(first, weights(again)) == []


def test_only_the_state_and_the_curves_are_left_in_the_work_folder(tmp_path: Path) -> None:
    training_loop(IMAGES, tiny(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CURVES_FILE, STATE_FILE]


def test_a_long_run_keeps_few_reports_and_none_of_them_in_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report a second for 4.7 days did not fit into the header of the state."""
    monkeypatch.setattr(training_module, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(curves, "MAX_ROWS", 16)
    config = tiny(kimg=0.8)
    steps = itertools.count(1)
    assert training_loop(IMAGES, config, tmp_path, should_stop=lambda: next(steps) == 60) is None
    trained = training_loop(IMAGES, config, tmp_path)
    assert trained is not None
    seen = [row.images_seen for row in trained.metrics]
    assert 8 <= len(seen) <= 16
    assert seen == sorted(set(seen))
    assert (seen[0], seen[-1]) == (8, 800)
    assert len((tmp_path / CURVES_FILE).read_text().splitlines()) == len(seen)
    with safe_open(tmp_path / STATE_FILE, framework="pt") as stored:
        notes = json.loads(stored.metadata()["notes"])
    assert len(notes["recent"]) == WON_REPORTS
    assert notes["age"] == 100


@pytest.mark.parametrize("damage", ["missing", "text", "binary"])
def test_unreadable_curves_do_not_end_a_training(tmp_path: Path, damage: str) -> None:
    steps = itertools.count(1)
    assert training_loop(IMAGES, tiny(), tmp_path, should_stop=lambda: next(steps) == 6) is None
    if damage == "missing":
        (tmp_path / CURVES_FILE).unlink()
    else:
        (tmp_path / CURVES_FILE).write_bytes(b'{"images_seen": 1}' if damage == "text" else b"\xff\x00")
    resumed = training_loop(IMAGES, tiny(), tmp_path)
    assert resumed is not None
    assert resumed.metrics[-1].images_seen == 96


@pytest.mark.parametrize("damage", ["cut", "text", "other networks"])
def test_an_unusable_state_is_a_typed_error_with_a_hint(tmp_path: Path, damage: str) -> None:
    training_loop(IMAGES, tiny(latent=9 if damage == "other networks" else 8), tmp_path)
    path = tmp_path / STATE_FILE
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    if damage == "text":
        path.write_text("not a state")
    with pytest.raises(CheckpointError, match="Delete it to train from the start") as refused:
        training_loop(IMAGES, tiny(), tmp_path)
    assert str(path) in str(refused.value)


# Reports and snapshots


def test_reports_and_snapshots_are_made_on_the_way(tmp_path: Path) -> None:
    reports: list[TrainingMetrics] = []
    snapshots: list[int] = []

    def snapshot(generator: Generator, discriminator: Discriminator, images_seen: int) -> None:
        assert not generator.training
        assert not discriminator.training
        assert generator(torch.zeros(2, 8)).shape == (2, 3, 16, 16)
        snapshots.append(images_seen)

    trained = training_loop(
        IMAGES, tiny(snapshot_kimg=0.04), tmp_path, report=reports.append, snapshot=snapshot
    )
    assert trained is not None
    assert trained.metrics == tuple(reports)
    assert (reports[-1].images_seen, reports[-1].total) == (96, 96)
    assert all(np.isfinite(list(dataclasses.astuple(row))).all() for row in reports)
    assert all(row.images_per_second > 0 for row in reports)
    assert snapshots == [40, 80, 96]


def test_a_snapshot_that_was_interrupted_is_taken_again_from_the_saved_state(tmp_path: Path) -> None:
    snapshots: list[int] = []

    def snapshot(generator: Generator, discriminator: Discriminator, images_seen: int) -> None:
        snapshots.append(images_seen)
        if snapshots in ([40, 80], [40, 80, 80, 96]):
            raise KeyboardInterrupt

    config = tiny(snapshot_kimg=0.04)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            training_loop(IMAGES, config, tmp_path, snapshot=snapshot)
    resumed = weights(training_loop(IMAGES, config, tmp_path, snapshot=snapshot))
    training_loop(IMAGES, config, tmp_path, snapshot=snapshot)
    assert snapshots == [40, 80, 80, 96, 96]
    assert differing(weights(training_loop(IMAGES, config, tmp_path / "uninterrupted")), resumed) == []


def test_snapshots_do_not_affect_training(tmp_path: Path) -> None:
    without = weights(training_loop(IMAGES, tiny(), tmp_path / "without"))
    snapshotted = training_loop(
        IMAGES,
        tiny(snapshot_kimg=0.04),
        tmp_path / "with",
        snapshot=lambda generator, discriminator, images_seen: torch.nn.init.zeros_(generator.main[0].weight),  # type: ignore[arg-type]
    )
    assert differing(without, weights(snapshotted)) == []


def test_training_learns_the_color_of_its_images(tmp_path: Path) -> None:
    """Not a test of quality, but that both networks learn: flat images of one color."""
    flat = np.broadcast_to(np.array([220, 120, 60], np.uint8)[None, :, None, None], (64, 3, 16, 16))
    trained = training_loop(
        flat, tiny(kimg=0.6, augment=[], generator_lr=4e-3, discriminator_lr=2e-3, ema_kimg=0.1), tmp_path
    )
    assert trained is not None
    colors = (trained.generator(torch.randn(64, 8)).mean((0, 2, 3)) + 1) * 127.5
    red, green, blue = colors.tolist()
    assert red - 40 > green > blue + 15


# Divergence


def test_training_that_keeps_diverging_is_an_error_and_leaves_no_state(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingDivergedError, match=r"not finite after \d+ images, and 3 rollbacks did not help"
    ):
        training_loop(IMAGES, tiny(r1=1e39, penalty_every=1, save_minutes=1e-9), tmp_path)
    assert not (tmp_path / STATE_FILE).exists()


def test_training_that_diverges_once_continues_from_its_last_state_at_half_the_learning_rates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, broken = Trainer.step, []

    def step(trainer: Trainer) -> dict[str, Tensor]:
        if trainer.images_seen == 48 and not broken:
            broken.append([group["lr"] for group in trainer.optimizer_g.param_groups])
            trainer.generator.main[0].weight.data.fill_(torch.nan)
        return original(trainer)

    monkeypatch.setattr(Trainer, "step", step)
    rates: list[float] = []
    trained = training_loop(
        IMAGES,
        tiny(save_minutes=1e-9, generator_lr=1e-3),
        tmp_path,
        should_stop=lambda: bool(rates.append(_learning_rate_of_the_run())),  # type: ignore[func-returns-value]
    )
    assert trained is not None
    assert trained.rollbacks == 1
    assert broken == [[1e-3]]
    assert rates[-1] == 5e-4
    assert trained.metrics[-1].images_seen == 96
    assert all(torch.isfinite(value).all() for value in weights(trained).values())


def _learning_rate_of_the_run() -> float:
    frame = sys._getframe()
    while "run" not in frame.f_locals:
        assert frame.f_back is not None
        frame = frame.f_back
    rate: float = frame.f_locals["run"].trainer.optimizer_g.param_groups[0]["lr"]
    return rate


def test_a_rollback_after_the_discriminator_has_won_goes_back_before_the_lost_game(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """States are saved all the time, also while the game is lost and nobody has noticed."""
    original, lost = Trainer.step, []
    seen: list[int] = []

    def step(trainer: Trainer) -> dict[str, Tensor]:
        losses = original(trainer)
        seen.append(trainer.images_seen)
        if trainer.images_seen >= 800 and len(lost) < WON_REPORTS:
            lost.append(trainer.images_seen)
            losses["loss_d"] = torch.tensor(WON_LOSS / 10)
        return losses

    monkeypatch.setattr(training_module, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(Trainer, "step", step)
    trained = training_loop(IMAGES, tiny(kimg=1.2, save_minutes=1e-9), tmp_path)
    assert trained is not None
    assert trained.rollbacks == 1
    ((start, target),) = [pair for pair in itertools.pairwise(seen) if pair[1] <= pair[0]]
    assert start == lost[-1] == 800 + 8 * (WON_REPORTS - 1)
    assert start - 8 * (2 * SAFE_REPORTS + 2) <= target - 8 <= start - 8 * SAFE_REPORTS
    assert len(list(tmp_path.glob("state*.safetensors"))) <= 3
    assert [row.images_seen for row in trained.metrics] == list(range(8, 1201, 8))


def test_a_lost_game_without_an_earlier_state_starts_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, lost = Trainer.step, []
    seen: list[int] = []

    def step(trainer: Trainer) -> dict[str, Tensor]:
        losses = original(trainer)
        seen.append(trainer.images_seen)
        if len(lost) < WON_REPORTS:
            lost.append(trainer.images_seen)
            losses["loss_d"] = torch.tensor(0.0)
        return losses

    monkeypatch.setattr(training_module, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(Trainer, "step", step)
    trained = training_loop(IMAGES, tiny(kimg=0.32, save_minutes=1e-9), tmp_path)
    assert trained is not None
    assert trained.rollbacks == 1
    assert seen[WON_REPORTS - 1 : WON_REPORTS + 1] == [8 * WON_REPORTS, 8]


def metrics(**changes: float) -> TrainingMetrics:
    usual = TrainingMetrics(
        8, 96, loss_d=1.0, loss_g=1.0, logit_real=1.0, logit_fake=-1.0, images_per_second=9.0
    )
    return dataclasses.replace(usual, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reports", "reason"),
    [
        ([metrics()] * 50, ""),
        ([metrics(loss_d=1e-4)] * 29, ""),
        ([metrics(loss_d=1e-4)] * 30, "won outright"),
        ([metrics(), metrics(loss_g=math.nan)], "not finite"),
        ([metrics(logit_fake=-2e4)], "exploded"),
    ],
    ids=["stable", "low loss for 29 reports", "won", "not finite", "exploded"],
)
def test_divergence_is_found_in_the_metrics(reports: list[TrainingMetrics], reason: str) -> None:
    assert reason in divergence(reports)
    assert bool(divergence(reports)) == bool(reason)


def test_non_finite_weights_are_not_saved_when_training_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(TrainingDivergedError):
        training_loop(IMAGES, tiny(r1=1e39, penalty_every=1), tmp_path, should_stop=lambda: True)
    assert not (tmp_path / STATE_FILE).exists()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((40, 3, 32, 32), np.uint8), "32.*networks expect.*16"),
        (np.zeros((40, 1, 16, 16), np.uint8), "networks expect"),
        (np.zeros((40, 3, 16, 32), np.uint8), "networks expect"),
        (np.zeros((40,), np.uint8), "networks expect"),
        (np.zeros((7, 3, 16, 16), np.uint8), "7 crops do not fill a batch of 8"),
        (np.zeros((0, 3, 16, 16), np.uint8), "0 crops"),
    ],
)
def test_images_that_do_not_fit_the_recipe_are_a_typed_error(
    tmp_path: Path, images: np.ndarray, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        training_loop(images, tiny(), tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_missing_cuda_device_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No CUDA device"):
        training_loop(IMAGES, tiny(device="cuda"), tmp_path)
