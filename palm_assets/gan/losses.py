"""Adversarial losses on logits, and the R1/R2 gradient penalties."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(kind: str, real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's loss for logits (N,) of real and of generated images.

    `softplus`: non-saturating (Goodfellow et al. 2014, arXiv:1406.2661). `hinge`: Lim & Ye 2017
    (arXiv:1705.02894). `relativistic`: on differences of paired logits, so their absolute level is arbitrary
    (Jolicoeur-Martineau 2018, arXiv:1807.00734; R3GAN: Huang et al. 2024, arXiv:2501.05441).
    """
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if kind == "relativistic":
        return F.softplus(fake - real).mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(kind: str, fake: Tensor, real: Tensor | None) -> Tensor:
    """The generator's loss for logits (N,); only `relativistic` needs those of real images."""
    if kind == "hinge":
        return -fake.mean()
    if kind == "relativistic":
        assert real is not None
        return F.softplus(real - fake).mean()
    return F.softplus(-fake).mean()


def overfitting_heuristic(kind: str, real: Tensor, fake: Tensor) -> Tensor:
    """ADA's overfitting heuristic r_t, in [-1, 1]: mean sign of the logits of real images.

    Karras et al. 2020 (arXiv:2006.06676, section 3.1). For `relativistic`, whose logits have no fixed zero,
    the mean sign of their difference from those of generated images.
    """
    return (real - fake if kind == "relativistic" else real).sign().mean()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Half the mean squared norm of the gradient of the logits with respect to the images.

    It is R1 on real images and R2 on generated ones (Mescheder et al. 2018, arXiv:1801.04406). `images`
    (N, 3, S, S) must require gradients, and `logits` (N,) must have been computed from them.
    """
    (gradients,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradients.square().sum((1, 2, 3)).mean() / 2
