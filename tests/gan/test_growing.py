"""Starting from a trained model: of the same networks, or of half the size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from palm_assets.errors import CheckpointError
from palm_assets.gan.checkpoint import load_networks
from palm_assets.gan.config import GanConfig
from palm_assets.gan.growing import start_from
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.training import STATE_FILE, train
from palm_assets.serving import STARTER

SAME = GanConfig(image_size=64)
TWICE = GanConfig(image_size=128, generator_width=16, discriminator_width=16)


def begun(config: GanConfig) -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    generator, discriminator = Generator(config), Discriminator(config)
    start_from(STARTER, generator, discriminator, config.networks())
    return generator, discriminator


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(64, SAME.latent, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_the_same_networks_start_with_the_models_weights(latents: torch.Tensor) -> None:
    generator, discriminator = begun(SAME)
    theirs, judge, _ = load_networks(STARTER)
    images = theirs(latents)
    assert torch.equal(generator.eval()(latents), images)
    assert torch.equal(discriminator(images), judge(images))


@torch.no_grad()
def test_a_grown_generator_draws_the_same_palms_at_twice_the_size(latents: torch.Tensor) -> None:
    generator, _ = begun(TWICE)
    small = load_networks(STARTER)[0].train()(latents)
    drawn = generator(latents)
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    smooth = F.interpolate(small, scale_factor=2, mode="bilinear")
    assert (drawn - smooth)[inside].abs().mean() < 0.01  # of a range of 2
    others = smooth.roll(1, 0)
    assert (drawn - others)[inside].abs().mean() > 0.1


@torch.no_grad()
def test_a_grown_discriminator_judges_as_the_small_one_judges_half_the_size() -> None:
    _, discriminator = begun(TWICE)
    judge = load_networks(STARTER)[1]
    images = torch.rand(16, 3, 128, 128, generator=torch.Generator().manual_seed(2)) * 3 - 1.5
    assert torch.allclose(discriminator(images), judge(F.avg_pool2d(images, 2)), atol=1e-4)


def test_every_new_weight_can_learn() -> None:
    generator, discriminator = begun(TWICE)
    before = [weight.clone() for net in (generator, discriminator) for weight in net.parameters()]
    optimizer = torch.optim.SGD([*generator.parameters(), *discriminator.parameters()], 0.1)
    latents = torch.randn(8, TWICE.latent, generator=torch.Generator().manual_seed(3))
    for _ in range(2):  # what is multiplied by a zero moves a step later
        optimizer.zero_grad()
        discriminator(generator(latents)).square().sum().backward()
        optimizer.step()
    after = [weight for net in (generator, discriminator) for weight in net.parameters()]
    for old, new in zip(before, after, strict=True):
        assert (old != new).flatten(1 if old.dim() > 1 else 0).float().mean() > 0.5


@pytest.mark.parametrize(
    "other",
    [
        {"image_size": 128},  # twice the width besides
        {"image_size": 256, "generator_width": 8, "discriminator_width": 8},
        {"image_size": 128, "generator_width": 16, "discriminator_width": 16, "discriminator_norm": "batch"},
        {"latent": 64},
    ],
    ids=str,
)
def test_a_model_of_other_networks_is_refused(other: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match="start"):
        begun(GanConfig(**other))  # type: ignore[arg-type]


def test_training_starts_from_the_model_once_and_then_from_its_own_state(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (16, 3, 64, 64), dtype=np.uint8)
    gentle = GanConfig(kimg=0.032, generator_lr=1e-9, discriminator_lr=1e-9, device="cpu")
    trained = train(images, gentle, tmp_path, start=STARTER)
    assert trained is not None
    theirs = dict(load_networks(STARTER)[0].named_parameters())
    for name, weight in trained.generator.named_parameters():
        assert torch.allclose(weight, theirs[name], atol=1e-6), name
    assert (tmp_path / STATE_FILE).is_file()
    again = train(images, gentle, tmp_path, start=tmp_path / "is gone by now")
    assert again is not None
