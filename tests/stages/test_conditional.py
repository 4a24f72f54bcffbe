"""From labeled crops to a model that draws what is asked for."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from palm_assets.errors import DatasetError
from palm_assets.gan.sampler import load_model
from palm_assets.stages.model import make_model
from palm_assets.stages.training_job import TrainingJob, run_job
from palm_assets.store.artifacts import Store
from tests.crops.published_crops import publish_crops_of, split
from tests.gan.recipes import tiny

KINDS = list(product(("palmar", "dorsal"), ("left", "right"), ("fair", "medium", "dark")))
LABELS = ["aspect", "side", "skin"]


def run(job: TrainingJob) -> dict[str, Any]:
    return run_job(job, log=lambda line: None)


def test_a_training_on_labeled_crops_makes_a_model_that_can_be_asked(store: Store) -> None:
    crops = publish_crops_of(store, split("abcdef", "vw", "st"), each=12, kinds=KINDS)
    config = tiny(labels=LABELS, mirror=False, balance_aspects=0.5)
    made = make_model(store, crops, config, run=run)
    assert made.facts["labels"] == LABELS
    assert made.facts["label_counts"]["skin"] == {"fair": 24, "medium": 24, "dark": 24}
    assert "score_auc" in made.facts
    model = load_model(made.folder, made.version)
    assert model.scoring == "calibrated"
    assert model.labels == LABELS
    left, right = (model.sample(4, aspect="back", side=side, skin="dark") for side in ("left", "right"))
    assert (left == right[..., ::-1]).all()
    again = make_model(store, crops, tiny(labels=LABELS, mirror=False, start=made.version), run=run)
    assert again.version != made.version


def test_labels_that_the_crops_do_not_have_are_refused_by_the_training(store: Store) -> None:
    crops = publish_crops_of(store, split("abcdef", "vw", "st"), each=12)
    with pytest.raises(DatasetError, match="aspect back"):
        make_model(store, crops, tiny(labels=LABELS, mirror=False), run=run)
    assert not store.versions("models")
