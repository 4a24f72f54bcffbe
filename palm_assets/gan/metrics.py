"""Metrics that a training run reports while it trains."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingMetrics:
    """Means since the last report.

    Attributes:
        images_seen: real images shown to the discriminator so far.
        total: real images that will be shown in all.
        loss_d: loss of the discriminator, without the gradient penalty.
        loss_g: loss of the generator.
        logit_real: the discriminator's logit of real images.
        logit_fake: the discriminator's logit of generated images.
        images_per_second: real images shown per second.
        augment_probability: probability of each kind of augmentation for each image.
    """

    images_seen: int
    total: int
    loss_d: float
    loss_g: float
    logit_real: float
    logit_fake: float
    images_per_second: float
    augment_probability: float = 1.0
