from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.i18n.words import Words
from app.views.about import class_rows, held_out_warnings
from app.work.about import ModelEvaluation, model_evaluation, training_photos
from palm_assets.crops.config import CropConfig
from palm_assets.evaluation.evaluation_files import EVALUATION_FILE
from palm_assets.release.export import CROPS_FILE
from palm_assets.store.artifacts import MANIFEST, Artifact, Store, open_folder
from palm_assets.store.starter import STARTER, find_starter, hands_folder
from tests.app.real_palms import publish_crops

Publish = Callable[..., Artifact]


def test_the_training_photos_of_a_model_are_found(store: Store, publish_model: Publish) -> None:
    model = publish_model(inputs={"crops": publish_crops(store).version})
    photos = training_photos(store, model)
    assert photos is not None
    assert (photos.train, photos.train_people) == (32, 5)
    assert photos.skin == (("fair", 30), ("medium", 6), ("dark", 12))
    assert (photos.held_out, photos.held_out_people) == (16, 2)
    assert not photos.synthetic
    assert (photos.known, photos.unknown) == (0, False)
    assert training_photos(store, publish_model(2)) is None
    assert model_evaluation(store, model) is None


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"crops": {"train": 1586, "holdout": 174}, "people": {"train": 102, "holdout": 11}}, (174, 11)),
        (
            {
                "crops": {"train": 9, "validation": 6, "test": 6},
                "people": {"train": 3, "validation": 2, "test": 2},
                "shared_holdout": True,
            },
            (6, 2),
        ),
    ],
)
def test_people_held_out_are_counted_once_whichever_version_made_the_crops(
    store: Store, publish_model: Publish, facts: dict[str, object], expected: tuple[int, int]
) -> None:
    facts = {**facts, "skin": {}}
    crops = store.make("crops", lambda folder: facts, inputs={}, config=CropConfig(), code_version="1")
    photos = training_photos(store, publish_model(inputs={"crops": crops.version}))
    assert photos is not None
    assert (photos.held_out, photos.held_out_people) == expected


def test_the_starters_people_held_out_are_counted() -> None:
    starter = find_starter()
    assert starter is not None
    photos = training_photos(Store("/nonexistent"), starter)
    assert photos is not None
    assert (photos.held_out, photos.held_out_people) == (174, 11)


@pytest.mark.parametrize(
    ("facts", "warned"),
    [
        ({}, []),
        ({"trained_on_held_out": 0, "held_out_unknown": False}, []),
        ({"trained_on_held_out": 3, "held_out_unknown": False}, ["about_held_out_known"]),
        (
            {"trained_on_held_out": 3, "held_out_unknown": True},
            ["about_held_out_known", "about_held_out_unknown"],
        ),
    ],
)
def test_the_page_warns_of_people_held_out_whom_the_model_knows(
    store: Store, publish_model: Publish, facts: dict[str, object], warned: list[str]
) -> None:
    model = publish_model(inputs={"crops": publish_crops(store).version}, **facts)
    photos = training_photos(store, model)
    assert photos is not None
    for words in (Words("en"), Words("ru")):
        expected = [words(name, n=3) if "unknown" not in name else words(name) for name in warned]
        assert held_out_warnings(words, photos) == expected


@pytest.mark.parametrize(
    ("words", "palms", "real"),
    [
        (Words("en"), ("palms", "0.0347\u00a0±\u00a00.0028"), "0.0299"),
        (Words("ru"), ("ладони", "0,0347\u00a0±\u00a00,0028"), "0,0299"),
    ],
    ids=["en", "ru"],
)
def test_each_kind_of_hands_has_a_distance_beside_that_of_photographs(
    words: Words, palms: tuple[str, str], real: str
) -> None:
    aspect = {"label": "aspect", "kid": 0.0346846, "kid_sd": 0.0027506, "kid_floor": 0.0298711}
    unknown = {"label": "skin", "kid": None, "kid_sd": None, "kid_floor": None}
    classes = [{**aspect, "value": "palm"}, {**unknown, "value": "dark"}, {**unknown, "value": "green"}]
    rows = class_rows(words, ModelEvaluation({}, {}, b"", classes))
    assert rows == [(*palms, real), (f"{words('skin')}: {words('skin_dark')}", "—", "—")]
    hands = find_starter(hands_folder(STARTER))
    assert hands is not None
    evaluation = model_evaluation(Store("/nonexistent"), hands)
    assert evaluation is not None
    assert len(class_rows(words, evaluation)) == 5


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
    assert photos.held_out_people == 2
    assert evaluation is not None
    assert (evaluation.metrics, evaluation.floor, evaluation.image) == (
        {"label": "FID", "frechet": 1.5, "floor": None},
        {},
        b"",
    )
