"""The trainer: repeatable to the bit, resumable to the bit, and loud when the game breaks down."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from palm_assets.errors import CheckpointError, DatasetError, TrainingDivergedError
from palm_assets.gan.config import GanConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.trainer import Trainer
from palm_assets.gan.training_loop import (
    STATE_FILE,
    TrainingMetrics,
    TrainingResult,
    train,
    trouble,
    with_recomputed_batch_norm,
)
from palm_assets.gan.training_state import load_state

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16), dtype=np.uint8)
RECIPES: dict[str, dict[str, object]] = {
    "first recipe": {},
    "hinge, spectral": {"loss": "hinge", "discriminator_norm": "spectral", "augment": []},
    "relativistic, penalized": {
        "loss": "relativistic",
        "discriminator_norm": "none",
        "r1": 1.0,
        "r2": 0.5,
        "penalty_every": 3,
        "minibatch_stddev": True,
    },
}


def tiny(**knobs: object) -> GanConfig:
    """Twelve steps."""
    basics: dict[str, object] = {
        "image_size": 16,
        "latent": 8,
        "generator_width": 8,
        "discriminator_width": 8,
        "batch": 8,
        "kimg": 0.096,
        "device": "cpu",
    }
    return GanConfig(**{**basics, **knobs})  # type: ignore[arg-type]


def weights(trained: TrainingResult | None) -> dict[str, Tensor]:
    assert trained is not None
    both = {"generator": trained.generator, "discriminator": trained.discriminator}
    return {f"{name}.{key}": value for name, net in both.items() for key, value in net.state_dict().items()}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]


# To the bit


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_same_seed_gives_the_same_weights_to_the_bit_and_another_does_not(
    tmp_path: Path, recipe: str
) -> None:
    config = tiny(**RECIPES[recipe])
    torch.manual_seed(1)
    first = weights(train(IMAGES, config, tmp_path / "1"))
    torch.manual_seed(2)
    assert differing(first, weights(train(IMAGES, config, tmp_path / "2"))) == []
    other = weights(train(IMAGES, config.model_copy(update={"seed": 1}), tmp_path / "3"))
    assert len(differing(first, other)) > 10


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_run_stopped_at_any_steps_and_taken_up_again_ends_in_the_same_weights_to_the_bit(
    tmp_path: Path, recipe: str
) -> None:
    config = tiny(**RECIPES[recipe])
    straight = train(IMAGES, config, tmp_path / "straight")
    for attempt in range(2):
        stops = sorted(random.Random(f"{recipe}{attempt}").sample(range(1, 12), 3))
        seen = 0
        for stop in stops:
            steps = itertools.count(seen + 1)
            torch.manual_seed(stop)  # whatever else the process drew
            assert train(IMAGES, config, tmp_path / f"{attempt}", stopped=lambda: next(steps) == stop) is None  # noqa: B023
            seen = stop
        resumed = train(IMAGES, config, tmp_path / f"{attempt}")
        assert differing(weights(straight), weights(resumed)) == [], f"stopped after {stops} steps"
        assert resumed is not None
        assert resumed.curves[-1].images_seen == 96


RUN = """
import numpy as np, sys, time
from pathlib import Path
from palm_assets.gan.training_loop import train
from tests.gan.test_training import IMAGES, tiny
def stopped():
    time.sleep(0.02)
    return False
