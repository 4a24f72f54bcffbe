"""Score of one image: the probability that it is real, if real and generated are equally likely.

A discriminator's output is not a probability: it overfits, and a relativistic one has no absolute meaning,
only an order. A monotone map from outputs to probabilities is therefore fitted on images of held-out people
and fresh
samples: isotonic regression (Zadrozny and Elkan 2002) with 1,000 points or more, Platt's sigmoid (Platt 1999)
with fewer. That limit is from Niculescu-Mizil and Caruana 2005. Both classes have equal weight, and the
points are counted by Kish's effective sample size (1965). `reliability` evaluates the fit. Only numpy and
scipy are used; the caller provides logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit

from palm_assets.errors import ArtifactCorruptError, QualityError

Doubles = NDArray[np.float64]
MIN_ISOTONIC_POINTS = 1000


@dataclass(frozen=True)
class Calibration:
    """A monotone map from discriminator logits to probabilities.

    Attributes:
        method: "isotonic" or "platt".
        x: logits of the knots, ascending (isotonic); slope and offset (platt).
        y: probabilities at the knots (isotonic); empty (platt).
        n_real: held-out real images that it was fitted on.
        n_fake: samples that it was fitted on.
    """

    method: Literal["isotonic", "platt"]
    x: tuple[float, ...]
    y: tuple[float, ...]
    n_real: int
    n_fake: int

    def probability(self, logits: ArrayLike) -> Doubles:
        """Probability in (0, 1) that each image is real at 50:50 odds; same shape as `logits`."""
        values = np.asarray(logits, dtype=np.float64)
        if self.method == "platt":
            slope, offset = self.x
            probability = expit(slope * values + offset)
        else:
            probability = np.interp(values, self.x, self.y)
        # A finite number of images does not justify certainty.
        margin = 1 / (self.n_real + self.n_fake + 2)
        return np.clip(np.asarray(probability, dtype=np.float64), margin, 1 - margin)

    def to_json(self) -> dict[str, Any]:
        """All fields as plain values."""
        return {**asdict(self), "x": list(self.x), "y": list(self.y)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """The inverse of `to_json`.

        Raises:
            ArtifactCorruptError: fields are missing or do not make a monotone map.
        """
        try:
            fit = cls(
                data["method"],
                tuple(float(value) for value in data["x"]),
                tuple(float(value) for value in data["y"]),
                int(data["n_real"]),
                int(data["n_fake"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactCorruptError(
                f"The calibration cannot be read: {error!r}", hint="Fit the calibration again"
            ) from error
        x, y = np.array(fit.x), np.array(fit.y)
        valid = np.isfinite(x).all() and np.isfinite(y).all() and min(fit.n_real, fit.n_fake) > 0
        if fit.method == "platt":
            valid = valid and len(x) == 2 and len(y) == 0 and x[0] >= 0
        else:
            valid = valid and fit.method == "isotonic" and len(x) == len(y) > 0
            valid = valid and bool(
                (np.diff(x) >= 0).all() and (np.diff(y) >= 0).all() and 0 <= y[0] <= y[-1] <= 1
            )
        if not valid:
            raise ArtifactCorruptError(
                "The calibration is not a monotone map", hint="Fit the calibration again"
            )
        return fit


def fit_calibration(real_logits: ArrayLike, fake_logits: ArrayLike) -> Calibration:
    """Fit the map from logits to probabilities.

    Args:
        real_logits: discriminator outputs of held-out people's images, any shape, finite.
        fake_logits: of fresh samples.

    Raises:
        QualityError: fewer than 2 of either, or some are not finite.
    """
    real, fake = checked_logits(real_logits, "real"), checked_logits(fake_logits, "generated")
    logits = np.concatenate([real, fake])
    labels, weights = equal_odds(len(real), len(fake))
    # Kish's effective sample size, not the plain number: a thousand samples do not make up for a dozen real
    # images.
    if 4 * len(real) * len(fake) / (len(real) + len(fake)) < MIN_ISOTONIC_POINTS:
        slope, offset = _platt(logits, labels, weights, len(real), len(fake))
        return Calibration("platt", (slope, offset), (), len(real), len(fake))
    # Equal logits must get equal probabilities, so they are pooled first, in proportion to their weights.
    values, group = np.unique(logits, return_inverse=True)
    mass = np.bincount(group, weights)
    share = np.bincount(group, weights * labels) / mass
    fitted = isotonic_regression(share, weights=mass)
    ends = np.unique(np.concatenate([fitted.blocks[:-1], fitted.blocks[1:] - 1]))  # both ends of each plateau
    x, y = values[ends], np.clip(fitted.x[ends], 0, 1)
    return Calibration("isotonic", tuple(x.tolist()), tuple(y.tolist()), len(real), len(fake))


def equal_odds(n_real: int, n_fake: int) -> tuple[Doubles, Doubles]:
    """Labels (1 real, 0 generated) and weights that sum to 1, each class having half, (n_real + n_fake,)."""
    labels = np.concatenate([np.ones(n_real), np.zeros(n_fake)])
    return labels, np.concatenate([np.full(n_real, 0.5 / n_real), np.full(n_fake, 0.5 / n_fake)])


def _platt(
    logits: Doubles, labels: Doubles, weights: Doubles, n_real: int, n_fake: int
) -> tuple[float, float]:
    """Slope (not negative) and offset of Platt's sigmoid, with his smoothed targets instead of 0 and 1."""
    targets = np.where(labels == 1, (n_real + 1) / (n_real + 2), 1 / (n_fake + 2))
    center, spread = float(logits.mean()), float(logits.std()) or 1.0
    scaled = (logits - center) / spread

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        z = parameters[0] * scaled + parameters[1]
        residual = expit(z) - targets
        value = weights @ (np.logaddexp(0, z) - targets * z)
        return float(value), np.array([weights @ (residual * scaled), weights @ residual])

    best = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)])
    slope = float(best.x[0]) / spread
    return slope, float(best.x[1]) - slope * center


def checked_logits(logits: ArrayLike, which: str) -> Doubles:
    """Discriminator outputs as a flat float64 array, (n,).

    Raises:
        QualityError: fewer than 2, or some are not finite.
    """
    values = np.ravel(np.asarray(logits, dtype=np.float64))
    if len(values) < 2:
        raise QualityError(
            f"Calibration needs at least 2 {which} palms, got {len(values)}",
            hint="Hold out more people or make more",
        )
    if not np.isfinite(values).all():
        raise QualityError(
            f"Some discriminator outputs of {which} palms are not finite",
            hint="Check the discriminator's weights",
        )
    return values
