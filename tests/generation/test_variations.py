from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.config import VARIATION_COUNT
from palm_assets.generation.generate import GeneratedImage, GenerationRequest, generate
from palm_assets.generation.png_metadata import png_bytes, read_png_metadata
from palm_assets.generation.variations import (
    VARIATION_ANGLE,
    generate_variations,
    rotate_latent,
    variation_direction,
    variation_latent,
)

SEED, TRUNCATION = 10, 0.8


def variations(model: PalmModel, *steps: int) -> list[GeneratedImage]:
    return generate_variations(model, SEED, steps, truncation=TRUNCATION)


def test_without_steps_the_first_image_is_the_one_of_the_set(model: PalmModel) -> None:
    (palm,) = generate(model, GenerationRequest(1, SEED, TRUNCATION))
    here = variations(model)[0]
    np.testing.assert_array_equal(here.image, palm.image)
    assert here.score == palm.score


def test_a_chosen_variation_is_the_image_that_was_shown(model: PalmModel) -> None:
    first = variations(model)
    assert len({image.image.tobytes() for image in first[1:]}) == VARIATION_COUNT
    second = variations(model, 5)
    np.testing.assert_array_equal(second[0].image, first[5].image)
    assert (second[0].score, second[0].steps) == (first[5].score, (5,))
    third = variations(model, 5, 2)
    np.testing.assert_array_equal(third[0].image, second[2].image)
    for one, again in zip(third, variations(model, 5, 2), strict=True):
        np.testing.assert_array_equal(one.image, again.image)


def test_a_step_rotates_by_a_small_angle_and_keeps_the_length() -> None:
    latent, direction = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    after = rotate_latent(latent, direction)
    assert after.norm() == pytest.approx(float(latent.norm()), rel=1e-5)
    cosine = float(torch.cosine_similarity(after, latent, dim=0))
    assert cosine == pytest.approx(math.cos(VARIATION_ANGLE), rel=1e-5)


def test_directions_are_all_different() -> None:
    paths = [(), (1,), (2,), (1, 2), (2, 1), (12,), (1, 1, 2)]
    directions = {tuple(variation_direction(seed, path, 4).tolist()) for path in paths for seed in (0, 1)}
    assert len(directions) == 14


def test_variations_are_more_alike_than_the_images_of_a_set(model: PalmModel) -> None:
    latent = variation_latent(model, 10, ())
    near = torch.stack([variation_latent(model, 10, (number,)) for number in range(1, VARIATION_COUNT + 1)])
    far = model.latents(100, range(VARIATION_COUNT))
    assert (near - latent).norm(dim=1).max() < (far - latent).norm(dim=1).min()


def test_the_png_of_a_variation_names_its_steps(model: PalmModel) -> None:
    metadata = read_png_metadata(png_bytes(variations(model, 5, 12)[0], model.version))
    assert metadata is not None
    assert (metadata.seed + metadata.index, metadata.truncation, metadata.steps) == (10, 0.8, (5, 12))
    unvaried = read_png_metadata(png_bytes(variations(model)[0], model.version))
    assert unvaried is not None
    assert unvaried.steps == ()