print("training", flush=True)
train(IMAGES, tiny(kimg=8, save_minutes=1e-5), Path(sys.argv[1]), stopped=stopped)
"""


def test_a_run_killed_without_warning_is_taken_up_where_it_last_saved(tmp_path: Path) -> None:
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
    assert notes["seen"] >= 8
    first: list[int] = []
    config = tiny(kimg=(notes["seen"] + 16) / 1000)
    resumed = train(IMAGES, config, tmp_path, report=lambda figures: first.append(figures.images_seen))
    straight = train(IMAGES, config, tmp_path / "straight")
    assert differing(weights(straight), weights(resumed)) == []
    assert first == [notes["seen"] + 16]


def test_a_finished_run_is_not_played_again(tmp_path: Path) -> None:
    first = weights(train(IMAGES, tiny(), tmp_path))
    reports: list[TrainingMetrics] = []
    again = train(IMAGES, tiny(), tmp_path, report=reports.append)
    assert reports == []
    assert differing(first, weights(again)) == []


def test_an_interrupted_save_leaves_the_last_whole_state(tmp_path: Path) -> None:
    train(IMAGES, tiny(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


@pytest.mark.parametrize("damage", ["cut", "text", "other networks"])
def test_a_state_that_cannot_be_used_is_a_typed_error_that_says_what_to_do(
    tmp_path: Path, damage: str
) -> None:
    train(IMAGES, tiny(latent=9 if damage == "other networks" else 8), tmp_path)
    path = tmp_path / STATE_FILE
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    if damage == "text":
        path.write_text("not a state")
    with pytest.raises(CheckpointError, match="Delete it to start afresh") as refused:
        train(IMAGES, tiny(), tmp_path)
    assert str(path) in str(refused.value)


# What it tells


def test_reports_and_snapshots_say_where_training_stands(tmp_path: Path) -> None:
    reports: list[TrainingMetrics] = []
    snapshots: list[int] = []

    def snapshot(generator: Generator, discriminator: Discriminator, seen: int) -> None:
        assert not generator.training
        assert not discriminator.training
        assert generator(torch.zeros(2, 8)).shape == (2, 3, 16, 16)
        snapshots.append(seen)

    trained = train(IMAGES, tiny(snapshot_kimg=0.04), tmp_path, report=reports.append, snapshot=snapshot)
    assert trained is not None
    assert trained.curves == tuple(reports)
    assert (reports[-1].images_seen, reports[-1].total) == (96, 96)
    assert all(np.isfinite(list(dataclasses.astuple(row))).all() for row in reports)
    assert all(row.images_per_second > 0 for row in reports)
    assert snapshots == [40, 80, 96]


def test_a_run_ended_while_it_looks_at_a_snapshot_has_its_state_saved_and_looks_again(tmp_path: Path) -> None:
    looked: list[int] = []

    def snapshot(generator: Generator, discriminator: Discriminator, seen: int) -> None:
        looked.append(seen)
        if looked in ([40, 80], [40, 80, 80, 96]):
            raise KeyboardInterrupt

    config = tiny(snapshot_kimg=0.04)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(IMAGES, config, tmp_path, snapshot=snapshot)
    resumed = weights(train(IMAGES, config, tmp_path, snapshot=snapshot))
    train(IMAGES, config, tmp_path, snapshot=snapshot)
    assert looked == [40, 80, 80, 96, 96]
    assert differing(weights(train(IMAGES, config, tmp_path / "straight")), resumed) == []


def test_looking_at_snapshots_changes_nothing(tmp_path: Path) -> None:
    quiet = weights(train(IMAGES, tiny(), tmp_path / "quiet"))
    looked = train(
        IMAGES,
        tiny(snapshot_kimg=0.04),
        tmp_path / "looked",
        snapshot=lambda generator, discriminator, seen: torch.nn.init.zeros_(generator.main[0].weight),  # type: ignore[arg-type]
    )
    assert differing(quiet, weights(looked)) == []


def test_training_learns_the_color_of_its_photographs(tmp_path: Path) -> None:
    """Not a picture's quality, but that both players do learn: flat photographs of one color."""
    flat = np.broadcast_to(np.array([220, 120, 60], np.uint8)[None, :, None, None], (64, 3, 16, 16))
    trained = train(
        flat, tiny(kimg=0.6, augment=[], generator_lr=4e-3, discriminator_lr=2e-3, ema_kimg=0.1), tmp_path
    )
    assert trained is not None
    colors = (trained.generator(torch.randn(64, 8)).mean((0, 2, 3)) + 1) * 127.5
    red, green, blue = colors.tolist()
    assert red - 40 > green > blue + 15


# When it breaks down


def test_a_game_that_keeps_breaking_down_is_an_error_and_leaves_no_broken_state(tmp_path: Path) -> None:
    with pytest.raises(TrainingDivergedError, match=r"not finite after \d+ images, and 3 times slower"):
        train(IMAGES, tiny(r1=1e39, penalty_every=1, save_minutes=1e-9), tmp_path)
    assert not (tmp_path / STATE_FILE).exists()


