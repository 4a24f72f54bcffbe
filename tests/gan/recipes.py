"""Small recipes, random images, and comparison of weights, for tests of training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from palm_assets.gan.config import GanConfig
from palm_assets.gan.training_loop import TrainingResult

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16), dtype=np.uint8)
RECIPES: dict[str, dict[str, object]] = {
    "default": {},
    "hinge, spectral": {"loss": "hinge", "discriminator_norm": "spectral", "augment": []},
    "relativistic, penalized": {
        "loss": "relativistic",
        "discriminator_norm": "none",
        "r1": 1.0,
        "r2": 0.5,
        "penalty_every": 3,
        "minibatch_stddev": True,
    },
}


def tiny(**knobs: object) -> GanConfig:
    """A recipe of twelve steps."""
    basics: dict[str, object] = {
        "image_size": 16,
        "latent": 8,
        "generator_width": 8,
        "discriminator_width": 8,
        "batch": 8,
        "kimg": 0.096,
        "device": "cpu",
    }
    return GanConfig(**{**basics, **knobs})  # type: ignore[arg-type]


def weights(trained: TrainingResult | None) -> dict[str, Tensor]:
    """State of both networks, by name."""
    assert trained is not None
    both = {"generator": trained.generator, "discriminator": trained.discriminator}
    return {f"{name}.{key}": value for name, net in both.items() for key, value in net.state_dict().items()}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """Names of the tensors that are not equal bit for bit."""
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]
