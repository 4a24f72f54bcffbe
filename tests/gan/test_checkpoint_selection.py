"""Checkpoint selection: the one closest to held-out people is kept, also over interruptions."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from palm_assets.gan.checkpoint_selection import CheckpointRecord, CheckpointSelector
from palm_assets.gan.config import NetworkConfig
from palm_assets.gan.networks import Discriminator, Generator
from palm_assets.gan.sampler import PalmModel

NETWORKS = NetworkConfig(image_size=16, latent=8, generator_width=8, discriminator_width=8, max_width=16)


def model(contrast: float, folder: Path) -> PalmModel:
    """A generator of noise around gray, and a discriminator."""
    torch.manual_seed(0)
    generator, discriminator = Generator(NETWORKS).eval(), Discriminator(NETWORKS).eval()
    weight = generator.main[-2].weight
    assert isinstance(weight, torch.Tensor)
    weight.data.mul_(contrast * 40)
    return PalmModel(generator, discriminator, NETWORKS, "", folder)


_people = model(1.0, Path())
HELD_OUT = _people.generate(_people.latents(123, range(24)))


def last_layer(generator: Generator) -> torch.Tensor:
    weight = generator.main[-2].weight
    assert isinstance(weight, torch.Tensor)
    return weight.detach()


def test_the_checkpoint_closest_to_held_out_people_is_kept_not_the_last(tmp_path: Path) -> None:
    selector = CheckpointSelector(HELD_OUT, tmp_path)
    records = [
        selector.consider(model(contrast, tmp_path), seen)
        for seen, contrast in ((1000, 0.01), (2000, 1.0), (3000, 9.0))
    ]
    distances = [record.kernel_distance for record in records]
    best = int(np.argmin(distances))
    assert best == 1
    assert selector.best == records[best]
    assert torch.equal(last_layer(selector.networks()[0]), last_layer(model(1.0, tmp_path).generator))
    assert [path.name for path in tmp_path.glob("at-*")] == ["at-2000"]


def test_a_new_selector_continues_with_the_records_of_the_last_one(tmp_path: Path) -> None:
    first = CheckpointSelector(HELD_OUT, tmp_path)
    first.consider(model(1.0, tmp_path), 1000)
    again = CheckpointSelector(HELD_OUT, tmp_path)
    assert again.checkpoints == first.checkpoints
    again.consider(model(9.0, tmp_path), 2000)
    again.consider(model(9.0, tmp_path), 2000)  # a resumed run reaches the same checkpoint again
    assert [row.images_seen for row in again.checkpoints] == [1000, 2000]
    assert again.best.images_seen == 1000
    again.networks()


def test_with_too_few_held_out_crops_the_last_checkpoint_is_kept(tmp_path: Path) -> None:
    selector = CheckpointSelector(HELD_OUT[:3], tmp_path)
    for seen in (1000, 2000):
        assert math.isnan(selector.consider(model(1.0, tmp_path), seen).kernel_distance)
    assert selector.best.images_seen == 2000
    selector.networks()


def test_the_measured_distance_is_deterministic(tmp_path: Path) -> None:
    one = CheckpointSelector(HELD_OUT, tmp_path / "1").consider(model(1.0, tmp_path), 8)
    assert CheckpointSelector(HELD_OUT, tmp_path / "2").consider(model(1.0, tmp_path), 8) == one


def test_a_worse_model_at_the_place_of_the_best_one_does_not_replace_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a rollback, or when the training state was deleted and the checkpoints stayed."""
    distances = iter([0.9, 0.1, 0.9, 0.5, math.nan])
    monkeypatch.setattr(
        CheckpointSelector, "_measure", lambda _, __, seen: CheckpointRecord(seen, next(distances), 0.0)
    )
    selector = CheckpointSelector(HELD_OUT[:3], tmp_path)
    for seen, contrast in ((1000, 0.01), (2000, 1.0)):
        selector.consider(model(contrast, tmp_path), seen)
    best = selector.best
    again = CheckpointSelector(HELD_OUT[:3], tmp_path)
    for seen in (1000, 2000, 2000):
        again.consider(model(9.0, tmp_path), seen)
        assert again.best == best
        assert torch.equal(last_layer(again.networks()[0]), last_layer(model(1.0, tmp_path).generator))


def test_records_without_the_weights_of_the_best_one_are_of_no_use(tmp_path: Path) -> None:
    CheckpointSelector(HELD_OUT[:3], tmp_path).consider(model(1.0, tmp_path), 1000)
    shutil.rmtree(tmp_path / "at-1000")
    again = CheckpointSelector(HELD_OUT[:3], tmp_path)
    assert again.checkpoints == []
    again.consider(model(9.0, tmp_path), 2000)
    assert again.best.images_seen == 2000
    again.networks()
