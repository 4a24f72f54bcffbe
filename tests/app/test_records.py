from __future__ import annotations

import json

import pytest

from app.i18n.words import LANGUAGES, Words
from app.views.records import record_rows
from palm_assets.gan.config import GanConfig
from palm_assets.store.origins import BUNDLED

RU, EN = Words("ru"), Words("en")


def test_records_have_names_and_numbers_of_the_language() -> None:
    records = {
        "score_auc": 0.9434942,
        "rollbacks": 0,
        "score_uninformative": False,
        "augment": ["color", "rotation"],
        "labels": ["aspect", "side"],
        "label_counts": {"aspect": {"palm": 3, "back": 1}, "skin": {"dark": 2, "any": 2}},
        "precision": "auto",
    }
    assert record_rows(RU, records) == [
        ("score_auc", "AUC оценки (0,5\u00a0— оценка бесполезна)", "0,9435"),
        ("rollbacks", "Возвратов к\u00a0более раннему состоянию", "0"),
        ("score_uninformative", "Оценка бесполезна", "нет"),
        ("augment", "Аугментация", "цвет, поворот"),
        ("labels", "Что можно запросить", "ладонь или тыльная сторона, левая или правая рука"),
        (
            "label_counts",
            "Обучающих фотографий каждого вида",
            "ладони: 3; тыльные стороны: 1; тёмная: 2; не\u00a0указан: 2",
        ),
        ("precision", "Точность вычислений", "автоматически"),
    ]
    assert record_rows(EN, {"score_uninformative": True}) == [
        ("score_uninformative", "The score is uninformative", "yes")
    ]


@pytest.mark.parametrize("words", [RU, EN], ids=["ru", "en"])
def test_every_setting_of_the_training_has_a_name(words: Words) -> None:
    for folder in BUNDLED:
        manifest = json.loads((folder / "manifest.json").read_text())
        for records in (
            GanConfig().model_dump(),
            *(manifest[part] for part in ("facts", "config", "inputs")),
        ):
            rows = record_rows(words, records)
            assert not [key for key, name, _ in rows if name == key]
    if words is RU:
        assert not [
            key for key, text in LANGUAGES["ru"].items() if key.startswith("record") and text.isascii()
        ]


def test_a_record_without_a_name_keeps_its_own_and_nothing_is_left_out_but_what_is_not_set() -> None:
    records = {"width": 30.0, "spectral": None, "label_counts": {"palm": 3}}
    assert record_rows(RU, records) == [
        ("width", "width", "30"),
        ("label_counts", "Обучающих фотографий каждого вида", "palm: 3"),
    ]
