"""Which checkpoint is kept: the nearest to people held out, whatever is interrupted when."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from palm_assets.gan.checkpoint_selection import CheckpointSelector
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.sampler import PalmModel

SHAPE = NetworkConfig(image_size=16, latent=8, generator_width=8, discriminator_width=8, max_width=16)


def model(contrast: float, folder: Path) -> PalmModel:
    """A generator of noise around grey, and a discriminator."""
    torch.manual_seed(0)
    generator, discriminator = Generator(SHAPE).eval(), Discriminator(SHAPE).eval()
    weight = generator.main[-2].weight
    assert isinstance(weight, torch.Tensor)
    weight.data.mul_(contrast * 40)
    return PalmModel(generator, discriminator, SHAPE, "", folder)


_people = model(1.0, Path())
HELD_OUT = _people.generate(_people.latents(123, range(24)))


def last_layer(generator: Generator) -> torch.Tensor:
    weight = generator.main[-2].weight
    assert isinstance(weight, torch.Tensor)
    return weight.detach()


def test_the_checkpoint_nearest_to_people_held_out_is_kept_not_the_last(tmp_path: Path) -> None:
    selector = CheckpointSelector(HELD_OUT, tmp_path)
    candidates = [
        selector.consider(model(contrast, tmp_path), seen)
        for seen, contrast in ((1000, 0.01), (2000, 1.0), (3000, 9.0))
    ]
    distances = [candidate.distance for candidate in candidates]
    best = int(np.argmin(distances))
    assert best == 1
    assert selector.best == candidates[best]
    assert torch.equal(last_layer(selector.networks()[0]), last_layer(model(1.0, tmp_path).generator))
    assert [path.name for path in tmp_path.glob("at-*")] == ["at-2000"]


def test_after_a_crash_it_goes_on_with_what_it_knew(tmp_path: Path) -> None:
    first = CheckpointSelector(HELD_OUT, tmp_path)
    first.consider(model(1.0, tmp_path), 1000)
    again = CheckpointSelector(HELD_OUT, tmp_path)
    assert again.candidates == first.candidates
    again.consider(model(9.0, tmp_path), 2000)
    again.consider(model(9.0, tmp_path), 2000)  # a resumed run comes by the same place twice
    assert [row.images_seen for row in again.candidates] == [1000, 2000]
    assert again.best.images_seen == 1000
    again.networks()


def test_where_too_few_people_are_held_out_the_last_is_kept(tmp_path: Path) -> None:
    selector = CheckpointSelector(HELD_OUT[:3], tmp_path)
    for seen in (1000, 2000):
        assert math.isnan(selector.consider(model(1.0, tmp_path), seen).distance)
    assert selector.best.images_seen == 2000
    selector.networks()


def test_the_same_checkpoint_is_always_measured_the_same(tmp_path: Path) -> None:
    one = CheckpointSelector(HELD_OUT, tmp_path / "1").consider(model(1.0, tmp_path), 8)
    assert CheckpointSelector(HELD_OUT, tmp_path / "2").consider(model(1.0, tmp_path), 8) == one
