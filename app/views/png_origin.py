"""The origin of a PNG that a visitor drops onto the page, and a button to generate it again."""

from __future__ import annotations

import streamlit as st

from app.i18n.words import Words
from app.ui.file_drop import file_drop
from app.views import model_choice
from palm_assets.generation.png_metadata import PngMetadata, read_png_metadata

state = st.session_state


def show(words: Words) -> None:
    """The drop zone, and a dialog with the metadata of the file that was just dropped."""
    with st.expander(words("origin")):
        head = file_drop(words("origin_drop"))
    if head is not None:
        st.dialog(words("origin"), width="small")(_show_metadata)(words, read_png_metadata(head))


def _show_metadata(words: Words, metadata: PngMetadata | None) -> None:
    if metadata is None:
        st.info(words("origin_unknown"))
        return
    facts = {
        "origin_number": str(metadata.index + 1),
        "seed": str(metadata.seed),
        "score": words.decimal(metadata.score, 3),
        "model": metadata.model,
    }
    if metadata.steps:
        facts["variations_path"] = " → ".join(["•", *map(str, metadata.steps)])
    st.markdown("  \n".join(f"{words(key)}: **{value}**" for key, value in facts.items()))
    st.caption(words("origin_trust"))
    if not model_choice.is_available(metadata.model):
        st.warning(words("origin_other_model"))
    if st.button(words("origin_regenerate"), type="primary"):
        state.pending_png = metadata
        st.rerun()
