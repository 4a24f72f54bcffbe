from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from app.work.about import model_evaluation, training_photos
from palm_assets.evaluation.evaluation_files import EVALUATION_FILE
from palm_assets.release.export import CROPS_FILE
from palm_assets.store.artifacts import MANIFEST, Artifact, Store, open_folder
from tests.app.real_palms import publish_crops

Publish = Callable[..., Artifact]


def test_the_training_photos_of_a_model_are_found(store: Store, publish_model: Publish) -> None:
    model = publish_model(inputs={"crops": publish_crops(store).version})
    photos = training_photos(store, model)
    assert photos is not None
    assert (photos.train, photos.train_people) == (32, 5)
    assert photos.skin == (("fair", 30), ("medium", 6), ("dark", 12))
    assert not photos.synthetic
    assert training_photos(store, publish_model(2)) is None
    assert model_evaluation(store, model) is None


def test_a_packed_model_keeps_its_records(store: Store, publish_model: Publish, tmp_path: Path) -> None:
    crops = publish_crops(store)
    folder = shutil.copytree(publish_model(inputs={"crops": crops.version}).folder, tmp_path / "starter")
    shutil.copy(crops.folder / MANIFEST, folder / CROPS_FILE)
    (folder / EVALUATION_FILE).write_text(
        json.dumps({"label": "FID", "frechet": 1.5, "nearest": [1], "floor": None})
    )
    nowhere, model = Store(tmp_path / "empty"), open_folder(folder, "models")
    photos, evaluation = training_photos(nowhere, model), model_evaluation(nowhere, model)
    assert photos is not None
    assert photos.holdout_people == 2
    assert evaluation is not None
    assert (evaluation.metrics, evaluation.floor, evaluation.image) == (
        {"label": "FID", "frechet": 1.5, "floor": None},
        {},
        b"",
    )
