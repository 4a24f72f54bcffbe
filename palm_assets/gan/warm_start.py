"""Starting from a trained model: from its weights, or from those of a model of half the size, grown.

Growing preserves what both networks compute (as Net2Net does: Chen et al. 2016, arXiv:1511.05641). The grown
generator outputs the small one's images at twice the size, the grown discriminator applies the small one to
the means of 2x2 pixels, and only the new detail has to be learnt. Training at increasing sizes is the idea of
progressive growing (Karras et al. 2017, arXiv:1710.10196), here without fading in.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from palm_assets.errors import CheckpointError
from palm_assets.gan.checkpoint import load_networks
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.networks import Discriminator, Generator, UpsampleConv

SIGNED_COLORS = 6  # red, green and blue, and their negatives
LEAKY = 1.2  # leaky(x) - leaky(-x) = 1.2 x, with a slope of 0.2
MEASURED_ON = 256
TANH_AS_SMOOTHSTEP = 0.55  # tanh(x) and the smoothstep of 0.55 x are nowhere more than 0.06 apart


def start_from(
    folder: Path, generator: Generator, discriminator: Discriminator, config: NetworkConfig
) -> None:
    """Put the weights of the model in `folder` into both networks.

    Args:
        folder: of a published model.
        generator: of the shape `config`; changed in place, as is `discriminator`.
        discriminator: of the same.
        config: the shape; that of the model, or of one of half its size whose networks are otherwise these.
            The padding mode, output activation and output smoothing may differ: training adapts.

    Raises:
        CheckpointError: the model cannot be read, or has other networks.
    """
    small_generator, small_discriminator, networks = load_networks(folder)
    ending = {
        name: getattr(config, name) for name in ("padding_mode", "output_activation", "output_smoothing")
    }
    alike = networks.model_copy(update=ending)
    if alike == config:
        generator.load_state_dict(small_generator.state_dict())
        discriminator.load_state_dict(small_discriminator.state_dict())
    elif alike == _half(config) and _can_grow(config):
        _grow_generator(small_generator, generator)
        _grow_discriminator(small_discriminator, discriminator)
    else:
        raise CheckpointError(
            f"Networks of {_describe(config)} cannot start from a model of {_describe(networks)}",
            where=folder,
            hint="Choose the same networks; or twice the image_size, half of each width (but 6 at least) and "
            "no norm in the discriminator; or `start: scratch`.",
        )
    if networks.output_activation != config.output_activation:
        factor = TANH_AS_SMOOTHSTEP if config.output_activation == "smoothstep" else 1 / TANH_AS_SMOOTHSTEP
        list(generator.main)[-2].get_parameter("weight").data.mul_(factor)


@torch.no_grad()
def _grow_generator(small: Generator, grown: Generator) -> None:
    """Twice the size by linear interpolation of the small one's images before the output activation."""
    *trunk, last, _ = list(small.main)
    *grown_trunk, inner, norm, _, outer, _ = list(grown.main)
    assert isinstance(last, UpsampleConv)
    assert isinstance(inner, UpsampleConv)
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(outer, UpsampleConv)
    _copy(trunk, grown_trunk)

    # Colors and their negatives pass the ReLU; the norm is told to give back what it takes away.
    inner.weight[:, :SIGNED_COLORS] = torch.cat([last.weight, -last.weight], 1)
    random = torch.Generator().manual_seed(0)
    colors = small.train().pre_activation(torch.randn(MEASURED_ON, small.latent, generator=random))
    mean, spread = colors.mean((0, 2, 3)), colors.var((0, 2, 3)).add(norm.eps).sqrt()
    norm.weight[:SIGNED_COLORS], norm.bias[:SIGNED_COLORS] = spread.repeat(2), torch.cat([mean, -mean])

    linear = torch.tensor([0.25, 0.75, 0.75, 0.25])
    outer.weight.zero_()
    for color in range(3):
        outer.weight[color, color] = torch.outer(linear, linear)
        outer.weight[color + 3, color] = -torch.outer(linear, linear)


@torch.no_grad()
def _grow_discriminator(small: Discriminator, grown: Discriminator) -> None:
    """The small one, on the means of 2x2 pixels."""
    first, _, *trunk = list(small.main)
    outer, _, inner, _, *rest = list(grown.main)
    assert isinstance(first, nn.Conv2d)
    assert isinstance(outer, nn.Conv2d)
    assert isinstance(inner, nn.Conv2d)
    assert first.bias is not None
    assert outer.bias is not None
    assert inner.bias is not None
    _copy(trunk, rest)
    grown.head.load_state_dict(small.head.state_dict())

    # Counted from black up, so that the zeros with which the next layer pads are the black of the small one.
    outer.weight[:SIGNED_COLORS], outer.bias[:SIGNED_COLORS] = 0, torch.tensor([1.0, 1, 1, -1, -1, -1])
    for color in range(3):
        outer.weight[color, color, 1:3, 1:3] = 0.25
        outer.weight[color + 3, color, 1:3, 1:3] = -0.25
    inner.weight.zero_()
    inner.weight[:, :SIGNED_COLORS] = torch.cat([first.weight, -first.weight], 1) / LEAKY
    inner.bias.copy_(first.bias - first.weight.sum((1, 2, 3)))


def _copy(layers: list[nn.Module], into: list[nn.Module]) -> None:
    for layer, target in zip(layers, into, strict=True):
        target.load_state_dict(layer.state_dict())


def _can_grow(config: NetworkConfig) -> bool:
    narrower = min(config.generator_width, config.discriminator_width)
    return narrower >= SIGNED_COLORS and config.discriminator_norm == "none"


def _half(config: NetworkConfig) -> NetworkConfig:
    wider = {
        "generator_width": 2 * config.generator_width,
        "discriminator_width": 2 * config.discriminator_width,
    }
    return config.model_copy(update={"image_size": config.image_size // 2, **wider})


def _describe(config: NetworkConfig) -> str:
    return ", ".join(f"{name} {value}" for name, value in config.model_dump().items())
