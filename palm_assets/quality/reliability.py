"""Whether the score of one palm keeps its promise, on people and palms that it was not fitted on.

The palms of one person are alike, so a hundred photographs of ten people know little more than
ten palms do: every figure's spread comes from drawing the people anew, not the photographs
(bootstrap of clusters, Davison and Hinkley 1997, section 3.8).
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

BASE_BRIER = 0.25  # of saying 0.5 to everything
LITTLE_AUC = 0.6
DRAWS = 500


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
        auc_sd: its standard error.
        brier: mean squared error at equal class weights; saying 0.5 always gives 0.25.
        brier_sd: its standard error.
        error: mean gap between promised and observed over the bins (expected calibration error).
        bins: reliability diagram, bins that hold palms.
        n_real: real palms.
        n_fake: generated palms.
        n_people: people whose palms the real ones are.
        method: of the calibration.
    """

    auc: float
    auc_sd: float
    brier: float
    brier_sd: float
    error: float
    bins: tuple[ReliabilityBin, ...]
    n_real: int
    n_fake: int
    n_people: int
    method: str

    @property
    def says_little(self) -> bool:
        """Whether the discriminator knows too little for the score of one palm to mean much."""
        return self.auc < LITTLE_AUC or self.brier > BASE_BRIER - self.brier_sd

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {**asdict(self), "says_little": self.says_little}

    def describe(self) -> str:
        """A few lines for people."""
        lines = [
            f"score of one palm: {self.method} fit, judged on {self.n_real} palms of {self.n_people} people "
            f"and {self.n_fake} generated ones, none of them in the fit",
            f"AUC {self.auc:.3f} ± {self.auc_sd:.3f}, Brier {self.brier:.4f} ± {self.brier_sd:.4f} "
            f"(always 0.5: {BASE_BRIER}), mean calibration error {self.error:.3f}",
        ]
        if self.says_little:
            lines.append("The discriminator hardly tells these apart: the score of one palm says little.")
        return "\n".join(lines)


def cross_validate_by_person(
    real_logits: ArrayLike, people: ArrayLike, fake_logits: ArrayLike, *, folds: int = 10
) -> CalibrationReport:
    """Judge the fit on everybody, each person by a fit without that person.

    Cross-fitting (Stone 1974): so few people are held out that a half for the verdict would leave too
    few for either. Generated palms are split the same way.

    Args:
        real_logits: discriminator outputs (n,) of held-out people's palms.
        people: (n,), whose palm each is.
        fake_logits: of fresh generated palms, none of which is used otherwise.
        folds: turns; as many as there are people if they are fewer.

    Raises:
        QualityError: fewer than 2 of either in a fit, or some are not finite.
    """
    real, fake = checked_logits(real_logits, "real"), checked_logits(fake_logits, "generated")
    names, person = np.unique(np.asarray(people), return_inverse=True)
    turns = min(folds, len(names)) if len(names) > 1 else 2
    turn_of_real = person % turns if len(names) > 1 else np.arange(len(real)) % turns
    turn_of_fake = np.arange(len(fake)) % turns
    scores_real, scores_fake = np.empty(len(real)), np.empty(len(fake))
    for turn in range(turns):
        out_real, out_fake = turn_of_real == turn, turn_of_fake == turn
        fit = fit_calibration(real[~out_real], fake[~out_fake])
        scores_real[out_real], scores_fake[out_fake] = (
            fit.probability(real[out_real]),
            fit.probability(fake[out_fake]),
        )
    return _report((real, fake), (scores_real, scores_fake), person, fit.method)


def evaluate_calibration(
    calibration: Calibration,
    real_logits: ArrayLike,
    fake_logits: ArrayLike,
    *,
    people: ArrayLike | None = None,
) -> CalibrationReport:
    """Judge a calibration on a third split.

    Args:
        calibration: the fit.
        real_logits: of people who took part in neither training nor fitting.
        fake_logits: of other generated palms than it was fitted on.
        people: (n,), whose palm each real one is; without it each counts as another person's.

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
    # How often each palm counts in each draw, so that every figure is a weighted mean.
    rng = np.random.default_rng(0)
    people = rng.multinomial(n_people, np.full(n_people, 1 / n_people), DRAWS)[:, person]
    drawn_real = people / people.sum(axis=1, keepdims=True)
    drawn_fake = rng.multinomial(len(fake), np.full(len(fake), 1 / len(fake)), DRAWS) / len(fake)

    diagram, error = [], 0.0
    for i in np.unique(place):
        inside = place == i
        mass = float(weights[inside].sum())
        predicted = float(weights[inside] @ both[inside] / mass)
        observed = float(weights[inside] @ labels[inside] / mass)
        error += mass * abs(predicted - observed)
        in_real, in_fake = inside[: len(real)], inside[len(real) :]
        drawn = drawn_real[:, in_real].sum(axis=1), drawn_fake[:, in_fake].sum(axis=1)
        shares = drawn[0] / np.maximum(drawn[0] + drawn[1], 1e-12)
        chance = _counting_sd(int(in_real.sum()), int(in_fake.sum()), len(real), len(fake))
        sd = max(float(shares.std()), chance)
        diagram.append(ReliabilityBin(i / bins, (i + 1) / bins, int(inside.sum()), predicted, observed, sd))
    wins = _wins(*logits)
    square_real, square_fake = (1 - real) ** 2, fake**2
    return CalibrationReport(
        float(wins.mean()),
        float((drawn_real @ wins).std()),
        float((square_real.mean() + square_fake.mean()) / 2),
        float(((drawn_real @ square_real + drawn_fake @ square_fake) / 2).std()),
        error,
        tuple(diagram),
        len(real),
        len(fake),
        n_people,
        method,
    )


def _counting_sd(n_real: int, n_fake: int, all_real: int, all_fake: int) -> float:
    """Standard error that chance alone gives to the share of real palms in a bin, at 50:50 odds.

    Both counts are Poisson numbers, half a palm added to each (Haldane 1956, Anscombe 1956): none seen is
    not none possible, and one real palm weighs as much as several generated ones if there are fewer of them.
    """
    real, fake = (n_real + 0.5) / all_real, (n_fake + 0.5) / all_fake
    share = real / (real + fake)
    return float(share * (1 - share) * np.sqrt(1 / (n_real + 0.5) + 1 / (n_fake + 0.5)))


def _wins(real: Doubles, fake: Doubles) -> Doubles:
    """For each real logit the share of generated ones below it, ties counted half."""
    among = rankdata(np.concatenate([real, fake]))[: len(real)] - rankdata(real)
    return np.asarray(among / len(fake))
