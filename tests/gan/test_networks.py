"""Both networks, and their configs."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from palm_assets.gan.config import GanConfig, NetworkConfig
from palm_assets.gan.networks import Discriminator, Generator, Smoothstep, UpsampleConv, smooth_output


def small(**knobs: object) -> NetworkConfig:
    return NetworkConfig(
        **{"latent": 5, "generator_width": 4, "discriminator_width": 4, "max_width": 32, **knobs}
    )


@pytest.mark.parametrize("bottom", [4, 8])
@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_images_and_logits_have_the_configured_shape(size: int, norm: str, bottom: int) -> None:
    config = small(image_size=size, discriminator_norm=norm, discriminator_bottom=bottom)
    images = Generator(config)(torch.randn(2, 5))
    assert images.shape == (2, 3, size, size)
    assert images.abs().max() <= 1
    assert Discriminator(config)(images).shape == (2,)


def test_channels_double_away_from_the_image_up_to_the_limit() -> None:
    config = small(image_size=128, generator_width=8, discriminator_width=4, max_width=30)
    up = [m.out_channels for m in Generator(config).main if isinstance(m, nn.ConvTranspose2d)]
    down = [m.out_channels for m in Discriminator(config).main if isinstance(m, nn.Conv2d)]
    assert up == [30, 30, 30, 16, 8, 3]
    assert down == [4, 8, 16, 30, 30]


@pytest.mark.parametrize("output_activation", ["tanh", "smoothstep"])
def test_the_networks_are_dcgans(output_activation: str) -> None:
    """Only convolutions, norms and pointwise functions: no attention, skips or upsampling layers."""
    config = small(image_size=64, output_activation=output_activation)
    allowed = (nn.ConvTranspose2d, nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.LeakyReLU, nn.Tanh, Smoothstep)
    for network in (Generator(config), Discriminator(config)):
        assert all(isinstance(layer, allowed) for layer in network.main)


def test_almost_white_pixels_have_a_gradient_in_bfloat16() -> None:
    generator = Generator(small(image_size=16))
    latents = torch.randn(4, 5, requires_grad=True)
    generator.main[-2].weight.data.fill_(4.0)
    with torch.autocast("cpu", torch.bfloat16):
        images = generator(latents)
    assert images.dtype == torch.float32
    white = (images > 0.998) & (images < 1)
    assert white.any()
    (gradient,) = torch.autograd.grad(images[white].sum(), latents)
    assert gradient.abs().max() > 0


@torch.no_grad()
def test_after_projection_no_layer_makes_a_checkerboard_of_a_flat_map() -> None:
    def spread(generator: Generator) -> list[float]:
        layers = [m for m in generator.main if isinstance(m, UpsampleConv)]
        flat = [torch.randn(1, layer.in_channels, 1, 1).expand(-1, -1, 8, 8) for layer in layers]
        inside = [layer(x)[:, :, 2:-2, 2:-2] for layer, x in zip(layers, flat, strict=True)]
        return [float(maps.var((2, 3)).mean() / maps.var()) for maps in inside]

    torch.manual_seed(0)
    generator = Generator(small(image_size=64, generator_width=8)).to(memory_format=torch.channels_last)
    assert min(spread(generator)) > 0.1
    before = [weight.clone() for weight in generator.parameters()]
    generator.remove_checkerboard()
    assert max(spread(generator)) < 1e-10
    once = [weight.clone() for weight in generator.parameters()]
    for old, new in zip(before, once, strict=True):
        assert (new - old).norm() <= 0.6 * old.norm()  # the projection removes 3 of 16 dimensions
    generator.remove_checkerboard()
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(once, generator.parameters(), strict=True))


@torch.no_grad()
def test_with_replicate_padding_a_flat_map_stays_flat_up_to_the_border() -> None:
    torch.manual_seed(0)
    generator = Generator(small(image_size=128, padding_mode="replicate"))
    generator.remove_checkerboard()
    layers = [layer for layer in generator.main if isinstance(layer, UpsampleConv)]
    assert [layer.edge_padding for layer in layers] == ["zeros", "zeros", "zeros", "replicate", "replicate"]
    for layer in layers:
        maps = layer(torch.randn(1, layer.in_channels, 1, 1).expand(-1, -1, 6, 6))
        assert maps.shape == (1, layer.out_channels, 12, 12)
        assert (float(maps.var((2, 3)).max()) < 1e-10) is (layer.edge_padding == "replicate")


@torch.no_grad()
def test_padding_changes_only_the_border_of_a_map() -> None:
    torch.manual_seed(0)
    zeros, replicate = UpsampleConv(4, 5, "zeros"), UpsampleConv(4, 5, "replicate")
    replicate.load_state_dict(zeros.state_dict())
    maps = torch.randn(2, 4, 8, 8)
    assert torch.allclose(zeros(maps)[:, :, 1:-1, 1:-1], replicate(maps)[:, :, 1:-1, 1:-1], atol=1e-6)


def test_smoothstep_is_one_from_one_on_with_a_tenth_of_the_gradient() -> None:
    colors = torch.tensor([-5.0, -1.0, -0.5, 0.0, 0.9, 1.0, 1.1, 40.0], requires_grad=True)
    images = Smoothstep()(colors)
    assert torch.allclose(images, torch.tensor([-1, -1, -0.6875, 0, 0.9855, 1, 1, 1]))
    (gradient,) = torch.autograd.grad(images.sum(), colors)
    assert torch.allclose(gradient[[0, 2, 3, 4, 6, 7]], torch.tensor([0.1, 1.125, 1.5, 0.285, 0.1, 0.1]))


def test_output_smoothing_keeps_flat_images_and_halves_the_shortest_period_along_each_axis() -> None:
    flat = torch.full((1, 3, 8, 8), 0.7)
    torch.testing.assert_close(smooth_output(flat, 0.125), flat)
    stripes = torch.tensor([-1.0, 1.0]).repeat(8).expand(1, 3, 16, 16)
    torch.testing.assert_close(smooth_output(stripes, 0.125)[..., 1:-1], stripes[..., 1:-1] / 2)
    torch.testing.assert_close(smooth_output(stripes.mT, 0.125)[..., 1:-1, :], stripes.mT[..., 1:-1, :] / 2)
    assert torch.equal(smooth_output(stripes, 0), stripes)


def test_the_discriminator_pads_with_black() -> None:
    discriminator = Discriminator(small(image_size=16)).eval()
    first = discriminator.main[0]
    black = torch.full((1, 3, 16, 16), -1.0)
    features = first(nn.functional.pad(black, (1, 1, 1, 1), value=-1.0))
    assert torch.allclose(features, features[:, :, :1, :1].expand_as(features), atol=1e-6), (
        "no border on black"
    )
    expected = discriminator.head(discriminator.main[1:](features).flatten(1)).squeeze(1)
    assert torch.allclose(discriminator(black), expected)


def test_spectral_normalization_keeps_the_norm_of_every_layer_at_one() -> None:
    discriminator = Discriminator(small(image_size=32, discriminator_norm="spectral"))
    for _ in range(30):  # one power iteration a step
        discriminator(torch.randn(2, 3, 32, 32))
    layers = [m for m in discriminator.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(layers) == 4
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, rel=0.02)


def test_minibatch_stddev_distinguishes_copies_from_a_diverse_batch_in_training() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(small(image_size=16, minibatch_stddev=True, discriminator_norm="none"))
    with torch.no_grad():
        discriminator.head.weight[:, -16:] = 100  # all weight on the standard deviation
    one, diverse = torch.randn(1, 3, 16, 16), torch.randn(4, 3, 16, 16)
    copies = one.expand(4, -1, -1, -1)
    assert discriminator(diverse).mean() > discriminator(copies).mean() + 1


def test_in_evaluation_a_logit_does_not_depend_on_the_batch_even_with_minibatch_stddev() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(small(image_size=16, minibatch_stddev=True))
    images = torch.randn(8, 3, 16, 16)
    for _ in range(20):
        discriminator(images)
    assert discriminator.running_stddev > 0
    discriminator.eval()
    together = discriminator(images)
    alone = torch.cat([discriminator(image[None]) for image in images])
    assert torch.allclose(together, alone, atol=1e-5)
    other_batch = discriminator(torch.cat([images[:1], torch.zeros(7, 3, 16, 16)]))[0]
    assert torch.allclose(together[0], other_batch, atol=1e-5)


@pytest.mark.parametrize(
    "invalid",
    [
        {"image_size": 48},
        {"image_size": 8},
        {"image_size": 1024},
        {"latent": 0},
        {"generator_width": 0},
        {"discriminator_bottom": 5},
        {"discriminator_norm": "layer"},
        {"padding_mode": "mirrored"},
        {"output_activation": "sigmoid"},
        {"color": "red"},
        {"kimg": 0},
        {"kimg": float("inf")},
        {"kimg": float("nan")},
        {"r1": -1},
        {"r1": float("inf")},
        {"batch": 1},
        {"loss": "wasserstein"},
        {"augment": ["flip"]},
        {"generator_lr": 0},
        {"discriminator_lr": 2},
        {"beta1": 1},
        {"ema_kimg": 0},
        {"penalty_every": 0},
        {"save_minutes": 0},
        {"device": "tpu"},
        {"seed": -1},
    ],
    ids=str,
)
def test_the_config_refuses_invalid_values_and_names_the_field(invalid: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(invalid))):
        GanConfig(**invalid)  # type: ignore[arg-type]


def test_a_config_is_frozen_and_contains_its_network_config() -> None:
    config = GanConfig(image_size=32, latent=7, r1=3)
    with pytest.raises(ValidationError):
        config.image_size = 64  # type: ignore[misc]
    assert config.networks() == NetworkConfig(image_size=32, latent=7)
    assert type(config.networks()) is NetworkConfig
