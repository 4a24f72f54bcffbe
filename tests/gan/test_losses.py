"""The losses, compared with their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from palm_assets.gan.losses import discriminator_loss, generator_loss, gradient_penalty, overfitting_heuristic

REAL, FAKE = [1.5, -0.3, 0.0], [-2.0, 0.7, 3.0]


def log1pexp(x: float) -> float:
    return math.log(1 + math.exp(x))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


EXPECTED = {
    "softplus": (
        mean([log1pexp(-r) for r in REAL]) + mean([log1pexp(f) for f in FAKE]),
        mean([log1pexp(-f) for f in FAKE]),
    ),
    "hinge": (mean([max(0, 1 - r) for r in REAL]) + mean([max(0, 1 + f) for f in FAKE]), -mean(FAKE)),
    "relativistic": (
        mean([log1pexp(f - r) for r, f in zip(REAL, FAKE, strict=True)]),
        mean([log1pexp(r - f) for r, f in zip(REAL, FAKE, strict=True)]),
    ),
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_loss_is_its_formula(kind: str) -> None:
    real, fake = torch.tensor(REAL), torch.tensor(FAKE)
    assert discriminator_loss(kind, real, fake).item() == pytest.approx(EXPECTED[kind][0], rel=1e-6)
    assert generator_loss(kind, fake, real).item() == pytest.approx(EXPECTED[kind][1], rel=1e-6)


@pytest.mark.parametrize("kind", EXPECTED)
def test_both_networks_pull_logits_of_fakes_in_opposite_directions(kind: str) -> None:
    real, fake = torch.zeros(3), torch.zeros(3, requires_grad=True)
    (gradient_d,) = torch.autograd.grad(discriminator_loss(kind, real, fake), fake)
    (gradient_g,) = torch.autograd.grad(generator_loss(kind, fake, real), fake)
    assert (gradient_d > 0).all()  # descending lowers the logits of generated images...
    assert (gradient_g < 0).all()  # ...and the generator raises them


def test_softplus_is_the_cross_entropy_of_the_published_two_class_head() -> None:
    two = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    one = two[:, 1] - two[:, 0]
    labels = torch.ones(5, dtype=torch.long)
    assert generator_loss("softplus", one, None).item() == pytest.approx(
        torch.nn.functional.cross_entropy(two, labels).item(), rel=1e-5
    )


@pytest.mark.parametrize("kind", EXPECTED)
def test_losses_of_huge_logits_are_finite(kind: str) -> None:
    real, fake = torch.tensor([1e4, -1e4]), torch.tensor([-1e4, 1e4])
    assert discriminator_loss(kind, real, fake).isfinite()
    assert generator_loss(kind, fake, real).isfinite()


def test_the_penalty_of_a_linear_discriminator_is_half_its_squared_slope() -> None:
    weights = torch.randn(3, 4, 4)
    images = torch.randn(6, 3, 4, 4, requires_grad=True)
    logits = (images * weights).sum((1, 2, 3)) + 7
    assert gradient_penalty(logits, images).item() == pytest.approx(
        weights.square().sum().item() / 2, rel=1e-5
    )


def test_the_penalty_of_a_quadratic_discriminator_is_half_the_mean_squared_image_and_differentiable() -> None:
    images = torch.randn(6, 3, 4, 4, requires_grad=True)
    scale = torch.tensor(3.0, requires_grad=True)
    penalty = gradient_penalty(scale * images.square().sum((1, 2, 3)) / 2, images)
    squared = images.detach().square().sum((1, 2, 3)).mean()
    assert penalty.item() == pytest.approx(9 * squared.item() / 2, rel=1e-5)
    (slope,) = torch.autograd.grad(penalty, scale)
    assert slope.item() == pytest.approx(3 * squared.item(), rel=1e-5)


def test_the_overfitting_heuristic_is_a_mean_sign_of_logits_or_of_differences_for_relativistic() -> None:
    real, fake = torch.tensor([3.0, 1.0, -1.0, 0.5]), torch.tensor([4.0, 0.0, -2.0, 9.0])
    assert overfitting_heuristic("softplus", real, fake) == overfitting_heuristic("hinge", real, fake) == 0.5
    assert overfitting_heuristic("relativistic", real, fake) == 0
