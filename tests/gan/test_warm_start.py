"""Initial weights from a trained model of the same networks, or of half the image size."""

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
from palm_assets.gan.training_loop import STATE_FILE, training_loop
from palm_assets.gan.warm_start import start_from

SMALL = NetworkConfig(image_size=16, latent=8, generator_width=16, discriminator_width=16)
TWICE = SMALL.model_copy(update={"image_size": 32, "generator_width": 8, "discriminator_width": 8})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model of half the image size."""
    folder = tmp_path_factory.mktemp("model")
    images = np.random.default_rng(0).integers(0, 256, (16, 3, 16, 16), dtype=np.uint8)
    config = GanConfig(**SMALL.model_dump(), kimg=0.8, device="cpu")
    trained = training_loop(images, config, folder / "work")
    assert trained is not None
    save_networks(trained.generator, trained.discriminator, SMALL, folder)
    return folder


def warm_started(model: Path, config: NetworkConfig) -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    generator, discriminator = Generator(config), Discriminator(config)
    start_from(model, generator, discriminator, config)
    return generator, discriminator


def latents(count: int = 64) -> torch.Tensor:
    return torch.randn(count, SMALL.latent, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_the_same_networks_get_the_weights_of_the_model(model: Path) -> None:
    generator, discriminator = warm_started(model, SMALL)
    trained_generator, trained_discriminator, _ = load_networks(model)
    images = trained_generator(latents())
    assert torch.equal(generator.eval()(latents()), images)
    assert torch.equal(discriminator(images), trained_discriminator(images))


@torch.no_grad()
def test_padding_mode_and_output_smoothing_may_differ(model: Path) -> None:
    generator = warm_started(
        model, SMALL.model_copy(update={"padding_mode": "replicate", "output_smoothing": 0.07})
    )[0]
    trained = load_networks(model)[0].state_dict()
    assert generator.state_dict().keys() == trained.keys()
    assert all(torch.equal(weight, trained[name]) for name, weight in generator.state_dict().items())


@torch.no_grad()
@pytest.mark.parametrize("networks", [SMALL, TWICE], ids=["same size", "grown"])
def test_colors_stay_nearly_the_same_when_tanh_becomes_a_smoothstep_and_back(
    model: Path, tmp_path: Path, networks: NetworkConfig
) -> None:
    with_tanh = warm_started(model, networks)[0](latents())
    config = networks.model_copy(update={"output_activation": "smoothstep"})
    generator, discriminator = warm_started(model, config)
    with_smoothstep = generator(latents())
    assert with_tanh.abs().max() > 0.5
    assert 0 < (with_tanh - with_smoothstep).abs().max() < 0.061
    save_networks(generator, discriminator, config, tmp_path)
    again = warm_started(tmp_path, networks)[0]
    assert torch.allclose(again(latents()), with_tanh, atol=1e-5)


@torch.no_grad()
def test_a_grown_generator_makes_the_same_images_at_twice_the_size(model: Path) -> None:
    images = warm_started(model, TWICE)[0](latents(512))
    small = load_networks(model)[0].train()(latents(512))
    smooth = F.interpolate(small.atanh(), scale_factor=2, mode="bilinear").tanh()
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    error, others = (images - smooth)[inside].abs().mean(), (images - smooth.roll(1, 0))[inside].abs().mean()
    assert error < 0.1 * others


@torch.no_grad()
def test_a_grown_discriminator_gives_the_logits_of_the_small_one_at_half_the_size(model: Path) -> None:
    discriminator, small = warm_started(model, TWICE)[1], load_networks(model)[1]
    images = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 3 - 1.5
    logits = small(F.avg_pool2d(images, 2))
    assert torch.allclose(discriminator(images), logits, atol=1e-4)
    assert logits.std() > 0.01


def test_every_new_weight_can_learn(model: Path) -> None:
    networks = warm_started(model, TWICE)
    before = [weight.clone() for net in networks for weight in net.parameters()]
    optimizer = torch.optim.SGD([weight for net in networks for weight in net.parameters()], 0.1)
    for _ in range(3):  # weights behind a zero get a gradient one step later
        optimizer.zero_grad()
        networks[1](networks[0](latents(8))).square().sum().backward()
        optimizer.step()
    after = [weight for net in networks for weight in net.parameters()]
    for old, new in zip(before, after, strict=True):
        assert (old != new).float().mean() > 0.9


@pytest.mark.parametrize(
    "other",
    [
        {"image_size": 32},  # with the same widths, so with other inner layers
        {"image_size": 64, "generator_width": 4, "discriminator_width": 4},
        {"image_size": 32, "generator_width": 8, "discriminator_width": 8, "discriminator_norm": "batch"},
        {"latent": 16},
    ],
    ids=str,
)
def test_a_model_of_other_networks_is_refused(model: Path, other: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match="start"):
        warm_started(model, SMALL.model_copy(update=other))


def test_networks_too_narrow_to_carry_colors_are_refused(tmp_path: Path) -> None:
    wide = SMALL.model_copy(update={"generator_width": 8, "discriminator_width": 8})
    save_networks(Generator(wide), Discriminator(wide), wide, tmp_path)
    narrow = wide.model_copy(update={"image_size": 32, "generator_width": 4, "discriminator_width": 4})
    with pytest.raises(CheckpointError, match="start"):
        warm_started(tmp_path, narrow)


def test_training_starts_from_the_model_once_and_then_resumes_from_its_own_state(
    model: Path, tmp_path: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (16, 3, 16, 16), dtype=np.uint8)
    gentle = {"kimg": 0.032, "generator_lr": 1e-9, "discriminator_lr": 1e-9, "device": "cpu"}
    gentle["ema_rampup"] = 1e9  # with slow EMAs, other initial weights would show
    config = GanConfig(**SMALL.model_dump(), **gentle)  # type: ignore[arg-type]
    trained = training_loop(images, config, tmp_path, start=model)
    assert trained is not None
    generator, discriminator, _ = load_networks(model)
    for network, initial in ((trained.generator, generator), (trained.discriminator, discriminator)):
        expected = dict(initial.named_parameters())
        for name, weight in network.named_parameters():
            assert torch.allclose(weight, expected[name], atol=1e-6), name
    assert (tmp_path / STATE_FILE).is_file()
    assert training_loop(images, config, tmp_path, start=tmp_path / "is gone by now") is not None


ALL = ["aspect", "side", "skin"]


@torch.no_grad()
@pytest.mark.parametrize("networks", [SMALL, TWICE], ids=["same size", "grown"])
def test_a_model_without_labels_goes_on_as_a_conditional_one_that_computes_the_same(
    model: Path, networks: NetworkConfig
) -> None:
    generator, discriminator = warm_started(model, networks)
    conditional = warm_started(model, networks.model_copy(update={"labels": ALL}))
    labels = torch.eye(5)[torch.arange(64) % 5]
    images = generator.eval()(latents())
    assert torch.equal(conditional[0].eval()(torch.cat([latents(), labels], 1)), images)
    assert torch.equal(conditional[1](images, labels), discriminator(images))


@torch.no_grad()
def test_a_conditional_model_keeps_its_labels_when_it_grows(model: Path, tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"labels": ALL})
    generator, discriminator = warm_started(model, config)
    generator.get_parameter("main.0.weight")[-5:].normal_(0, 0.1)
    discriminator.get_parameter("embedding.weight").normal_()
    save_networks(generator.eval(), discriminator.eval(), config, tmp_path)
    grown = warm_started(tmp_path, TWICE.model_copy(update={"labels": ALL}))
    labels = torch.eye(5)[torch.arange(64) % 5]
    images = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    logits = discriminator(F.avg_pool2d(images, 2), labels)
    assert torch.allclose(grown[1](images, labels), logits, atol=1e-4)
    assert (logits - discriminator(F.avg_pool2d(images, 2))).std() > 0.01
    inputs = torch.cat([latents(), labels], 1)
    small = generator.train()(inputs)
    smooth = F.interpolate(small.atanh(), scale_factor=2, mode="bilinear").tanh()[..., 2:-2, 2:-2]
    large = grown[0](inputs)[..., 2:-2, 2:-2]
    error, others = (large - smooth).abs().mean(), (large - smooth.roll(1, 0)).abs().mean()
    assert error < 0.1 * others


@torch.no_grad()
def test_a_model_that_was_grown_and_is_shrunk_draws_nearly_what_it_drew(model: Path, tmp_path: Path) -> None:
    config = TWICE.model_copy(update={"labels": ALL})
    generator, discriminator = warm_started(model, config)
    random = torch.Generator().manual_seed(5)
    for _ in range(20):  # of batch statistics
        generator(generator.random_inputs(64, random))
    save_networks(generator.eval(), discriminator.eval(), config, tmp_path)
    shrunk = warm_started(tmp_path, SMALL.model_copy(update={"labels": ALL}))
    inputs = generator.random_inputs(64, random)
    wanted = F.avg_pool2d(generator(inputs), 2)
    images = shrunk[0].eval()(inputs)
    assert F.mse_loss(images, wanted) < 0.1 * wanted.var(0).mean()
    logits = discriminator(generator(inputs))
    agreement = torch.corrcoef(torch.stack([shrunk[1](wanted), logits]))[0, 1]
    assert agreement > 0.8


def test_labels_cannot_be_changed_or_dropped(model: Path, tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"labels": ["skin"]})
    save_networks(*warm_started(model, config), config, tmp_path)
    for labels in ([], ["aspect", "skin"]):
        with pytest.raises(CheckpointError, match="Labels can be added"):
            warm_started(tmp_path, SMALL.model_copy(update={"labels": labels}))
