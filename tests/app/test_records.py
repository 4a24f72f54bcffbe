from __future__ import annotations

from app.i18n.words import Words
from app.views.records import record_rows


def test_records_have_names_and_numbers_of_the_language() -> None:
    records = {
        "score_auc": 0.9434942,
        "rollbacks": 0,
        "score_uninformative": False,
        "augment": ["color", "rotation"],
    }
    assert record_rows(Words("ru"), records) == [
        ("AUC оценки (0,5\u00a0— оценка бесполезна)", "0,9435"),
        ("Возвратов к\u00a0более раннему состоянию", "0"),
        ("Оценка бесполезна", "нет"),
        ("Аугментация", "color, rotation"),
    ]
    assert record_rows(Words("en"), {"score_uninformative": True}) == [("The score is uninformative", "yes")]


def test_a_record_without_a_name_keeps_its_own_and_nothing_is_left_out_but_what_is_not_set() -> None:
    records = {"ema_kimg": 30.0, "spectral": None, "label_counts": {"palm": 3}}
    assert record_rows(Words("ru"), records) == [("ema_kimg", "30"), ("label_counts", "palm: 3")]
