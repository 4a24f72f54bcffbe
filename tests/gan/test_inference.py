"""The networks fused for inference are the same functions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from palm_assets.gan.config import PUBLISHED_NETWORKS, NetworkConfig
from palm_assets.gan.inference import fused_discriminator, fused_generator
from palm_assets.gan.networks import Discriminator, Generator, smooth_output

CONFIGS = {
    "batch": NetworkConfig(image_size=32, latent=8, generator_width=8, discriminator_width=8),
    "spectral, minibatch stddev": NetworkConfig(
        image_size=64, latent=8, generator_width=8, discriminator_width=8, max_width=32,
        discriminator_norm="spectral", minibatch_stddev=True,
    ),
    "none": NetworkConfig(
        image_size=16, latent=8, generator_width=8, discriminator_width=8, discriminator_norm="none"
    ),
    "smoothstep, replicate padding, output smoothing": NetworkConfig(
        image_size=128, latent=8, generator_width=4, discriminator_width=4, max_width=32,
        output_activation="smoothstep", padding_mode="replicate", output_smoothing=0.07,
    ),
    "published, narrow": PUBLISHED_NETWORKS.model_copy(
        update={"generator_width": 4, "discriminator_width": 4, "max_width": 32}
    ),
}  # fmt: skip


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS.keys())
def networks(request: pytest.FixtureRequest) -> tuple[Generator, Discriminator]:
    """Networks as after training: batch statistics other than the initial ones, and visible contrast."""
    torch.manual_seed(0)
    generator, discriminator = Generator(request.param), Discriminator(request.param)
    for weight in [*generator.parameters(), *discriminator.parameters()]:
        weight.data.mul_(4)
    for _ in range(5):
        discriminator(generator(torch.randn(16, request.param.latent)))
    for network in (generator, discriminator):
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.normal_(module.bias, 0, 0.2)
    return generator.eval(), discriminator.eval()


def plain_logits(discriminator: Discriminator, pixels: Tensor) -> Tensor:
    return discriminator(pixels.float() / 127.5 - 1)


def plain_images(generator: Generator, latents: Tensor) -> Tensor:
    return smooth_output(generator(latents), generator.output_smoothing)


def latents_and_pixels(generator: Generator, count: int) -> tuple[Tensor, Tensor]:
    latents = torch.randn(count, generator.latent, generator=torch.Generator().manual_seed(1))
    return latents, ((plain_images(generator, latents) + 1) * 127.5).round().to(torch.uint8)


@torch.no_grad()
def test_in_float32_images_and_logits_are_the_same_up_to_rounding(
    networks: tuple[Generator, Discriminator],
) -> None:
    generator, discriminator = networks
    latents, pixels = latents_and_pixels(generator, 8)
    expected = plain_images(generator, latents)
    assert expected.std() > 0.05
    torch.testing.assert_close(
        fused_generator(generator, bfloat16=False)(latents), expected, rtol=0, atol=2e-5
    )
    logits = plain_logits(discriminator, pixels)
    torch.testing.assert_close(
        fused_discriminator(discriminator, bfloat16=False)(pixels),
        logits,
        rtol=0,
        atol=1e-4 * float(logits.abs().max()),
    )


@torch.no_grad()
def test_in_bfloat16_images_differ_by_less_than_one_level_and_logits_by_two_percent(
    networks: tuple[Generator, Discriminator],
) -> None:
    generator, discriminator = networks
    latents, pixels = latents_and_pixels(generator, 32)
    levels = (
        127.5 * (fused_generator(generator, bfloat16=True)(latents) - plain_images(generator, latents)).abs()
    )
    assert levels.mean() < 1
    logits = plain_logits(discriminator, pixels)
    difference = (fused_discriminator(discriminator, bfloat16=True)(pixels) - logits).abs()
    assert difference.mean() < 0.02 * logits.abs().mean() + 1e-3


@torch.no_grad()
def test_fusing_leaves_the_networks_unchanged(networks: tuple[Generator, Discriminator]) -> None:
    before = [{k: v.clone() for k, v in network.state_dict().items()} for network in networks]
    fused_generator(networks[0])
    fused_discriminator(networks[1])
    for network, state in zip(networks, before, strict=True):
        assert network.state_dict().keys() == state.keys()
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_a_generator_of_another_class_is_returned_unchanged() -> None:
    other = torch.nn.Identity()
    assert fused_generator(other) is other