def test_a_game_that_breaks_down_once_goes_on_from_its_last_state_at_half_the_learning_rates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, broken = Trainer.step, []

    def step(trainer: Trainer) -> dict[str, Tensor]:
        if trainer.images_seen == 48 and not broken:
            broken.append([group["lr"] for group in trainer.optimizer_g.param_groups])
            trainer.generator.main[0].weight.data.fill_(torch.nan)
        return honest(trainer)

    monkeypatch.setattr(Trainer, "step", step)
    rates: list[float] = []
    trained = train(
        IMAGES,
        tiny(save_minutes=1e-9, generator_lr=1e-3),
        tmp_path,
        stopped=lambda: bool(rates.append(_rate_of_the_running_game())),  # type: ignore[func-returns-value]
    )
    assert trained is not None
    assert trained.rollbacks == 1
    assert broken == [[1e-3]]
    assert rates[-1] == 5e-4
    assert trained.curves[-1].images_seen == 96
    assert all(torch.isfinite(value).all() for value in weights(trained).values())


def _rate_of_the_running_game() -> float:
    frame = sys._getframe()
    while "run" not in frame.f_locals:
        assert frame.f_back is not None
        frame = frame.f_back
    rate: float = frame.f_locals["run"].trainer.optimizer_g.param_groups[0]["lr"]
    return rate


def figures(**changed: float) -> TrainingMetrics:
    usual = TrainingMetrics(
        8, 96, loss_d=1.0, loss_g=1.0, logit_real=1.0, logit_fake=-1.0, images_per_second=9.0
    )
    return dataclasses.replace(usual, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("curves", "told"),
    [
        ([figures()] * 50, ""),
        ([figures(loss_d=1e-4)] * 29, ""),
        ([figures(loss_d=1e-4)] * 30, "won outright"),
        ([figures(), figures(loss_g=math.nan)], "not finite"),
        ([figures(logit_fake=-2e4)], "exploded"),
    ],
    ids=["sound", "strong for a while", "won", "not a number", "exploded"],
)
def test_trouble_is_told_from_the_figures(curves: list[TrainingMetrics], told: str) -> None:
    assert told in trouble(curves)
    assert bool(trouble(curves)) == bool(told)


