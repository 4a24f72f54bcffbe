"""Converts the published weights of genPalmsWeb (`PUBLISHED_NETWORKS`) exactly into networks of this package.

The published generator ends in a sigmoid and outputs BGR in [0, 1]; the discriminator takes such images and
has two logits with a softmax, the second meaning "real". Networks of this package use tanh, RGB in [-1, 1]
and one logit:

- sigmoid(x) = (1 + tanh(x / 2)) / 2: the weights of the generator's last layer are halved, and its output
  channels reversed;
- softmax(l)[1] = sigmoid(l1 - l0): the two rows of the discriminator's last layer are subtracted;
- a convolution of (x + 1) / 2 is one of x with half the weights and a bias of half their sum, provided that
  the padding is black (-1), as in `Discriminator`; the input channels are reversed.
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
        CheckpointError: a file is missing, is not a dict of finite tensors, or has another architecture. No
            code in a file is executed.
    """
    # The files first: initializing a generator of 256 px takes seconds.
    generator_weights = _convert_generator(_load_tensors(generator_path), generator_path)
    discriminator_weights = _convert_discriminator(_load_tensors(discriminator_path), discriminator_path)
    discriminator = _with_weights(
        Discriminator(PUBLISHED_NETWORKS), discriminator_weights, discriminator_path
    )
    generator = _with_weights(Generator(PUBLISHED_NETWORKS), generator_weights, generator_path)
    return generator.eval(), discriminator.eval()


def _load_tensors(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError("There is no such file", where=path, hint="Check the path.") from None
    except Exception as error:  # the restricted unpickler raises anything for arbitrary bytes
        raise CheckpointError(
            "The file is not a plain dict of tensors; no code in it was executed",
            where=path,
            hint="Save it with torch.save(model.state_dict(), path).",
        ) from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(
            "The file is not a plain dict of tensors",
            where=path,
            hint="Save it with torch.save(model.state_dict(), path).",
        )
    return {str(key).removeprefix("module."): value.float() for key, value in content.items()}


def _convert_generator(weights: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    last = _tensor(weights, LAST_GENERATOR_LAYER, 4, path)
    return {**weights, LAST_GENERATOR_LAYER: last.flip(1) / 2}


def _convert_discriminator(weights: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    first = _tensor(weights, FIRST_DISCRIMINATOR_LAYER, 4, path).flip(1) / 2
    head, bias = _tensor(weights, "fc.weight", 2, path), _tensor(weights, "fc.bias", 1, path)
    if len(head) != 2 or len(bias) != 2:
        raise CheckpointError(
            "The last layer does not have two outputs", where=path, hint="Check that it is the discriminator."
        )
    converted = {key: value for key, value in weights.items() if not key.startswith("fc.")}
    converted |= {FIRST_DISCRIMINATOR_LAYER: first, "main.0.bias": first.sum((1, 2, 3))}
    return converted | {"head.weight": head[1:] - head[:1], "head.bias": bias[1:] - bias[:1]}


def _tensor(weights: dict[str, Tensor], name: str, dimensions: int, path: Path) -> Tensor:
    if name not in weights or weights[name].ndim != dimensions:
        raise CheckpointError(
            f"The file has no {name} of the published shape",
            where=path,
            hint="Check the order of the two files.",
        )
    return weights[name]


def _with_weights(network: Network, weights: dict[str, Tensor], path: Path) -> Network:
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
