"""Initial weights from a trained model: of the same size; of half the image size, grown; or larger, shrunk.

Growing preserves the functions of both networks (as in Net2Net: Chen et al. 2016, arXiv:1511.05641). The
grown generator outputs the images of the small one at twice the size, the grown discriminator applies the
small one to the means of 2x2 pixels, and only the new detail has to be learned. Training at increasing sizes
follows progressive growing (Karras et al. 2017, arXiv:1710.10196), here without fading in.

A model without labels goes on as a conditional one: the weights of the labels start at zero, so both networks
compute what they did before, whatever is asked for. Conditioning from the start collapses more easily on few
images (Shahbazi et al. 2022, arXiv:2201.06578).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from palm_assets.errors import CheckpointError
from palm_assets.gan.checkpoint import load_networks
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.networks import Discriminator, Generator, UpsampleConv
from palm_assets.gan.shrink import copy_layers, shrink

SIGNED_COLORS = 6  # channels: red, green and blue, and their negatives, so that all pass a ReLU
LEAKY_GAIN = 1.2  # leaky(x) - leaky(-x) = 1.2 x, for a slope of 0.2
STATISTICS_SAMPLES = 256
TANH_TO_SMOOTHSTEP = 0.55  # tanh(x) and smoothstep(0.55 x) differ by at most 0.06
FIRST_LAYER = "main.0.weight"
MIN_SIZE = 16  # of an image, in pixels
COMPATIBLE_CHANGES = ("padding_mode", "output_activation", "output_smoothing")  # training adapts to these


def start_from(
    folder: Path, generator: Generator, discriminator: Discriminator, config: NetworkConfig
) -> None:
    """Load the weights of the model in `folder` into both networks, grown or shrunk to their image size.

    Args:
        folder: folder of the model.
        generator: network of architecture `config`, changed in place.
        discriminator: likewise.
        config: architecture of the model, or with twice its `image_size` and half its widths, or the other
            way round. `padding_mode`, `output_activation` and `output_smoothing` may differ, and `labels` if
            the model has none.

    Raises:
        CheckpointError: the model cannot be read, or its networks do not match.
    """
    trained_generator, trained_discriminator, networks = load_networks(folder)
    require_compatible(networks, config, where=folder)
    if config.labels != networks.labels:
        trained_generator, trained_discriminator = _with_labels(
            trained_generator, trained_discriminator, networks.model_copy(update={"labels": config.labels})
        )
    comparable = _with_changes(networks, config)
    if comparable == config:
        generator.load_state_dict(trained_generator.state_dict())
        discriminator.load_state_dict(trained_discriminator.state_dict())
    elif comparable.image_size > config.image_size:
        shrink(trained_generator, trained_discriminator, generator, discriminator)
    else:
        _grow_generator(trained_generator, generator)
        _grow_discriminator(trained_discriminator, discriminator)
    if networks.output_activation != config.output_activation:
        factor = TANH_TO_SMOOTHSTEP if config.output_activation == "smoothstep" else 1 / TANH_TO_SMOOTHSTEP
        list(generator.main)[-2].get_parameter("weight").data.mul_(factor)


def require_compatible(networks: NetworkConfig, config: NetworkConfig, *, where: Path) -> None:
    """Check that a training of `config` can start from the model in the folder `where`; see `start_from`.

    Args:
        networks: architecture of the model.
        config: architecture to train.
        where: folder of the model, for the message.

    Raises:
        CheckpointError: it cannot.
    """
    comparable = _with_changes(networks, config)
    if comparable == config or (comparable == _half_size(config) and _can_grow(config)):
        return
    if config in _smaller(comparable) and config.discriminator_norm == "none":
        return
    raise CheckpointError(
        f"Networks of {_describe(config)} cannot start from a model of {_describe(networks)}",
        where=where,
        hint="Configure the same networks; or twice the image_size, half of both widths (at least 6) and "
        "`discriminator_norm: none`, or half the image_size and twice the widths; or `start: scratch`. "
        "Labels can be added to a model without any, not changed.",
    )


def _with_changes(networks: NetworkConfig, config: NetworkConfig) -> NetworkConfig:
    changes = {name: getattr(config, name) for name in COMPATIBLE_CHANGES}
    if not networks.labels:
        changes["labels"] = config.labels
    return networks.model_copy(update=changes)


@torch.no_grad()
def _with_labels(
    generator: Generator, discriminator: Discriminator, widened: NetworkConfig
) -> tuple[Generator, Discriminator]:
    """Conditional networks, in evaluation mode, that compute what these ones do, whatever the labels are."""
    conditional, projection = Generator(widened), Discriminator(widened)
    weights = generator.state_dict()
    zeros = weights[FIRST_LAYER].new_zeros(conditional.label_size, *weights[FIRST_LAYER].shape[1:])
    first = {FIRST_LAYER: torch.cat([weights[FIRST_LAYER], zeros])}
    conditional.load_state_dict(conditional.state_dict() | weights | first)
    projection.load_state_dict(projection.state_dict() | discriminator.state_dict())
    return conditional.eval(), projection.eval()


@torch.no_grad()
def _grow_generator(small: Generator, grown: Generator) -> None:
    """Output the small generator's images, before the output activation, bilinearly upsampled by two."""
    *trunk, last, _ = list(small.main)
    *grown_trunk, inner, norm, _, outer, _ = list(grown.main)
    assert isinstance(last, UpsampleConv)
    assert isinstance(inner, UpsampleConv)
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(outer, UpsampleConv)
    copy_layers(trunk, grown_trunk)

    # The scale and bias of the batch norm undo its normalization of the colors.
    inner.weight[:, :SIGNED_COLORS] = torch.cat([last.weight, -last.weight], 1)
    random = torch.Generator().manual_seed(0)
    colors = small.train().pre_activation(small.random_inputs(STATISTICS_SAMPLES, random))
    mean, std = colors.mean((0, 2, 3)), colors.var((0, 2, 3)).add(norm.eps).sqrt()
    norm.weight[:SIGNED_COLORS], norm.bias[:SIGNED_COLORS] = std.repeat(2), torch.cat([mean, -mean])

    linear = torch.tensor([0.25, 0.75, 0.75, 0.25])
    outer.weight.zero_()
    for color in range(3):
        outer.weight[color, color] = torch.outer(linear, linear)
        outer.weight[color + 3, color] = -torch.outer(linear, linear)


