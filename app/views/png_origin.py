"""The origin of an image file: its metadata; on request also its signature and watermark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.i18n.words import Words, escape_markdown
from app.ui import held
from app.ui.file_drop import file_drop
from app.ui.job_panel import JobPanel, is_busy
from app.views import model_choice
from app.work.png_origin import MAX_BYTES, MAX_MEGABYTES, verification_job
from palm_assets.errors import PalmError
from palm_assets.generation.png_metadata import PngMetadata, read_png_metadata, read_png_xmp
from palm_assets.provenance.xmp import XmpClaims

if TYPE_CHECKING:
    from palm_assets.generation.verification import Verification

state = st.session_state
_MAX_FACT = 100  # characters


def _failure_text(error: PalmError | None) -> str:
    return "failed" if error is None else "origin_unreadable"


PANEL: JobPanel[Verification] = JobPanel(
    "verification", finishing_text="origin_checking", failed_text=_failure_text
)


def show(words: Words) -> None:
    """A drop zone and a dialog with the metadata of what was just dropped, or the check of a file."""
    with held.section(words("origin"), "origin", words.language):
        if held.get("origin_check"):  # only a visitor who asks for the check sends a whole file
            head = None
            _show_check(words)
        else:
            head = file_drop(words("origin_drop"))
        key, checks = held.widget("origin_check")
        st.toggle(words("origin_check"), checks, key=key, disabled=is_busy(), on_change=PANEL.clear)
    if head is not None:
        st.dialog(words("origin"), width="small")(_show_metadata)(
            words, read_png_metadata(head), read_png_xmp(head)
        )


def _show_metadata(words: Words, metadata: PngMetadata | None, xmp: XmpClaims | None) -> None:
    if metadata is None and xmp is not None and xmp.is_of_static_page:
        st.info(words("origin_result_static_page"))
        st.markdown(_facts_text(words, {"seed": xmp.seed, "model": xmp.model}))
        return
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
    st.markdown(_facts_text(words, facts))
    st.caption(words("origin_trust"))
    if not model_choice.is_available(metadata.model):
        st.warning(words("origin_other_model"))
    if st.button(words("origin_regenerate"), type="primary"):
        state.pending_png = metadata
        st.rerun()


def _show_check(words: Words) -> None:
    if PANEL.job is not None:
        PANEL.show_progress(words)
        return
    label = words("origin_upload", megabytes=MAX_MEGABYTES)
    content = file_drop(label, count=MAX_BYTES + 1, key="file_check")
    if content is not None:
        PANEL.clear()
        if len(content) > MAX_BYTES:
            PANEL.set_message("origin_too_large")
        elif not is_busy() and PANEL.submit(verification_job(content)):
            st.rerun()
    PANEL.show_message(words)
    if PANEL.result is not None:
        _show_result(words, PANEL.result)


def _show_result(words: Words, result: Verification) -> None:
    st.info(words(f"origin_result_{result.conclusion}"))
    facts = {}
    if result.credentials is not None:
        facts["origin_signature"] = words(f"origin_signature_{result.credentials.state}")
        facts["origin_signer"] = result.credentials.signer or "–"
    if result.watermark is not None:
        facts["origin_watermark"] = words("origin_found" if result.watermark.found else "origin_not_found")
    else:
        facts["origin_watermark"] = words("origin_not_searched")
    claimed = result.credentials.source_type if result.credentials else ""
    claimed = claimed or (result.xmp.source_type if result.xmp else "")
    if claimed:
        facts["origin_source_type"] = claimed.rpartition("/")[2]
    st.markdown(_facts_text(words, facts))


def _facts_text(words: Words, facts: dict[str, str]) -> str:
    """One line per fact; the values may come from a hostile file."""
    return "  \n".join(
        f"{words(key)}: **{escape_markdown(value, _MAX_FACT)}**" for key, value in facts.items()
    )
