from __future__ import annotations

import io
import time

import numpy as np
import pytest
import torch
from PIL import Image

from app.jobs import Job
from app.walk import FRAMES, STRIP, Walk, between, walking
from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.generate import Request, generate


def walked(model: PalmModel, start: int, end: int) -> Walk:
    job: Job[Walk] = Job("a", walking(model, 7, start, end, 1.0), time.monotonic)
    job._take_turn(60)
    assert job.result is not None
    return job.result


def test_a_walk_starts_and_ends_at_the_two_palms(model: PalmModel) -> None:
    walk = walked(model, 2, 5)
    palms = list(generate(model, Request(6, 7)))
    for png, palm in ((walk.strip[0], palms[2]), (walk.strip[-1], palms[5])):
        with Image.open(io.BytesIO(png)) as picture:
            np.testing.assert_array_equal(np.asarray(picture).transpose(2, 0, 1), palm.image)
    assert (walk.start, walk.end, len(walk.strip)) == (3, 6, STRIP)


def test_the_animation_goes_there_and_back_for_ever(model: PalmModel) -> None:
    with Image.open(io.BytesIO(walked(model, 0, 1).animation)) as picture:
        assert picture.format == "WEBP"
        assert picture.n_frames == 2 * FRAMES - 2
        assert picture.info["loop"] == 0
        assert picture.size == (256, 256)


def test_the_way_stays_as_far_from_the_origin_as_its_ends() -> None:
    random = torch.Generator().manual_seed(0)
    start, end = torch.randn(2, 128, generator=random)
    lengths = between(start, end, 9).norm(dim=1)
    expected = torch.linspace(float(start.norm()), float(end.norm()), 9)
    assert torch.allclose(lengths, expected, rtol=1e-3)
    assert (start + end).norm() / 2 < 0.8 * lengths[4]  # the straight way would not


def test_the_steps_of_the_way_are_even() -> None:
    random = torch.Generator().manual_seed(1)
    ends = torch.randn(2, 64, generator=random)
    path = between(ends[0], ends[1], 9)
    assert torch.equal(path[[0, -1]], ends)
    steps = torch.cosine_similarity(path[1:], path[:-1], dim=1)
    assert float(steps.max() - steps.min()) < 1e-4


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_a_way_between_palms_in_one_line_is_no_error(factor: float) -> None:
    start = torch.ones(4)
    path = between(start, factor * start, 5)
    assert torch.isfinite(path).all()
    assert torch.equal(path[0], start)
