"""Score of one palm: the probability that it is real, if real and generated are equally likely.

A discriminator's output is not a probability (it overfits, and a relativistic one has no
absolute meaning at all). What held-out people's palms and fresh generated ones get from it
fixes that: isotonic regression (Zadrozny and Elkan 2002) with 1,000 points or more, Platt's
sigmoid (Platt 1999) with fewer, both with the two classes at equal weight. Niculescu-Mizil
and Caruana 2005 is where the limit comes from. Pure numpy and scipy; the caller brings logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit
from scipy.stats import rankdata

from palm_assets.errors import ArtifactCorruptError, QualityError

Doubles = NDArray[np.float64]
ISOTONIC_FROM = 1000
BASE_BRIER = 0.25  # of saying 0.5 to everything
LITTLE_AUC = 0.6


@dataclass(frozen=True)
class Calibration:
    """A monotone map from discriminator logits to probabilities.

    Attributes:
        method: "isotonic" or "platt".
        x: logits of the knots, ascending (isotonic); slope and offset (platt).
        y: probabilities at the knots (isotonic); empty (platt).
        n_real: held-out real palms it was fitted on.
        n_fake: generated palms it was fitted on.
    """

    method: Literal["isotonic", "platt"]
    x: tuple[float, ...]
    y: tuple[float, ...]
    n_real: int
    n_fake: int

    def probability(self, logits: ArrayLike) -> Doubles:
        """Probability in (0, 1) that each palm is real at 50:50 odds; the shape of `logits` is kept."""
        values = np.asarray(logits, dtype=np.float64)
        if self.method == "platt":
            slope, offset = self.x
            probability = expit(slope * values + offset)
        else:
            probability = np.interp(values, self.x, self.y)
        # So many samples and no more have been seen: none of them justifies certainty.
        least = 1 / (self.n_real + self.n_fake + 2)
        return np.clip(np.asarray(probability, dtype=np.float64), least, 1 - least)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {**asdict(self), "x": list(self.x), "y": list(self.y)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """What `to_json` gave.

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
        sound = np.isfinite(x).all() and np.isfinite(y).all() and min(fit.n_real, fit.n_fake) > 0
        if fit.method == "platt":
            sound = sound and len(x) == 2 and len(y) == 0 and x[0] >= 0
        else:
            sound = sound and fit.method == "isotonic" and len(x) == len(y) > 0
            sound = sound and bool(
                (np.diff(x) >= 0).all() and (np.diff(y) >= 0).all() and 0 <= y[0] <= y[-1] <= 1
            )
        if not sound:
            raise ArtifactCorruptError(
                "The calibration is not a monotone map", hint="Fit the calibration again"
            )
        return fit


@dataclass(frozen=True)
class ReliabilityBin:
    """Palms whose score fell between `low` and `high`: what was promised, what came true.

    Attributes:
        low: lower edge of the score.
        high: upper edge.
        n: palms in the bin.
        predicted: their mean score.
        observed: share of them that is real, at 50:50 odds.
        sd: standard error of `observed`.
    """

    low: float
    high: float
    n: int
    predicted: float
    observed: float
    sd: float


@dataclass(frozen=True)
class CalibrationReport:
    """How good a calibrated score is on palms that took part in neither training nor fitting.

    Attributes:
        auc: probability that a real palm scores above a generated one; 0.5 knows nothing.
        brier: mean squared error at equal class weights; saying 0.5 always gives 0.25.
        error: mean gap between promised and observed over the bins (expected calibration error).
        bins: reliability diagram, bins that hold palms.
        n_real: real palms.
        n_fake: generated palms.
        method: of the calibration.
    """

    auc: float
    brier: float
    error: float
    bins: tuple[ReliabilityBin, ...]
    n_real: int
    n_fake: int
    method: str

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)

    def describe(self) -> str:
        """A few lines for people."""
        lines = [
            f"score of one palm: {self.method} fit, "
            f"judged on {self.n_real} real and {self.n_fake} generated palms",
            f"AUC {self.auc:.3f}, Brier {self.brier:.4f} (always 0.5: {BASE_BRIER}), "
            f"mean calibration error {self.error:.3f}",
        ]
        if self.auc < LITTLE_AUC:
            lines.append("The discriminator hardly tells these apart: the score of one palm says little.")
        return "\n".join(lines)


