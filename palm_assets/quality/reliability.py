"""Evaluates the calibrated score on people and samples that it was not fitted on.

Images of one person are alike, so a hundred images of ten people carry little more information than ten
images. Standard errors are therefore from a cluster bootstrap, which resamples people, not images (Davison
and Hinkley 1997, section 3.8).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from palm_assets.quality.calibration import (
    Calibration,
    Doubles,
    checked_logits,
    equal_odds,
    fit_calibration,
)

BASE_BRIER = 0.25  # Brier score of a constant 0.5
MIN_INFORMATIVE_AUC = 0.6
BOOTSTRAP_SAMPLES = 500


@dataclass(frozen=True)
class ReliabilityBin:
    """Images with a score between `low` and `high`: the predicted and the observed probability.

    Attributes:
        low: lower edge of the score.
        high: upper edge.
        n: images in the bin.
        predicted: their mean score.
        observed: share of them that are real, at 50:50 odds.
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
    """How good a calibrated score is on images used in neither training nor fitting.

    Attributes:
        auc: probability that a real image scores above a sample; 0.5 without any information.
        auc_sd: its standard error.
        brier: mean squared error at equal class weights; 0.25 for a constant 0.5.
        brier_sd: its standard error.
        calibration_error: mean gap between predicted and observed over the bins (expected calibration error).
        bins: reliability diagram; bins that contain images.
        n_real: real images.
        n_fake: samples.
        n_people: people in the real images.
        method: of the calibration, "isotonic" or "platt".
    """

    auc: float
    auc_sd: float
    brier: float
    brier_sd: float
    calibration_error: float
    bins: tuple[ReliabilityBin, ...]
    n_real: int
    n_fake: int
    n_people: int
    method: str

    @property
    def uninformative(self) -> bool:
        """Whether the discriminator separates the classes too little for a single score to mean much."""
        return self.auc < MIN_INFORMATIVE_AUC or self.brier > BASE_BRIER - self.brier_sd

    def to_json(self) -> dict[str, Any]:
        """All fields as plain values, and `uninformative`."""
        return {**asdict(self), "uninformative": self.uninformative}

    def describe(self) -> str:
        """A few lines for people."""
        lines = [
            f"score of one image: {self.method} fit, evaluated on {self.n_real} images of {self.n_people} "
            f"people and {self.n_fake} samples, none of them in the fit",
            f"AUC {self.auc:.3f} ± {self.auc_sd:.3f}, Brier score {self.brier:.4f} ± {self.brier_sd:.4f} "
            f"(constant 0.5: {BASE_BRIER}), mean calibration error {self.calibration_error:.3f}",
        ]
        if self.uninformative:
            lines.append(
                "The discriminator hardly separates the two: the score of one image is uninformative."
            )
        return "\n".join(lines)


def cross_validate_by_person(
    real_logits: ArrayLike, people: ArrayLike, fake_logits: ArrayLike, *, folds: int = 10
) -> CalibrationReport:
    """Evaluate the fit by cross-validation: each person's images are scored by a fit without that person.

    Cross-validation (Stone 1974), because too few people are held out to split them in two halves. Samples
    are split into the same number of folds.

    Args:
        real_logits: discriminator outputs (n,) of held-out people's images.
        people: (n,), person of each.
        fake_logits: of fresh samples that are not used otherwise.
        folds: number of folds; at most the number of people. The images of a single person are split in two.

    Raises:
        QualityError: fewer than 2 of either in a fit, or some are not finite.
    """
    real, fake = checked_logits(real_logits, "real"), checked_logits(fake_logits, "generated")
    names, person = np.unique(np.asarray(people), return_inverse=True)
    folds = min(folds, len(names)) if len(names) > 1 else 2
    fold_of_real = person % folds if len(names) > 1 else np.arange(len(real)) % folds
    fold_of_fake = np.arange(len(fake)) % folds
    scores_real, scores_fake = np.empty(len(real)), np.empty(len(fake))
    for fold in range(folds):
        out_real, out_fake = fold_of_real == fold, fold_of_fake == fold
        fit = fit_calibration(real[~out_real], fake[~out_fake])
        scores_real[out_real] = fit.probability(real[out_real])
        scores_fake[out_fake] = fit.probability(fake[out_fake])
    return _report((real, fake), (scores_real, scores_fake), person, fit.method)


