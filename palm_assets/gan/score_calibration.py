"""The calibrated score of one image: fitted on the people of validation, and cross-validated over them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np

from palm_assets.crops.extraction import Crops
from palm_assets.errors import QualityError
from palm_assets.gan.labeled_crops import hands_of
from palm_assets.gan.sampler import CALIBRATION_FILE, PalmModel
from palm_assets.quality.calibration import Calibration, fit_calibration
from palm_assets.quality.reliability import CalibrationReport, cross_validate_by_person

FAKES = 1000
MIN_REAL = 2  # crops in a fit, of the full one and of each of the cross-validation
FIT_SEED, EVALUATION_SEED = 10**9, 2 * 10**9  # far from the seeds that people choose, and from each other


def calibration_problem(crops: Crops) -> str:
    """Why the score of a model of these crops cannot be calibrated; empty if it can.

    Known before training, as it depends on the validation crops alone: a fit needs two, and leaves out one
    person at a time to be evaluated.
    """
    per_person = Counter(crops.people_in_rows("validation"))
    total = sum(per_person.values())
    # A single person's crops are split in two halves.
    largest = max(per_person.values(), default=0) if len(per_person) > 1 else -(-total // 2)
    if total - largest >= MIN_REAL:
        return ""
    return (
        f"{total} crops of {len(per_person)} people in validation are too few: a fit needs at least "
        f"{MIN_REAL} without those of any one person"
    )


def calibrate(model: PalmModel, crops: Crops) -> tuple[Calibration, CalibrationReport]:
    """Fit a map from the discriminator's logits to probabilities at 50:50 odds, and evaluate it.

    The calibration is fitted on all people of the validation split and on samples of the model. The report is
    a cross-validation: each person is scored by a fit without that person, and the samples have another seed.

    Raises:
        QualityError: see `calibration_problem`; or a logit is not finite.
    """
    if problem := calibration_problem(crops):
        raise QualityError(problem, hint="Hold out more people or photograph them more often.")
    real = model.logits(np.asarray(crops.validation), hands_of(crops, "validation"))
    calibration = fit_calibration(real, _fake_logits(model, FIT_SEED))
    people = crops.people_in_rows("validation")
    report = cross_validate_by_person(real, people, _fake_logits(model, EVALUATION_SEED))
    return calibration, report


def write_calibration(calibration: Calibration, folder: Path) -> None:
    """Write `calibration.json`, which `load_model` reads."""
    (folder / CALIBRATION_FILE).write_text(
        json.dumps(calibration.to_json(), indent=1) + "\n", encoding="utf-8"
    )


def _fake_logits(model: PalmModel, seed: int) -> np.ndarray:
    return model.logits(model.sample(FAKES, seed=seed), model.hands(seed, range(FAKES)))
