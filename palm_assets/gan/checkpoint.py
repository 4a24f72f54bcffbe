"""A model on disk: weights as safetensors, the network config, and metrics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from palm_assets.errors import CheckpointError
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.metrics import TrainingMetrics
from palm_assets.gan.networks import Discriminator, Generator

GENERATOR_FILE = "generator.safetensors"
DISCRIMINATOR_FILE = "discriminator.safetensors"
CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.json"
CARD_FILE = "README.md"


def save_networks(
    generator: Generator, discriminator: Discriminator, networks: NetworkConfig, folder: Path
) -> None:
    """Write the weights of both networks and their config into a folder."""
    for network, name in ((generator, GENERATOR_FILE), (discriminator, DISCRIMINATOR_FILE)):
        weights = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
        save_file(weights, folder / name)
    config = networks.model_dump_json(indent=2, include=set(NetworkConfig.model_fields))
    (folder / CONFIG_FILE).write_text(config + "\n", encoding="utf-8")


def load_networks(folder: Path) -> tuple[Generator, Discriminator, NetworkConfig]:
    """Read what `save_networks` wrote; both networks are in evaluation mode.

    Raises:
        CheckpointError: a file is missing or damaged, has another architecture, or holds weights that are
            not finite.
    """
    networks = read_networks(folder)
    generator, discriminator = Generator(networks), Discriminator(networks)
    _load(generator, folder / GENERATOR_FILE)
    _load(discriminator, folder / DISCRIMINATOR_FILE)
    return generator.eval(), discriminator.eval(), networks


def read_networks(folder: Path) -> NetworkConfig:
    """The architecture of a model, without its weights.

    Raises:
        CheckpointError: the config is missing or damaged.
    """
    try:
        return NetworkConfig.model_validate_json((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise _unusable(folder / CONFIG_FILE, error) from error


def write_metrics(folder: Path, metrics: dict[str, Any], curves: Sequence[TrainingMetrics]) -> None:
    """Write `metrics.json`: metrics of the trained model, and its training curves."""
    content = {**metrics, "curves": [asdict(row) for row in curves]}
    (folder / METRICS_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_metrics(folder: Path) -> dict[str, Any]:
    """Read what `write_metrics` wrote; empty for a model without metrics.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / METRICS_FILE
    try:
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _unusable(path, error) from error
    return metrics


def _load(network: nn.Module, path: Path) -> None:
    try:
        weights = load_file(path)
        network.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise _unusable(path, error) from error
    if not all(torch.isfinite(value).all() for value in weights.values()):
        raise _unusable(path, "it holds values that are not finite")


def _unusable(path: Path, cause: object) -> CheckpointError:
    reason = str(cause).splitlines()[0]
    return CheckpointError(
        f"The model cannot be loaded: {reason}", where=path, hint="Train or import the model again."
    )
