from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from app.provenance import CROPS_BESIDE, photographs_of, verdict_on
from palm_assets.evaluation.model_evaluation import EVALUATION_FILE
from palm_assets.store.artifacts import MANIFEST, Artifact, Store, open_folder
from tests.app.real_palms import publish_crops

Publish = Callable[..., Artifact]


def test_a_model_tells_whose_photographs_it_learnt_from(store: Store, publish_model: Publish) -> None:
    model = publish_model(inputs={"crops": publish_crops(store).version})
    photographs = photographs_of(store, model)
    assert photographs is not None
    assert (photographs.train, photographs.train_people) == (32, 5)
    assert photographs.skin == (("fair", 30), ("medium", 6), ("dark", 12))
    assert not photographs.drawn
    assert photographs_of(store, publish_model(2)) is None
    assert verdict_on(store, model) is None


def test_a_model_that_left_its_store_took_its_records_along(
    store: Store, publish_model: Publish, tmp_path: Path
) -> None:
    crops = publish_crops(store)
    folder = shutil.copytree(publish_model(inputs={"crops": crops.version}).folder, tmp_path / "starter")
    shutil.copy(crops.folder / MANIFEST, folder / CROPS_BESIDE)
    (folder / EVALUATION_FILE).write_text(
        json.dumps({"label": "FID", "frechet": 1.5, "nearest": [1], "floor": None})
    )
    nowhere, model = Store(tmp_path / "empty"), open_folder(folder, "models")
    photographs, verdict = photographs_of(nowhere, model), verdict_on(nowhere, model)
    assert photographs is not None
    assert photographs.holdout_people == 2
    assert verdict is not None
    assert (verdict.figures, verdict.floor, verdict.picture) == (
        {"label": "FID", "frechet": 1.5, "floor": None},
        {},
        b"",
    )