@torch.no_grad()
def _grow_discriminator(small: Discriminator, grown: Discriminator) -> None:
    """Compute the small discriminator's logits of the means of 2x2 pixels."""
    first, _, *trunk = list(small.main)
    outer, _, inner, _, *rest = list(grown.main)
    assert isinstance(first, nn.Conv2d)
    assert isinstance(outer, nn.Conv2d)
    assert isinstance(inner, nn.Conv2d)
    assert first.bias is not None
    assert outer.bias is not None
    assert inner.bias is not None
    copy_layers(trunk, rest)
    grown.head.load_state_dict(small.head.state_dict())
    if grown.embedding is not None and small.embedding is not None:
        grown.embedding.load_state_dict(small.embedding.state_dict())

    # Colors are offset so that black is 0: the zero padding of the next layer is then the black padding that
    # the small discriminator has.
    outer.weight[:SIGNED_COLORS], outer.bias[:SIGNED_COLORS] = 0, torch.tensor([1.0, 1, 1, -1, -1, -1])
    for color in range(3):
        outer.weight[color, color, 1:3, 1:3] = 0.25
        outer.weight[color + 3, color, 1:3, 1:3] = -0.25
    inner.weight.zero_()
    inner.weight[:, :SIGNED_COLORS] = torch.cat([first.weight, -first.weight], 1) / LEAKY_GAIN
    inner.bias.copy_(first.bias - first.weight.sum((1, 2, 3)))


def _smaller(config: NetworkConfig) -> list[NetworkConfig]:
    """The architectures with a half, a quarter, ... of the image size."""
    found = []
    while config.image_size > MIN_SIZE:
        config = _half_size(config)
        found.append(config)
    return found


def _can_grow(config: NetworkConfig) -> bool:
    narrower = min(config.generator_width, config.discriminator_width)
    return narrower >= SIGNED_COLORS and config.discriminator_norm == "none"


def _half_size(config: NetworkConfig) -> NetworkConfig:
    wider = {
        "generator_width": 2 * config.generator_width,
        "discriminator_width": 2 * config.discriminator_width,
    }
    return config.model_copy(update={"image_size": config.image_size // 2, **wider})


def _describe(config: NetworkConfig) -> str:
    return ", ".join(f"{name} {value}" for name, value in config.model_dump().items())
