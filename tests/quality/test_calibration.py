from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from palm_assets.errors import ArtifactCorruptError, QualityError
from palm_assets.quality.calibration import Calibration, fit_calibration
from palm_assets.quality.reliability import auc, cross_validate_by_person, evaluate_calibration

Doubles = NDArray[np.float64]
GAP = 2.0  # N(1, 1) against N(-1, 1): the true probability of being real is expit(2 x)


def logits(n: int, seed: int, *, warp: float = 1.0) -> tuple[Doubles, Doubles]:
    """Held-out real and generated outputs of a discriminator whose scale means nothing."""
    rng = np.random.default_rng(seed)
    return warp * rng.normal(1, 1, n) + 40, warp * rng.normal(-1, 1, n) + 40


def truth(x: Doubles, warp: float = 1.0) -> Doubles:
    return np.asarray(expit(GAP * (x - 40) / warp))


@pytest.mark.parametrize(("n", "method", "tolerance"), [(5000, "isotonic", 0.08), (300, "platt", 0.06)])
@pytest.mark.parametrize("warp", [1.0, 0.01, 300.0])
def test_gives_the_true_probability_whatever_the_scale_of_the_logits(
    n: int, method: str, tolerance: float, warp: float
) -> None:
    fit = fit_calibration(*logits(n, 0, warp=warp))
    assert fit.method == method
    x = 40 + warp * np.linspace(-2, 2, 41)
    assert np.abs(fit.probability(x) - truth(x, warp)).max() < tolerance


def test_method_changes_at_one_thousand_points() -> None:
    real, fake = logits(500, 0)
    assert fit_calibration(real, fake).method == "isotonic"
    assert fit_calibration(real[:-1], fake).method == "platt"


def test_a_thousand_generated_palms_do_not_make_up_for_few_real_ones() -> None:
    real, fake = logits(5000, 0)
    assert fit_calibration(real[:150], fake).method == "platt"
    assert fit_calibration(real[:300], fake).method == "isotonic"


def test_the_two_classes_weigh_the_same_whatever_their_numbers() -> None:
    real, fake = logits(20_000, 0)
    few = fit_calibration(real[:800], fake)
    assert few.probability([40.0])[0] == pytest.approx(0.5, abs=0.07)
    platt = fit_calibration(real[:60], fake[:900])
    assert platt.probability([40.0])[0] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("n", [200, 3000])
def test_never_falls_and_stays_inside_zero_and_one(n: int) -> None:
    fit = fit_calibration(*logits(n, 0))
    scores = fit.probability(np.linspace(-1000, 1000, 5001))
    assert (np.diff(scores) >= 0).all()
    assert 0 < scores.min() < 0.01
    assert 0.99 < scores.max() < 1


def test_keeps_the_shape_and_ties_get_one_probability() -> None:
    real, fake = np.repeat([0.0, 1.0, 2.0], 400), np.repeat([-1.0, 0.0, 1.0], 400)
    fit = fit_calibration(real, fake)
    assert fit.method == "isotonic"
    np.testing.assert_allclose(fit.probability([[0.0, 1.0]]), [[0.5, 0.5]])


def test_a_score_of_seven_tenths_means_it_on_a_fresh_split() -> None:
    fit = fit_calibration(*logits(5000, 0))
    report = evaluate_calibration(fit, *logits(20_000, 1))
    near = next(b for b in report.bins if b.low == 0.7)
    assert abs(near.observed - near.predicted) < 0.05
    assert report.calibration_error < 0.02
    assert sum(b.n for b in report.bins) == 40_000
    for b in report.bins:
        assert b.low <= b.predicted <= b.high + 1e-12


def test_the_report_states_auc_and_brier_of_the_definition() -> None:
    real, fake = logits(400, 1)
    fit = fit_calibration(*logits(400, 0))
    report = evaluate_calibration(fit, real, fake)
    pairs = (real[:, None] > fake[None]).mean()
    brier = 0.5 * ((1 - fit.probability(real)) ** 2).mean() + 0.5 * (fit.probability(fake) ** 2).mean()
    assert report.auc == pytest.approx(pairs)
    assert report.brier == pytest.approx(brier)
    assert report.brier < 0.25
    assert auc([1, 1], [1, 1]) == 0.5
    assert auc([2, 3], [0, 1]) == 1


@pytest.mark.parametrize("n", [100, 2000])
def test_a_discriminator_without_information_is_reported_as_uninformative(n: int) -> None:
    rng = np.random.default_rng(0)
    fit = fit_calibration(rng.normal(size=n), rng.normal(size=n))
    report = evaluate_calibration(fit, rng.normal(size=n), rng.normal(size=n))
    assert report.brier == pytest.approx(0.25, abs=0.01)
    assert "uninformative" in report.describe()
    assert (
        "uninformative" not in evaluate_calibration(fit_calibration(*logits(n, 0)), *logits(n, 1)).describe()
    )


