from __future__ import annotations

import io
import math
import time

import numpy as np
import pytest
import torch
from PIL import Image

from app.jobs import Job
from app.likeness import AROUND, STEP, Likeness, Start, direction, reached, resembling, stepped
from app.origin import read_origin
from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.generate import Request, generate

START = Start(4, 10, 0.8)


def around(model: PalmModel, *steps: int) -> Likeness:
    job: Job[Likeness] = Job("a", resembling(model, START, steps), time.monotonic)
    job._take_turn(60)
    assert job.result is not None
    return job.result


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture).transpose(2, 0, 1)


def test_the_way_begins_at_the_palm_itself(model: PalmModel) -> None:
    (palm,) = generate(model, Request(1, START.seed, START.truncation))
    here = around(model).here
    np.testing.assert_array_equal(pixels(here.png), palm.image)
    assert here.score == palm.score


def test_a_step_that_is_taken_leads_to_the_palm_that_was_shown(model: PalmModel) -> None:
    first = around(model)
    assert len({variant.png for variant in first.around}) == AROUND
    second = around(model, 5)
    assert second.here == first.around[4]
    assert around(model, 5, 2).here == second.around[1]
    assert around(model, 5, 2) == around(model, 5, 2)


def test_a_step_turns_by_a_small_angle_and_keeps_the_length() -> None:
    latent, towards = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    after = stepped(latent, towards)
    assert after.norm() == pytest.approx(float(latent.norm()), rel=1e-5)
    assert float(torch.cosine_similarity(after, latent, dim=0)) == pytest.approx(math.cos(STEP), rel=1e-5)


def test_directions_are_all_different() -> None:
    ways = [(), (1,), (2,), (1, 2), (2, 1), (12,), (1, 1, 2)]
    assert len({tuple(direction(seed, way, 4).tolist()) for way in ways for seed in (0, 1)}) == 14


def test_palms_around_are_more_alike_than_those_of_a_set(model: PalmModel) -> None:
    latent = reached(model, 10, ())
    near = torch.stack([reached(model, 10, (number,)) for number in range(1, AROUND + 1)])
    far = model.latents(100, range(AROUND))
    assert (near - latent).norm(dim=1).max() < (far - latent).norm(dim=1).min()


def test_a_png_of_the_way_says_how_to_go_it_again(model: PalmModel) -> None:
    origin = read_origin(around(model, 5, 12).here.png)
    assert origin is not None
    assert (origin.seed + origin.index, origin.truncation, origin.steps) == (10, 0.8, (5, 12))
    assert read_origin(around(model).here.png) is not None
    assert read_origin(around(model).here.png).steps == ()  # type: ignore[union-attr]
