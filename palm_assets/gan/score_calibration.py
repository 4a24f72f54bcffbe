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


def calibrate(model: PalmModel, palms: Crops) -> tuple[Calibration, CalibrationReport]:
    """Fit the discriminator's logits to probabilities at 50:50 odds, and evaluate such a fit.

    The fit uses all held-out people and fresh samples. The report uses the same people, each scored by a fit
    without that person, and samples of another seed.

    Raises:
        QualityError: fewer than two palms in a fit.
    """
    real = model.logits(np.asarray(palms.holdout))
    people = [crop.person for crop in palms.index if crop.split == "holdout"]
    return fit_calibration(real, _fresh(model, FIT_SEED)), cross_validate_by_person(
        real, people, _fresh(model, EVALUATION_SEED)
    )


def write_calibration(calibration: Calibration, folder: Path) -> None:
    """Write `calibration.json`, which a loaded model's scores are made with."""
    (folder / CALIBRATION_FILE).write_text(json.dumps(calibration.to_json(), indent=1) + "\n")


def _fresh(model: PalmModel, seed: int) -> np.ndarray:
    return model.logits(model.generate(model.latents(seed, range(FAKES))))
