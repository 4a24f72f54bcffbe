"""Starting from a trained model: of the same networks, or of half the size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from palm_assets.errors import CheckpointError
from palm_assets.gan.checkpoint import load_networks, save_networks
from palm_assets.gan.config import GanConfig, NetworkConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.training_loop import STATE_FILE, train
from palm_assets.gan.warm_start import start_from

SMALL = NetworkConfig(image_size=16, latent=8, generator_width=16, discriminator_width=16)
TWICE = SMALL.model_copy(update={"image_size": 32, "generator_width": 8, "discriminator_width": 8})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of half the size whose weights are not those of a fresh one."""
    folder = tmp_path_factory.mktemp("model")
    images = np.random.default_rng(0).integers(0, 256, (16, 3, 16, 16), dtype=np.uint8)
    config = GanConfig(**SMALL.model_dump(), kimg=0.8, device="cpu")
    trained = train(images, config, folder / "work")
    assert trained is not None
    save_networks(trained.generator, trained.discriminator, SMALL, folder)
    return folder


def begun(model: Path, config: NetworkConfig) -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    generator, discriminator = Generator(config), Discriminator(config)
    start_from(model, generator, discriminator, config)
    return generator, discriminator


def latents(count: int = 64) -> torch.Tensor:
    return torch.randn(count, SMALL.latent, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_the_same_networks_start_with_the_models_weights(model: Path) -> None:
    generator, discriminator = begun(model, SMALL)
    theirs, judge, _ = load_networks(model)
    images = theirs(latents())
    assert torch.equal(generator.eval()(latents()), images)
    assert torch.equal(discriminator(images), judge(images))


@torch.no_grad()
def test_the_border_and_the_softening_can_be_changed(model: Path) -> None:
    generator = begun(
        model, SMALL.model_copy(update={"padding_mode": "replicate", "output_smoothing": 0.07})
    )[0]
    theirs = load_networks(model)[0].state_dict()
    assert generator.state_dict().keys() == theirs.keys()
    assert all(torch.equal(weight, theirs[name]) for name, weight in generator.state_dict().items())


@torch.no_grad()
@pytest.mark.parametrize("shape", [SMALL, TWICE], ids=["same size", "grown"])
def test_colors_stay_nearly_the_same_when_tanh_becomes_a_smoothstep_and_back(
    model: Path, tmp_path: Path, shape: NetworkConfig
) -> None:
    by_tanh = begun(model, shape)[0]
    stepped = shape.model_copy(update={"output_activation": "smoothstep"})
    by_step, judge = begun(model, stepped)
    drawn = by_tanh(latents()), by_step(latents())
    assert drawn[0].abs().max() > 0.5
    assert 0 < (drawn[0] - drawn[1]).abs().max() < 0.061
    save_networks(by_step, judge, stepped, tmp_path)
    again = begun(tmp_path, shape)[0]
    assert torch.allclose(again(latents()), drawn[0], atol=1e-5)


@torch.no_grad()
def test_a_grown_generator_draws_the_same_palms_at_twice_the_size(model: Path) -> None:
    drawn = begun(model, TWICE)[0](latents(512))
    small = load_networks(model)[0].train()(latents(512))
    smooth = F.interpolate(small.atanh(), scale_factor=2, mode="bilinear").tanh()
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    error, others = (drawn - smooth)[inside].abs().mean(), (drawn - smooth.roll(1, 0))[inside].abs().mean()
    assert error < 0.1 * others


@torch.no_grad()
def test_a_grown_discriminator_judges_as_the_small_one_judges_half_the_size(model: Path) -> None:
    discriminator, judge = begun(model, TWICE)[1], load_networks(model)[1]
    images = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 3 - 1.5
    logits = judge(F.avg_pool2d(images, 2))
    assert torch.allclose(discriminator(images), logits, atol=1e-4)
    assert logits.std() > 0.01


def test_every_new_weight_can_learn(model: Path) -> None:
    networks = begun(model, TWICE)
    before = [weight.clone() for net in networks for weight in net.parameters()]
    optimizer = torch.optim.SGD([weight for net in networks for weight in net.parameters()], 0.1)
    for _ in range(3):  # what is multiplied by a zero moves a step later
        optimizer.zero_grad()
        networks[1](networks[0](latents(8))).square().sum().backward()
        optimizer.step()
    after = [weight for net in networks for weight in net.parameters()]
    for old, new in zip(before, after, strict=True):
        assert (old != new).float().mean() > 0.9


@pytest.mark.parametrize(
    "other",
    [
        {"image_size": 32},  # of the same width, so of another trunk
        {"image_size": 64, "generator_width": 4, "discriminator_width": 4},
        {"image_size": 32, "generator_width": 8, "discriminator_width": 8, "discriminator_norm": "batch"},
        {"latent": 16},
    ],
    ids=str,
)
def test_a_model_of_other_networks_is_refused(model: Path, other: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match="start"):
        begun(model, SMALL.model_copy(update=other))


def test_networks_too_narrow_to_carry_colors_are_refused(tmp_path: Path) -> None:
    wide = SMALL.model_copy(update={"generator_width": 8, "discriminator_width": 8})
    save_networks(Generator(wide), Discriminator(wide), wide, tmp_path)
    narrow = wide.model_copy(update={"image_size": 32, "generator_width": 4, "discriminator_width": 4})
    with pytest.raises(CheckpointError, match="start"):
        begun(tmp_path, narrow)


def test_training_starts_from_the_model_once_and_then_from_its_own_state(model: Path, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (16, 3, 16, 16), dtype=np.uint8)
    gentle = {"kimg": 0.032, "generator_lr": 1e-9, "discriminator_lr": 1e-9, "device": "cpu"}
    gentle["ema_rampup"] = 1e9  # averages that begin elsewhere would not arrive
    config = GanConfig(**SMALL.model_dump(), **gentle)  # type: ignore[arg-type]
    trained = train(images, config, tmp_path, start=model)
    assert trained is not None
    generator, discriminator, _ = load_networks(model)
    for ours, begun_with in ((trained.generator, generator), (trained.discriminator, discriminator)):
        theirs = dict(begun_with.named_parameters())
        for name, weight in ours.named_parameters():
            assert torch.allclose(weight, theirs[name], atol=1e-6), name
    assert (tmp_path / STATE_FILE).is_file()
    assert train(images, config, tmp_path, start=tmp_path / "is gone by now") is not None
