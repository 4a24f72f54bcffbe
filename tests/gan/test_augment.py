"""Differentiable augmentation: what each kind does to an image, and that gradients flow."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from palm_assets.gan.augment import apply_augmentations, sample_augmentations

KINDS = ("color", "rotation", "translation", "cutout")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 64, side: int = 32) -> Tensor:
    images = torch.rand(count, 3, side, side, generator=seeded(99)) * 1.6 - 0.8
    return torch.where(images.abs() < 0.01, 0.5, images)  # no value close to the gray that is filled in


def augmented(
    images: Tensor,
    kinds: Sequence[str],
    generator: torch.Generator,
    probability: float = 1.0,
    color: float = 1.0,
) -> Tensor:
    count, _, side, _ = images.shape
    return apply_augmentations(
        images, sample_augmentations(count, side, kinds, generator, probability, color)
    )


@pytest.mark.parametrize(
    "kinds", [c for n in (1, 2, 3, 4) for c in itertools.combinations(KINDS, n)], ids=str
)
def test_augmentation_depends_on_the_generator_alone(kinds: Sequence[str]) -> None:
    images = batch()
    torch.manual_seed(1)
    first = augmented(images, kinds, seeded())
    torch.manual_seed(2)
    assert torch.equal(augmented(images, kinds, seeded()), first)
    assert not torch.equal(augmented(images, kinds, seeded(1)), first)
    assert first.shape == images.shape
    assert first.dtype == images.dtype


def test_without_kinds_neither_the_images_nor_the_generator_change() -> None:
    images, generator = batch(), seeded()
    before = generator.get_state()
    assert torch.equal(augmented(images, [], generator), images)
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_input_is_unchanged_and_each_image_is_augmented_differently(kind: str) -> None:
    images = batch(1).expand(64, -1, -1, -1).contiguous()
    before = images.clone()
    result = augmented(images, [kind], seeded())
    assert torch.equal(images, before)
    assert len({tuple(image.flatten().tolist()) for image in result}) > 30


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_match_finite_differences(kind: str) -> None:
    images = batch(2, 8).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augmented(x, [kind], seeded(3)), images)


def test_gradients_reach_every_image_through_all_kinds() -> None:
    images = batch().requires_grad_()
    augmented(images, KINDS, seeded()).square().sum().backward()
    assert images.grad is not None
    assert (images.grad.flatten(1).abs().sum(1) > 0).all()


def test_rotation_is_up_to_12_degrees_and_zoom_up_to_15_percent() -> None:
    side = 64
    images = torch.full((256, 3, side, side), -1.0)
    images[:, :, 31:33, 47:49] = 1  # a dot 16 pixels right of the middle
    rotated = augmented(images, ["rotation"], seeded())
    light = (rotated.mean(1) + 1).clamp(min=0)
    places = torch.arange(side) + 0.5 - side / 2
    mass = light.sum((1, 2))
    down, right = (light * places[:, None]).sum((1, 2)) / mass, (light * places).sum((1, 2)) / mass
    angles, zooms = torch.rad2deg(torch.atan2(down, right)), torch.hypot(down, right) / 16
    assert angles.abs().max() < 12.5
    assert angles.max() > 10
    assert angles.min() < -10
    assert 1 / 1.17 < zooms.min() < 1 / 1.12
    assert 1.12 < zooms.max() < 1.17


def test_rotation_fills_by_reflection() -> None:
    images = torch.full((16, 3, 32, 32), 0.7)
    assert torch.allclose(augmented(images, ["rotation"], seeded()), images, atol=1e-5)


def test_translation_is_up_to_an_eighth_of_the_side_and_fills_with_gray() -> None:
    images = batch(256)
    moved = augmented(images, ["translation"], seeded())
    shifts = set()
    for image, result in zip(images, moved, strict=True):
        shift = next(
            (dy, dx)
            for dy in range(-4, 5)
            for dx in range(-4, 5)
            if torch.equal(_shifted(image, dy, dx), result)
        )
        shifts.add(shift)
    assert {dy for dy, _ in shifts} == {dx for _, dx in shifts} == set(range(-4, 5))


def _shifted(image: Tensor, dy: int, dx: int) -> Tensor:
    side = image.shape[1]
    result = torch.zeros_like(image)
    result[:, max(dy, 0) : side + min(dy, 0), max(dx, 0) : side + min(dx, 0)] = image[
        :, max(-dy, 0) : side + min(-dy, 0), max(-dx, 0) : side + min(-dx, 0)
    ]
    return result


def test_cutout_makes_one_square_of_half_the_side_gray_and_changes_nothing_else() -> None:
    images = batch(256)
    cut = augmented(images, ["cutout"], seeded())
    sizes = set()
    for image, result in zip(images, cut, strict=True):
        gray = (result == 0).all(0)
        rows, columns = gray.any(1).nonzero().flatten(), gray.any(0).nonzero().flatten()
        assert gray.sum() == len(rows) * len(columns)
        assert rows[-1] - rows[0] + 1 == len(rows) <= 16
        assert columns[-1] - columns[0] + 1 == len(columns) <= 16
        assert torch.equal(result[:, ~gray], image[:, ~gray])
        sizes |= {(len(rows), len(columns))}
    assert (16, 16) in sizes
    assert min(size for pair in sizes for size in pair) == 8


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_color_is_brightness_then_saturation_then_contrast(strength: float) -> None:
    images = batch()
    levels = 0.5 + strength * (torch.rand(len(images), 3, generator=seeded()) - 0.5)
    brightness, saturation, contrast = (levels[:, i, None, None, None] for i in range(3))
    expected = images + (brightness - 0.5)
    gray = expected.mean(1, keepdim=True)
    expected = (expected - gray) * (saturation * 2) + gray
    middle = expected.mean((1, 2, 3), keepdim=True)
    expected = (expected - middle) * (contrast + 0.5) + middle
    result = augmented(images, ["color"], seeded(), color=strength)
    assert torch.allclose(result, expected, atol=1e-5)


def test_color_shifts_the_mean_of_an_image_by_at_most_a_quarter_of_the_range_and_keeps_gray_gray() -> None:
    images = batch(256)
    result = augmented(images, ["color"], seeded())
    moved = result.mean((1, 2, 3)) - images.mean((1, 2, 3))
    assert moved.abs().max() <= 0.5 + 1e-5
    assert moved.abs().max() > 0.4
    gray = images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    still = augmented(gray, ["color"], seeded())
    assert torch.allclose(still, still.mean(1, keepdim=True).expand_as(still), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_each_image_is_augmented_with_the_given_probability(kind: str) -> None:
    images = batch(1000, 16)
    result = augmented(images, [kind], seeded(), 0.3)
    same = torch.isclose(result, images, atol=1e-6).flatten(1).all(1)
    # One of the 25 translations here is by 0 and counts as unchanged.
    assert 1 - same.float().mean() == pytest.approx(0.3, abs=0.05)
    assert torch.equal(augmented(images, ["translation", "cutout"], seeded(), 0.0), images)
