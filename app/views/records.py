"""What was recorded of a model, as tables in the language of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.i18n.words import LANGUAGES, Words
from app.ui.tables import show_table
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
            show_table((words("record_name"), words("record_value")), rows, words(title))
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


def record_rows(words: Words, records: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of each record; one without a name in the language keeps that of the file."""
    rows = []
    for key, value in records.items():
        name = words(f"record_{key}") if f"record_{key}" in LANGUAGES["en"] else key
        text = _text(words, value)
        if text:
            rows.append((name, text))
    return rows


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
        case _:
            return str(value)