def people_logits(
    n_people: int, palms: int, seed: int, *, gap: float = 2
) -> tuple[Doubles, NDArray[np.int64], Doubles]:
    """Palms of one person are alike: each has a level of their own."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(n_people), palms)
    real = rng.normal(gap / 2, 0.9, n_people)[person] + rng.normal(0, 0.5, len(person))
    return real, person, rng.normal(-gap / 2, 1, 1000)


def test_in_cross_validation_each_person_is_scored_by_a_fit_without_that_person() -> None:
    real, person, fake = people_logits(12, 20, 0)
    strange = real.copy()
    strange[person == 3] -= 50  # one person whom the discriminator takes for generated
    report = cross_validate_by_person(strange, person, fake)
    assert (report.n_real, report.n_people, report.n_fake) == (240, 12, 1000)
    assert report.bins[0].low == 0
    alone = evaluate_calibration(
        fit_calibration(strange[person != 3], fake), strange[person == 3], fake, people=person[person == 3]
    )
    assert report.brier > evaluate_calibration(fit_calibration(real, fake), real, fake).brier
    assert report.bins[0].observed > 0  # that person's images are there, against the prediction
    assert alone.bins[0].observed > 0.2


def test_cross_validation_agrees_with_new_people_within_its_standard_error() -> None:
    fit = fit_calibration(*people_logits(2000, 20, 1, gap=1)[::2])
    truth = evaluate_calibration(fit, *people_logits(2000, 20, 2, gap=1)[::2])
    reports = [cross_validate_by_person(*people_logits(11, 15, seed, gap=1)) for seed in range(10, 40)]
    off = np.array([(report.auc - truth.auc) / report.auc_sd for report in reports])
    assert abs(off.mean()) < 0.5
    assert 0.6 < off.std() < 1.6
    worse = np.array([(report.brier - truth.brier) / report.brier_sd for report in reports])
    assert -0.3 < worse.mean() < 1  # a fit of few people is a little worse than the best one


def test_ten_photos_of_the_same_palm_are_no_more_evidence_than_one() -> None:
    real, person, fake = people_logits(11, 4, 0)
    once, often = (
        cross_validate_by_person(real, person, fake),
        cross_validate_by_person(real.repeat(10), person.repeat(10), fake),
    )
    assert often.auc == pytest.approx(once.auc)
    assert often.auc_sd == pytest.approx(once.auc_sd)
    assert often.auc_sd > 1.5 * cross_validate_by_person(real, np.arange(len(real)), fake).auc_sd


def test_a_bin_of_a_few_generated_palms_proves_little_where_real_ones_are_rarer_still() -> None:
    # Three of 1,000 generated palms and none of 100 real ones lie where the fit predicts three quarters.
    fit = Calibration("platt", (1.0, 0.0), (), 100, 1000)
    real, fake = np.full(100, 9.0), np.concatenate([np.full(997, -9.0), np.full(3, 1.1)])
    three = next(b for b in evaluate_calibration(fit, real, fake).bins if b.n == 3)
    assert (three.observed, round(three.predicted, 2)) == (0, 0.75)
    assert three.sd > 0.3


def test_a_single_person_is_cross_validated_by_halves_of_the_images() -> None:
    real, fake = logits(60, 0)
    report = cross_validate_by_person(real, np.zeros(60), fake)
    assert (report.n_people, report.n_real) == (1, 60)
    assert report.auc == pytest.approx(auc(real, fake))


def test_a_discriminator_that_is_wrong_way_round_is_never_turned_into_a_falling_score() -> None:
    for n in (100, 2000):
        real, fake = logits(n, 0)
        scores = fit_calibration(fake, real).probability(np.linspace(30, 50, 100))
        assert np.ptp(scores) < 0.3
        assert (np.diff(scores) >= 0).all()


def test_constant_outputs_are_worth_one_half() -> None:
    for n in (10, 1000):
        assert fit_calibration(np.ones(n), np.ones(n)).probability([1.0])[0] == pytest.approx(0.5)


@pytest.mark.parametrize("n", [50, 2000])
def test_survives_json(n: int) -> None:
    fit = fit_calibration(*logits(n, 0))
    again = Calibration.from_json(json.loads(json.dumps(fit.to_json())))
    assert again == fit
    json.dumps(evaluate_calibration(fit, *logits(n, 1)).to_json())


@pytest.mark.parametrize(
    "damage",
    [
        {"method": "magic"},
        {"x": None},
        {"x": [2.0, 1.0]},
        {"y": [0.1]},
        {"y": [0.9, 0.1]},
        {"y": [0.1, 1.5]},
        {"y": [0.1, float("nan")]},
        {"n_real": 0},
        {"n_fake": "many"},
    ],
)
def test_a_damaged_calibration_is_refused(damage: dict[str, object]) -> None:
    sound = {"method": "isotonic", "x": [0.0, 1.0], "y": [0.2, 0.8], "n_real": 9, "n_fake": 9}
    assert Calibration.from_json(sound).probability([0.5])[0] == pytest.approx(0.5)
    with pytest.raises(ArtifactCorruptError, match="Fit the calibration again"):
        Calibration.from_json(sound | damage)
    with pytest.raises(ArtifactCorruptError):
        Calibration.from_json({k: v for k, v in sound.items() if k not in damage})


def test_too_few_palms_and_broken_outputs_are_refused_by_class() -> None:
    with pytest.raises(QualityError, match="at least 2 real palms, got 1"):
        fit_calibration([1.0], [1.0, 2.0])
    with pytest.raises(QualityError, match="generated palms are not finite"):
        fit_calibration([1.0, 2.0], [1.0, float("nan")])