def test_broken_weights_are_not_saved_when_training_is_stopped_either(tmp_path: Path) -> None:
    with pytest.raises(TrainingDivergedError):
        train(IMAGES, tiny(r1=1e39, penalty_every=1), tmp_path, stopped=lambda: True)
    assert not (tmp_path / STATE_FILE).exists()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((40, 3, 32, 32), np.uint8), "32.*networks want.*16"),
        (np.zeros((40, 1, 16, 16), np.uint8), "networks want"),
        (np.zeros((40, 3, 16, 32), np.uint8), "networks want"),
        (np.zeros((40,), np.uint8), "networks want"),
        (np.zeros((7, 3, 16, 16), np.uint8), "7 crops do not fill a batch of 8"),
        (np.zeros((0, 3, 16, 16), np.uint8), "0 crops"),
    ],
)
def test_crops_that_do_not_fit_the_recipe_are_a_typed_error(
    tmp_path: Path, images: np.ndarray, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        train(images, tiny(), tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No CUDA device"):
        train(IMAGES, tiny(device="cuda"), tmp_path)


# What the players are shown


def test_photographs_are_mirrored_half_of_the_time_and_only_where_that_is_wanted() -> None:
    left = np.zeros((40, 3, 16, 16), np.uint8)
    left[..., :8] = 255
    for mirror, share in ((True, 0.5), (False, 1.0)):
        trainer = Trainer(left, tiny(mirror=mirror, batch=400))
        shown = trainer._photographs()
        assert (shown[:, 0, 0, 0] == 255).float().mean() == pytest.approx(share, abs=0.1)
        assert shown.unique().tolist() == [0, 255]


@pytest.mark.parametrize("even", [False, True])
def test_evened_out_while_it_learns_the_averaged_generator_draws_no_checkerboards(
    tmp_path: Path, even: bool
) -> None:
    trained = train(IMAGES, tiny(even_upsampling=even), tmp_path)
    assert trained is not None
    before = copy.deepcopy(trained.generator)
    trained.generator.even_out()
    pairs = zip(before.parameters(), trained.generator.parameters(), strict=True)
    assert all(torch.allclose(old, new, atol=1e-6) for old, new in pairs) == even


@pytest.mark.parametrize(
    ("target", "certain", "expected"),
    [(0.0, 1.0, 0.5), (0.6, 0.7, 0.6), (0.6, 0.5, 0.4)],
    ids=["fixed", "too certain", "too unsure"],
)
def test_the_strength_of_augmentation_follows_the_discriminators_certainty(
    target: float, certain: float, expected: float
) -> None:
    trainer = Trainer(IMAGES, tiny(augment_probability=0.5, augment_target=target, augment_kimg=0.08))
    trainer._adapt(torch.tensor(certain))
    assert trainer.augment_probability == pytest.approx(expected)
    for _ in range(20):
        trainer._adapt(torch.tensor(certain))
    assert 0 <= trainer.augment_probability <= 0.85


@pytest.mark.parametrize("recipe", RECIPES)
def test_half_precision_learns_the_same_game_within_its_rounding(recipe: str) -> None:
    steps = []
    for precision in ("float32", "bfloat16"):
        trainer = Trainer(IMAGES, tiny(precision=precision, **RECIPES[recipe]))
        assert trainer.bfloat16 == (precision == "bfloat16")
        steps.append({name: value.item() for name, value in trainer.step().items()})
        assert trainer.generator.main[0].weight.dtype == torch.float32
    assert steps[1] == pytest.approx(steps[0], abs=0.05)
    assert steps[1] != steps[0]


# The averaged generator


def test_getting_ready_for_sampling_leaves_the_averaged_net_untouched_and_draws_from_no_global_numbers() -> (
    None
):
    config = tiny()
    trainer = Trainer(IMAGES, config)
    trainer.step()
    before = copy.deepcopy(trainer.generator_ema.state_dict())
    numbers = torch.get_rng_state()
    training = trainer.generator_ema.training
    first, second = (
        with_recomputed_batch_norm(trainer.generator_ema, config),
        with_recomputed_batch_norm(trainer.generator_ema, config),
    )
    assert differing(before, trainer.generator_ema.state_dict()) == []
    assert trainer.generator_ema.training == training
    assert torch.equal(torch.get_rng_state(), numbers)
    assert differing(first.state_dict(), second.state_dict()) == []
    assert not first.training


def test_ready_for_sampling_the_statistics_are_those_of_the_averaged_weights() -> None:
    config = tiny()
    trainer = Trainer(IMAGES, config)
    for _ in range(10):
        trainer.step()
    ready = with_recomputed_batch_norm(trainer.generator_ema, config)
    latents = torch.randn(4096, 8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        first = ready.main[0](latents[:, :, None, None])
        normed = ready.main[1](first)
    assert normed.mean((0, 2, 3)).numpy() == pytest.approx(ready.main[1].bias.detach().numpy(), abs=0.1)
    assert normed.std((0, 2, 3)).numpy() == pytest.approx(
        ready.main[1].weight.detach().abs().numpy(), rel=0.1
    )


def test_the_averages_follow_the_players_with_their_half_lives() -> None:
    # 8 of 16 images are half a half-life of the generator's, and five of the judge's.
    trainer = Trainer(IMAGES, tiny(ema_kimg=0.016, ema_rampup=1e9))
    for average, player, passed in (
        (trainer.generator_ema, trainer.generator, 0.5),
        (trainer.discriminator_ema, trainer.discriminator, 5),
    ):
        before = [p.clone() for p in average.parameters()]
        trainer.images_seen = 0
        trainer.step()
        expected = [a + (p - a) * (1 - 0.5**passed) for a, p in zip(before, player.parameters(), strict=True)]
        for want, got in zip(expected, average.parameters(), strict=True):
            assert torch.allclose(want, got, atol=1e-7)


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_scores_is_the_discriminators_average_with_its_latest_statistics(
    recipe: str, tmp_path: Path
) -> None:
    config = tiny(**RECIPES[recipe])
    judges: list[Discriminator] = []
    trained = train(IMAGES, config, tmp_path, snapshot=lambda _, judge, seen: judges.append(judge))
    assert trained is not None
    trainer = Trainer(IMAGES, config)
    load_state(tmp_path / STATE_FILE, trainer.parts())
    for judge in (trained.discriminator, judges[-1]):
        assert not judge.training
        assert (
            differing(dict(judge.named_parameters()), dict(trainer.discriminator_ema.named_parameters()))
            == []
        )
        assert differing(dict(judge.named_buffers()), dict(trainer.discriminator.named_buffers())) == []
    assert differing(
        dict(trainer.discriminator_ema.named_parameters()), dict(trainer.discriminator.named_parameters())
    )
