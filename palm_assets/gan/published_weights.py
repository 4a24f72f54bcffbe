"""The student project's published weights, turned into a model of ours by exact algebra.

Its generator ends in a sigmoid and draws BGR in [0, 1]; its discriminator reads that and has two logits, of
which a softmax takes the second as "real". Ours ends in tanh, speaks RGB in [-1, 1] and has one logit:

- sigmoid(x) = (1 + tanh(x / 2)) / 2: halve the last layer, and reverse its output channels;
- softmax(l)[1] = sigmoid(l1 - l0): subtract the rows of the last layer;
- a convolution of (x + 1) / 2 has half the weights and a bias of half their sum, provided that the padding is
  black (-1), as that of our first layer is; and its input channels are reversed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from palm_assets.errors import CheckpointError
from palm_assets.gan.config import PUBLISHED_NETWORKS
from palm_assets.gan.networks import Discriminator, Generator

Network = TypeVar("Network", Generator, Discriminator)
LAST_GENERATOR_LAYER = "main.18.weight"
FIRST_DISCRIMINATOR_LAYER = "main.0.weight"


def import_published(generator_path: Path, discriminator_path: Path) -> tuple[Generator, Discriminator]:
    """Read `generator.pt` and `discriminator.pt`, plain state dicts, as networks of `PUBLISHED_NETWORKS`.

    Raises:
        CheckpointError: a file is missing, is not a dict of plain, finite tensors (it is not run to find
            out), or is of another architecture.
    """
    # Files first, networks later: a generator of 256 pixels takes seconds to set up.
    for_generator = _converted_generator(_plain_tensors(generator_path), generator_path)
    for_discriminator = _converted_discriminator(_plain_tensors(discriminator_path), discriminator_path)
    discriminator = _filled(Discriminator(PUBLISHED_NETWORKS), for_discriminator, discriminator_path)
    generator = _filled(Generator(PUBLISHED_NETWORKS), for_generator, generator_path)
    return generator.eval(), discriminator.eval()


def _plain_tensors(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError("There is no such file", where=path, hint="Check the path.") from None
    except Exception as error:  # whatever the restricted unpickler raises for bytes that are anything at all
        raise CheckpointError(
            "The file is not a plain dict of tensors, and nothing in it was run",
            where=path,
            hint="Save it with torch.save(model.state_dict(), ...).",
        ) from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(
            "The file is not a plain dict of tensors",
            where=path,
            hint="Save it with torch.save(model.state_dict()).",
        )
    return {str(key).removeprefix("module."): value.float() for key, value in content.items()}


def _converted_generator(weights: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    last = _entry(weights, LAST_GENERATOR_LAYER, 4, path)
    return {**weights, LAST_GENERATOR_LAYER: last.flip(1) / 2}


def _converted_discriminator(weights: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    first = _entry(weights, FIRST_DISCRIMINATOR_LAYER, 4, path).flip(1) / 2
    head, bias = _entry(weights, "fc.weight", 2, path), _entry(weights, "fc.bias", 1, path)
    if len(head) != 2 or len(bias) != 2:
        raise CheckpointError(
            "The last layer has not two outputs", where=path, hint="Is it the discriminator?"
        )
    converted = {key: value for key, value in weights.items() if not key.startswith("fc.")}
    converted |= {FIRST_DISCRIMINATOR_LAYER: first, "main.0.bias": first.sum((1, 2, 3))}
    return converted | {"head.weight": head[1:] - head[:1], "head.bias": bias[1:] - bias[:1]}


def _entry(weights: dict[str, Tensor], name: str, dimensions: int, path: Path) -> Tensor:
    if name not in weights or weights[name].ndim != dimensions:
        raise CheckpointError(
            f"The file has no {name} as published", where=path, hint="Are the two files in the right order?"
        )
    return weights[name]


def _filled(network: Network, weights: dict[str, Tensor], path: Path) -> Network:
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise CheckpointError(
            "The file holds values that are not finite", where=path, hint="Download it again."
        )
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            "The weights do not fit the published architecture",
            where=path,
            hint=str(error).splitlines()[1].strip(),
        ) from error
    return network