def evaluate_calibration(
    calibration: Calibration,
    real_logits: ArrayLike,
    fake_logits: ArrayLike,
    *,
    people: ArrayLike | None = None,
) -> CalibrationReport:
    """Evaluate a calibration on a third split.

    Args:
        calibration: the fit.
        real_logits: of people used in neither training nor fitting.
        fake_logits: of other samples than it was fitted on.
        people: (n,), person of each real image; by default each counts as another person's.

    Raises:
        QualityError: fewer than 2 of either, or some are not finite.
    """
    real, fake = checked_logits(real_logits, "real"), checked_logits(fake_logits, "generated")
    person = np.arange(len(real)) if people is None else np.unique(np.asarray(people), return_inverse=True)[1]
    scores = calibration.probability(real), calibration.probability(fake)
    return _report((real, fake), scores, person, calibration.method)


def auc(real: ArrayLike, fake: ArrayLike) -> float:
    """Probability that a random real logit exceeds a random fake one, ties counted half (Mann-Whitney)."""
    return float(_wins(np.ravel(real), np.ravel(fake)).mean())


def _report(
    logits: tuple[Doubles, Doubles],
    scores: tuple[Doubles, Doubles],
    person: NDArray[np.int64],
    method: str,
    bins: int = 10,
) -> CalibrationReport:
    real, fake = scores
    n_people = int(person.max()) + 1
    labels, weights = equal_odds(len(real), len(fake))
    both = np.concatenate(scores)
    place = np.minimum((both * bins).astype(int), bins - 1)
    # Weight of each image in each bootstrap sample, so that every metric is a weighted mean.
    rng = np.random.default_rng(0)
    times = rng.multinomial(n_people, np.full(n_people, 1 / n_people), BOOTSTRAP_SAMPLES)[:, person]
    boot_real = times / times.sum(axis=1, keepdims=True)
    boot_fake = rng.multinomial(len(fake), np.full(len(fake), 1 / len(fake)), BOOTSTRAP_SAMPLES) / len(fake)

    diagram, error = [], 0.0
    for i in np.unique(place):
        inside = place == i
        mass = float(weights[inside].sum())
        predicted = float(weights[inside] @ both[inside] / mass)
        observed = float(weights[inside] @ labels[inside] / mass)
        error += mass * abs(predicted - observed)
        in_real, in_fake = inside[: len(real)], inside[len(real) :]
        mass_real, mass_fake = boot_real[:, in_real].sum(axis=1), boot_fake[:, in_fake].sum(axis=1)
        shares = mass_real / np.maximum(mass_real + mass_fake, 1e-12)
        counting_sd = _counting_sd(int(in_real.sum()), int(in_fake.sum()), len(real), len(fake))
        sd = max(float(shares.std()), counting_sd)
        diagram.append(ReliabilityBin(i / bins, (i + 1) / bins, int(inside.sum()), predicted, observed, sd))
    wins = _wins(*logits)
    square_real, square_fake = (1 - real) ** 2, fake**2
    return CalibrationReport(
        float(wins.mean()),
        float((boot_real @ wins).std()),
        float((square_real.mean() + square_fake.mean()) / 2),
        float(((boot_real @ square_real + boot_fake @ square_fake) / 2).std()),
        error,
        tuple(diagram),
        len(real),
        len(fake),
        n_people,
        method,
    )


def _counting_sd(n_real: int, n_fake: int, all_real: int, all_fake: int) -> float:
    """Standard error of the share of real images in a bin from counting alone, at 50:50 odds.

    Both counts are Poisson numbers with a half added (Haldane 1956, Anscombe 1956): a count of 0 does not
    mean a rate of 0. One real image weighs as much as several samples if there are fewer real images.
    """
    real, fake = (n_real + 0.5) / all_real, (n_fake + 0.5) / all_fake
    share = real / (real + fake)
    return float(share * (1 - share) * np.sqrt(1 / (n_real + 0.5) + 1 / (n_fake + 0.5)))


def _wins(real: Doubles, fake: Doubles) -> Doubles:
    """For each real logit the share of fake ones below it, ties counted half."""
    fakes_below = rankdata(np.concatenate([real, fake]))[: len(real)] - rankdata(real)
    return np.asarray(fakes_below / len(fake))
