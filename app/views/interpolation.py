"""The morph between two palms of a set: choice, progress and animation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.i18n.words import Words
from app.ui import held
from app.ui.images import show_animation, show_thumbnails
from app.ui.job_panel import JobPanel, is_busy
from app.work.interpolation import Interpolation, interpolation_job
from app.work.palm_sets import PalmSet
from palm_assets.release.serving import Served

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

PANEL: JobPanel[Interpolation] = JobPanel("interpolation", finishing_text="interpolation_finishing")
ENDS = ("interpolation_from", "interpolation_to")


def clear() -> None:
    """Forget the interpolation."""
    PANEL.clear()
    for name in ENDS:
        held.put(name, None)


def show(words: Words, palms: PalmSet, served: Served) -> None:
    """Offer to choose two palms, and show what lies between them; only with the model that generated them."""
    model = served.model
    if len(palms.entries) < 2 or model is None or model.version != palms.model_version:
        return
    with held.section(words("interpolation"), "morph", words.language):
        st.write(words("interpolation_help"))
        numbers = [entry.number for entry in palms.entries]
        with st.container(horizontal=True, vertical_alignment="bottom"):
            start, end = (_choose_palm(words, name, numbers, place) for place, name in enumerate(ENDS))
            ends = (palms, model, start - 1, end - 1)
            st.button(words("interpolation_start"), disabled=is_busy(), on_click=_submit, args=ends)
        if PANEL.job is not None:
            PANEL.show_progress(words)
            return
        PANEL.show_message(words)
        if PANEL.result is not None:
            _show_result(words, PANEL.result, palms.request.seed)


def _choose_palm(words: Words, name: str, numbers: list[int], place: int) -> int:
    """The palm that the visitor chose, at first that at this place of the set."""
    key, number = held.widget(name, options=numbers)
    index = numbers.index(number) if number in numbers else place
    return st.selectbox(words(name), numbers, index=index, key=key, filter_mode=None, width=155)


def _submit(palms: PalmSet, model: PalmModel, start: int, end: int) -> None:
    request = palms.request
    PANEL.submit(interpolation_job(model, request.seed, start, end, request.truncation, request.labels))


def _show_result(words: Words, interpolation: Interpolation, seed: int) -> None:
    start, end = interpolation.start, interpolation.end
    show_thumbnails(interpolation.thumbnails)
    show_animation(interpolation.animation, words("interpolation_alt", start=start, end=end))
    with st.container(horizontal=True):
        for label, content, ending, media_type in (
            ("interpolation_download", interpolation.animation, "webp", "image/webp"),
            ("interpolation_video", interpolation.video, "mp4", "video/mp4"),
        ):
            name = f"morph-{seed}-{start}-{end}.{ending}"
            st.download_button(words(label), content, name, media_type, on_click="ignore")
