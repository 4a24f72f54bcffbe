from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.generate import GenerationRequest, generate
from palm_assets.generation.interpolation import (
    FRAME_COUNT,
    animated_webp,
    interpolate_chunks,
    interpolate_latents,
)


def test_the_frames_start_and_end_at_the_two_images(model: PalmModel) -> None:
    frames = np.concatenate(list(interpolate_chunks(model, 7, 2, 5)))
    palms = list(generate(model, GenerationRequest(6, 7)))
    assert len(frames) == FRAME_COUNT
    np.testing.assert_array_equal(frames[0], palms[2].image)
    np.testing.assert_array_equal(frames[-1], palms[5].image)


def test_the_animation_plays_forwards_and_backwards_for_ever(model: PalmModel) -> None:
    frames = [frame for chunk in interpolate_chunks(model, 7, 0, 1) for frame in chunk]
    with Image.open(io.BytesIO(animated_webp(frames))) as picture:
        assert picture.format == "WEBP"
        assert picture.n_frames == 2 * FRAME_COUNT - 2
        assert picture.info["loop"] == 0
        assert picture.size == (256, 256)


def test_the_path_stays_as_far_from_the_origin_as_its_ends() -> None:
    random = torch.Generator().manual_seed(0)
    start, end = torch.randn(2, 128, generator=random)
    lengths = interpolate_latents(start, end, 9).norm(dim=1)
    expected = torch.linspace(float(start.norm()), float(end.norm()), 9)
    assert torch.allclose(lengths, expected, rtol=1e-3)
    assert (start + end).norm() / 2 < 0.8 * lengths[4]  # a straight line would not


def test_the_steps_of_the_path_are_even() -> None:
    random = torch.Generator().manual_seed(1)
    ends = torch.randn(2, 64, generator=random)
    path = interpolate_latents(ends[0], ends[1], 9)
    assert torch.equal(path[[0, -1]], ends)
    steps = torch.cosine_similarity(path[1:], path[:-1], dim=1)
    assert float(steps.max() - steps.min()) < 1e-4


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_a_path_between_parallel_latents_is_no_error(factor: float) -> None:
    start = torch.ones(4)
    path = interpolate_latents(start, factor * start, 5)
    assert torch.isfinite(path).all()
    assert torch.equal(path[0], start)
