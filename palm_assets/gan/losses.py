"""Adversarial losses on logits, and the R1/R2 gradient penalties."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(kind: str, real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's loss for logits (N,) of real and of generated images.

    `softplus`: non-saturating (Goodfellow 2014). `hinge`: Lim & Ye 2017. `relativistic`: pairs of logits,
    whose absolute height means nothing (Jolicoeur-Martineau 2018; R3GAN, Huang et al. 2024).
    """
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if kind == "relativistic":
        return F.softplus(fake - real).mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(kind: str, fake: Tensor, real: Tensor | None) -> Tensor:
    """The generator's loss; only `relativistic` needs the logits of real images."""
    if kind == "hinge":
        return -fake.mean()
    if kind == "relativistic":
        assert real is not None
        return F.softplus(real - fake).mean()
    return F.softplus(-fake).mean()


def overfitting_heuristic(kind: str, real: Tensor, fake: Tensor) -> Tensor:
    """ADA's overfitting heuristic r_t, in [-1, 1]: how certain the discriminator is of real images.

    The mean sign of their logits (Karras et al. 2020, arXiv:2006.06676, section 3.1); for `relativistic`,
    whose logits have no zero, of their lead over the fakes.
    """
    return (real - fake if kind == "relativistic" else real).sign().mean()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Half the mean squared gradient of the logits by the images: R1 on real images, R2 on generated ones.

    Mescheder et al. 2018 (arXiv:1801.04406). `images` (N, 3, S, S) must require gradients and have led to
    `logits` (N,).
    """
    (gradients,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradients.square().sum((1, 2, 3)).mean() / 2
