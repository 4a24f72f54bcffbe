"""A set that is too small to calibrate the score: reported before training, which goes on without a score."""

from __future__ import annotations

import numpy as np
import pytest

from palm_assets.errors import QualityError
from palm_assets.gan.checkpoint import CARD_FILE, read_metrics
from palm_assets.gan.plot_files import RELIABILITY_FILE
from palm_assets.gan.sampler import CALIBRATION_FILE, load_model
from palm_assets.gan.score_calibration import calibration_problem
from palm_assets.quality.reliability import cross_validate_by_person
from palm_assets.stages.crops import open_crops
from palm_assets.stages.model import make_model
from palm_assets.stages.training_job import TrainingJob, run_job
from palm_assets.store.artifacts import Store
from tests.crops.published_crops import publish_crops_of, split
from tests.gan.recipes import tiny


@pytest.mark.parametrize("people", [1, 2, 3, 12])
@pytest.mark.parametrize("each", [1, 2, 3, 4])
def test_what_can_be_calibrated_is_known_before(store: Store, people: int, each: int) -> None:
    validation = "uvwxyzmnopqr"[:people]
    crops = open_crops(publish_crops_of(store, split("abcd", validation, "st"), each))
    real, fake = np.random.default_rng(0).normal(size=(2, people * each))
    try:
        cross_validate_by_person(real, crops.people_in_rows("validation"), np.append(fake, range(20)))
    except QualityError:
        assert calibration_problem(crops)
    else:
        assert calibration_problem(crops) == ""


def test_a_set_that_cannot_be_calibrated_is_reported_at_the_start_and_trains_without_a_score(
    store: Store,
) -> None:
    crops = publish_crops_of(store, split("abcdefghij", "v", "st"), each=2)
    lines: list[str] = []

    def run(job: TrainingJob) -> dict[str, object]:
        return run_job(job, log=lines.append)

    model = make_model(store, crops, tiny(), run=run)
    warnings = [number for number, line in enumerate(lines) if "will not be calibrated" in line]
    training = [number for number, line in enumerate(lines) if line.startswith("training a 16 px DCGAN")]
    assert len(warnings) == 1
    assert warnings[0] <= training[0] + 1
    assert "2 crops of 1 people in validation are too few" in model.facts["score_missing"]
    assert "score_auc" not in model.facts
    assert not (model.folder / CALIBRATION_FILE).exists()
    assert not (model.folder / RELIABILITY_FILE).exists()
    assert "score_report" not in read_metrics(model.folder)
    loaded = load_model(model.folder, model.version)
    assert loaded.scoring == "raw"
    assert np.isfinite(loaded.scores(loaded.sample(2))).all()
    card = (model.folder / CARD_FILE).read_text(encoding="utf-8")
    assert "is not calibrated" in card
    assert "Reliability" not in card


def test_the_card_says_who_is_held_out_for_what(store: Store) -> None:
    apart = publish_crops_of(store, split("abcd", "vw", "stu"))
    together = publish_crops_of(store, split("abcd", "vw", "vw"))
    for crops, expected in (
        (
            apart,
            "8 crops of 2 other people chose the checkpoint and calibrated the score. 12 crops of 3",
        ),
        (together, "8 crops of 2 other people chose the checkpoint, calibrated the score and set the floor"),
    ):
        model = make_model(store, crops, tiny())
        assert (model.folder / CALIBRATION_FILE).exists()
        card = (model.folder / CARD_FILE).read_text(encoding="utf-8")
        assert expected in " ".join(card.split())
        assert "Reliability" in card