def fit_calibration(real_logits: ArrayLike, fake_logits: ArrayLike) -> Calibration:
    """Fit the map from logits to probabilities.

    Args:
        real_logits: discriminator outputs of held-out people's palms, any shape, finite.
        fake_logits: of fresh generated palms.

    Raises:
        QualityError: fewer than 2 of either, or some are not finite.
    """
    real, fake = _checked(real_logits, "real"), _checked(fake_logits, "generated")
    logits = np.concatenate([real, fake])
    labels = np.concatenate([np.ones(len(real)), np.zeros(len(fake))])
    weights = np.concatenate([np.full(len(real), 0.5 / len(real)), np.full(len(fake), 0.5 / len(fake))])
    if len(logits) < ISOTONIC_FROM:
        slope, offset = _platt(logits, labels, weights, len(real), len(fake))
        return Calibration("platt", (slope, offset), (), len(real), len(fake))
    # Equal logits must get equal probabilities: pool them first, in proportion to their weights.
    values, group = np.unique(logits, return_inverse=True)
    mass = np.bincount(group, weights)
    share = np.bincount(group, weights * labels) / mass
    fitted = isotonic_regression(share, weights=mass)
    ends = np.unique(np.concatenate([fitted.blocks[:-1], fitted.blocks[1:] - 1]))  # both ends of each plateau
    x, y = values[ends], np.clip(fitted.x[ends], 0, 1)
    return Calibration("isotonic", tuple(x.tolist()), tuple(y.tolist()), len(real), len(fake))


def evaluate_calibration(
    calibration: Calibration, real_logits: ArrayLike, fake_logits: ArrayLike, *, bins: int = 10
) -> CalibrationReport:
    """Judge a calibration on a third split.

    Args:
        calibration: the fit.
        real_logits: of people who took part in neither training nor fitting.
        fake_logits: of other generated palms than it was fitted on.
        bins: equal-width bins of the reliability diagram.

    Raises:
        QualityError: fewer than 2 of either, or some are not finite.
    """
    real, fake = _checked(real_logits, "real"), _checked(fake_logits, "generated")
    logits = np.concatenate([real, fake])
    labels = np.concatenate([np.ones(len(real)), np.zeros(len(fake))])
    weights = np.concatenate([np.full(len(real), 0.5 / len(real)), np.full(len(fake), 0.5 / len(fake))])
    scores = calibration.probability(logits)
    diagram = []
    error = 0.0
    for i in range(bins):
        low, high = i / bins, (i + 1) / bins
        inside = (scores >= low) & ((scores < high) | (i == bins - 1))
        if inside.any():
            mass = weights[inside]
            observed = float(mass @ labels[inside] / mass.sum())
            # A share of 0 or 1 in a few palms is not known exactly: Laplace's rule under the root.
            effective = float(mass.sum() ** 2 / (mass**2).sum())
            smooth = (observed * effective + 1) / (effective + 2)
            sd = float(np.sqrt(smooth * (1 - smooth) / effective))
            predicted = float(mass @ scores[inside] / mass.sum())
            error += float(mass.sum()) * abs(predicted - observed)
            diagram.append(ReliabilityBin(low, high, int(inside.sum()), predicted, observed, sd))
    return CalibrationReport(
        auc(real, fake),
        float(weights @ (scores - labels) ** 2),
        error,
        tuple(diagram),
        len(real),
        len(fake),
        calibration.method,
    )


def auc(real: ArrayLike, fake: ArrayLike) -> float:
    """Probability that a random real logit exceeds a random fake one, ties counted half (Mann-Whitney)."""
    positive, negative = np.ravel(real), np.ravel(fake)
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)].sum()
    return float((ranks - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative)))


def _platt(
    logits: Doubles, labels: Doubles, weights: Doubles, n_real: int, n_fake: int
) -> tuple[float, float]:
    """Slope (not negative) and offset of Platt's sigmoid, with his targets that keep away from 0 and 1."""
    targets = np.where(labels == 1, (n_real + 1) / (n_real + 2), 1 / (n_fake + 2))
    centre, spread = float(logits.mean()), float(logits.std()) or 1.0
    scaled = (logits - centre) / spread

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        z = parameters[0] * scaled + parameters[1]
        slack = expit(z) - targets
        value = weights @ (np.logaddexp(0, z) - targets * z)
        return float(value), np.array([weights @ (slack * scaled), weights @ slack])

    best = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)])
    slope = float(best.x[0]) / spread
    return slope, float(best.x[1]) - slope * centre


def _checked(logits: ArrayLike, which: str) -> Doubles:
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
