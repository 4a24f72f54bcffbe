"""What was recorded of a model, as tables in the language of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.i18n.words import LANGUAGES, Words
from app.ui.tables import show_table
from palm_assets.gan.hand_labels import ANY
from palm_assets.store.artifacts import Artifact


def show(words: Words, artifact: Artifact) -> None:
    """Results, settings and inputs of the training, and the model card as a file."""
    from palm_assets.gan.checkpoint import CARD_FILE  # brings torch

    manifest = artifact.manifest
    groups = {
        "records_facts": artifact.facts,
        "records_config": manifest.config,
        "records_inputs": manifest.inputs,
    }
    for title, records in groups.items():
        rows = record_rows(words, records)
        if rows:
            st.markdown(f"**{words(title)}**")
            head, keys = (words("record_name"), words("record_value")), [row[0] for row in rows]
            show_table(head, [row[1:] for row in rows], words(title), notes=keys)
    st.caption(words("records_note"))
    card = artifact.folder / CARD_FILE
    if card.is_file():
        st.download_button(
            words("records_card"),
            card.read_bytes(),
            f"model-card-{manifest.version}.md",
            "text/markdown",
            on_click="ignore",
        )


def record_rows(words: Words, records: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Key, name and value of each record; the name is the key if the language has none for it."""
    rows = []
    for key, value in records.items():
        text = _label_counts(words, value) if key == "label_counts" else _text(words, value)
        if text:
            rows.append((key, _named(words, f"record_{key}", key), text))
    return rows


def _named(words: Words, key: str, otherwise: str) -> str:
    return words(key) if key in LANGUAGES["en"] else otherwise


def _label_counts(words: Words, counts: object) -> str:
    """Number of photographs of each kind of hand, as `label_counts` records them."""
    if not isinstance(counts, dict) or not all(isinstance(of_label, dict) for of_label in counts.values()):
        return _text(words, counts)
    kinds = {
        "tone_unknown" if value == ANY else f"{label}_{value}": count
        for label, of_label in counts.items()
        for value, count in of_label.items()
    }
    return "; ".join(f"{_named(words, key, key)}: {count}" for key, count in kinds.items())


def _text(words: Words, value: object) -> str:
    match value:
        case bool():
            return words("yes" if value else "no")
        case float():
            return words.significant(value) if value % 1 else words.decimal(value, 0)
        case list() | tuple():
            return ", ".join(_text(words, part) for part in value)
        case dict():
            return "; ".join(f"{key}: {_text(words, part)}" for key, part in value.items())
        case None:
            return ""
        case str():
            return _named(words, f"record_value_{value}", value)
        case _:
            return str(value)
