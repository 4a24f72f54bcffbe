"""The calibrated score of one image: fitted on held-out people, evaluated by cross-validation over them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from palm_assets.crops.extraction import Crops
from palm_assets.gan.sampler import CALIBRATION_FILE, PalmModel
from palm_assets.quality.calibration import Calibration, fit_calibration
from palm_assets.quality.reliability import CalibrationReport, cross_validate_by_person

FAKES = 1000
FIT_SEED, EVALUATION_SEED = 10**9, 2 * 10**9  # far from the seeds that people choose, and from each other


def calibrate(model: PalmModel, crops: Crops) -> tuple[Calibration, CalibrationReport]:
    """Fit a map from the discriminator's logits to probabilities at 50:50 odds, and evaluate it.

    The calibration is fitted on all held-out people and on samples of the model. The report is a
    cross-validation: each person is scored by a fit without that person, and the samples have another seed.

    Raises:
        QualityError: fewer than two crops in a fit.
    """
    real = model.logits(np.asarray(crops.holdout))
    people = [crop.person for crop in crops.index if crop.split == "holdout"]
    calibration = fit_calibration(real, _fake_logits(model, FIT_SEED))
    report = cross_validate_by_person(real, people, _fake_logits(model, EVALUATION_SEED))
    return calibration, report


def write_calibration(calibration: Calibration, folder: Path) -> None:
    """Write `calibration.json`, which `load_model` reads."""
    (folder / CALIBRATION_FILE).write_text(json.dumps(calibration.to_json(), indent=1) + "\n")


def _fake_logits(model: PalmModel, seed: int) -> np.ndarray:
    return model.logits(model.sample(FAKES, seed=seed))
