"""The score of one palm: fitted on people that neither network has seen, judged on others still."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from palm_assets.crops.making import Crops
from palm_assets.gan.sampling import CALIBRATION_FILE, PalmModel
from palm_assets.quality.calibration import (
    Calibration,
    CalibrationReport,
    evaluate_calibration,
    fit_calibration,
)

FAKES = 1000
FIT_SEED, JUDGE_SEED = 10**9, 2 * 10**9  # far from the seeds that people choose, and from each other


def calibrate(model: PalmModel, palms: Crops) -> tuple[Calibration, CalibrationReport]:
    """Fit the discriminator's logits to probabilities at 50:50 odds, and judge the fit on a third split.

    Half of the held-out people are for the fit, the other half for the verdict; with a single held-out person
    the photos are halved instead. Generated palms are fresh in both.

    Raises:
        QualityError: fewer than two palms in a half.
    """
    fit, judge = _halves(palms)
    real = model.logits(np.asarray(palms.holdout))
    calibration = fit_calibration(real[fit], _fresh(model, FIT_SEED))
    return calibration, evaluate_calibration(calibration, real[judge], _fresh(model, JUDGE_SEED))


def write_calibration(calibration: Calibration, folder: Path) -> None:
    """Write `calibration.json`, which a loaded model's scores are made with."""
    (folder / CALIBRATION_FILE).write_text(json.dumps(calibration.to_json(), indent=1) + "\n")


def _fresh(model: PalmModel, seed: int) -> np.ndarray:
    return model.logits(model.draw(model.latents(seed, range(FAKES))))


def _halves(palms: Crops) -> tuple[np.ndarray, np.ndarray]:
    people = np.array([crop.person for crop in palms.index if crop.split == "holdout"])
    names = np.unique(people)
    if len(names) > 1:
        first = np.isin(people, names[::2])
        return np.flatnonzero(first), np.flatnonzero(~first)
    rows = np.arange(len(people))
    return rows[::2], rows[1::2]
