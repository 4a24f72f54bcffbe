"""The training step: what both networks are shown, precision, and the EMA networks."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from palm_assets.gan.networks import Discriminator
from palm_assets.gan.trainer import Trainer
from palm_assets.gan.training_loop import STATE_FILE, training_loop, with_recomputed_batch_norm
from palm_assets.gan.training_state import load_state
from tests.gan.recipes import IMAGES, RECIPES, differing, tiny


def test_half_of_the_real_images_are_mirrored_if_configured() -> None:
    left = np.zeros((40, 3, 16, 16), np.uint8)
    left[..., :8] = 255
    for mirror, share in ((True, 0.5), (False, 1.0)):
        trainer = Trainer(left, tiny(mirror=mirror, batch=400))
        batch, _ = trainer._sample_real_images()
        assert (batch[:, 0, 0, 0] == 255).float().mean() == pytest.approx(share, abs=0.1)
        assert batch.unique().tolist() == [0, 255]


@pytest.mark.parametrize("even", [False, True])
def test_with_even_upsampling_the_ema_generator_makes_no_checkerboards(tmp_path: Path, even: bool) -> None:
    trained = training_loop(IMAGES, tiny(even_upsampling=even), tmp_path)
    assert trained is not None
    before = copy.deepcopy(trained.generator)
    trained.generator.remove_checkerboard()
    pairs = zip(before.parameters(), trained.generator.parameters(), strict=True)
    assert all(torch.allclose(old, new, atol=1e-6) for old, new in pairs) == even


@pytest.mark.parametrize(
    ("target", "heuristic", "expected"),
    [(0.0, 1.0, 0.5), (0.6, 0.7, 0.6), (0.6, 0.5, 0.4)],
    ids=["fixed", "above target", "below target"],
)
def test_the_augmentation_probability_follows_the_overfitting_heuristic(
    target: float, heuristic: float, expected: float
) -> None:
    trainer = Trainer(IMAGES, tiny(augment_probability=0.5, augment_target=target, augment_kimg=0.08))
    trainer._adapt_augmentation(torch.tensor(heuristic))
    assert trainer.augment_probability == pytest.approx(expected)
    for _ in range(20):
        trainer._adapt_augmentation(torch.tensor(heuristic))
    assert 0 <= trainer.augment_probability <= 0.85


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_step_in_bfloat16_equals_one_in_float32_up_to_rounding(recipe: str) -> None:
    steps = []
    for precision in ("float32", "bfloat16"):
        trainer = Trainer(IMAGES, tiny(precision=precision, **RECIPES[recipe]))
        assert trainer.bfloat16 == (precision == "bfloat16")
        steps.append({name: value.item() for name, value in trainer.step().items()})
        assert trainer.generator.main[0].weight.dtype == torch.float32
    assert steps[1] == pytest.approx(steps[0], abs=0.05)
    assert steps[1] != steps[0]


# The EMA networks


def test_recomputing_batch_norm_changes_neither_the_generator_nor_global_random_state() -> None:
    config = tiny()
    trainer = Trainer(IMAGES, config)
    trainer.step()
    before = copy.deepcopy(trainer.generator_ema.state_dict())
    random_state = torch.get_rng_state()
    training = trainer.generator_ema.training
    first, second = (
        with_recomputed_batch_norm(trainer.generator_ema, config),
        with_recomputed_batch_norm(trainer.generator_ema, config),
    )
    assert differing(before, trainer.generator_ema.state_dict()) == []
    assert trainer.generator_ema.training == training
    assert torch.equal(torch.get_rng_state(), random_state)
    assert differing(first.state_dict(), second.state_dict()) == []
    assert not first.training


def test_recomputed_batch_norm_statistics_are_those_of_the_ema_weights() -> None:
    config = tiny()
    trainer = Trainer(IMAGES, config)
    for _ in range(10):
        trainer.step()
    recomputed = with_recomputed_batch_norm(trainer.generator_ema, config)
    latents = torch.randn(4096, 8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        first = recomputed.main[0](latents[:, :, None, None])
        normed = recomputed.main[1](first)
    assert normed.mean((0, 2, 3)).numpy() == pytest.approx(recomputed.main[1].bias.detach().numpy(), abs=0.1)
    assert normed.std((0, 2, 3)).numpy() == pytest.approx(
        recomputed.main[1].weight.detach().abs().numpy(), rel=0.1
    )


def test_the_emas_follow_the_networks_with_their_half_lives() -> None:
    # A batch of 8 is half of the generator's half-life of 16 images, and 5 of the discriminator's of 1.6.
    trainer = Trainer(IMAGES, tiny(ema_kimg=0.016, ema_rampup=1e9))
    for ema, network, half_lives in (
        (trainer.generator_ema, trainer.generator, 0.5),
        (trainer.discriminator_ema, trainer.discriminator, 5),
    ):
        before = [p.clone() for p in ema.parameters()]
        trainer.images_seen = 0
        trainer.step()
        expected = [
            a + (p - a) * (1 - 0.5**half_lives) for a, p in zip(before, network.parameters(), strict=True)
        ]
        for wanted, weight in zip(expected, ema.parameters(), strict=True):
            assert torch.allclose(wanted, weight, atol=1e-7)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_ema_discriminator_has_the_latest_batch_statistics(recipe: str, tmp_path: Path) -> None:
    config = tiny(**RECIPES[recipe])
    snapshots: list[Discriminator] = []
    trained = training_loop(
        IMAGES,
        config,
        tmp_path,
        snapshot=lambda _, discriminator, images_seen: snapshots.append(discriminator),
    )
    assert trained is not None
    trainer = Trainer(IMAGES, config)
    load_state(tmp_path / STATE_FILE, trainer.parts())
    for ema in (trained.discriminator, snapshots[-1]):
        assert not ema.training
        assert (
            differing(dict(ema.named_parameters()), dict(trainer.discriminator_ema.named_parameters())) == []
        )
        assert differing(dict(ema.named_buffers()), dict(trainer.discriminator.named_buffers())) == []
    assert differing(
        dict(trainer.discriminator_ema.named_parameters()), dict(trainer.discriminator.named_parameters())
    )
