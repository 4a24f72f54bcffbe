"""Variations of a palm: choose one, and go on from there, or back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.i18n.words import Words
from app.ui.gallery import Card, gallery
from app.ui.images import show_large
from app.ui.job_panel import JobPanel, is_busy
from app.work.palm_sets import PalmSet
from app.work.variations import Original, Variations, variations_job
from palm_assets.generation.config import MAX_VARIATION_STEPS
from palm_assets.release.serving import Served

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

PANEL: JobPanel[Variations] = JobPanel("variations", keeps_result=True)
CARD_WIDTH = 100
state = st.session_state


def clear() -> None:
    """Forget the variations."""
    PANEL.clear()


def submit(model: PalmModel, original: Original, steps: tuple[int, ...]) -> None:
    """Request the variations of the palm that these steps lead to."""
    PANEL.submit(variations_job(model, original, steps))


def show(words: Words, palms: PalmSet, served: Served) -> None:
    """Show the latest variations of a palm of this set; only with the model that generated it."""
    model = served.model
    if model is None or model.version != palms.model_version:
        return
    if (steps := state.pop("pending_steps", ())) and len(palms.entries) == 1:
        submit(model, Original(1, palms.request.seed, palms.request.truncation), steps)
    PANEL.show_progress(words)
    PANEL.show_message(words)
    variations = PANEL.result
    if variations is None:
        return
    with st.container(border=True, key="variations"):
        st.subheader(words("variations_title", n=variations.original.number), anchor=False)
        st.caption(words("variations_help"))
        current, around = st.columns([2, 5], gap="medium")
        with current:
            _show_current(words, model, variations)
        with around:
            _show_around(words, model, variations)


def _show_current(words: Words, model: PalmModel, variations: Variations) -> None:
    original, steps, current = variations.original, variations.steps, variations.current
    score = words.decimal(current.score)
    show_large(current.png, words("variations_current", n=original.number, steps=len(steps), score=score))
    path = " → ".join([words("card", n=original.number), *map(str, steps)])
    st.markdown(f"{words('variations_path')}: **{path}**  \n{words('score')}: **{score}**")
    file_name = "-".join(["palm", str(original.seed), *map(str, steps)]) + ".png"
    with st.container(horizontal=True):
        st.download_button(
            words("download_png"),
            current.png,
            file_name,
            "image/png",
            on_click="ignore",
            key="variation_png",
        )
        if steps:
            st.button(
                words("variations_back"),
                on_click=submit,
                args=(model, original, steps[:-1]),
                disabled=is_busy(),
                key="variations_back",
            )


def _show_around(words: Words, model: PalmModel, variations: Variations) -> None:
    cards = []
    for number, variation in enumerate(variations.around, 1):
        score = words.decimal(variation.score)
        alt, action = (words(key, n=number, score=score) for key in ("variation_alt", "variation_open"))
        cards.append(Card(number, str(number), score, alt, action, variation.png))
    chosen = gallery(cards, key="variations_gallery", image_size=model.image_size, card_width=CARD_WIDTH)
    if chosen is not None and not is_busy() and len(variations.steps) < MAX_VARIATION_STEPS:
        submit(model, variations.original, (*variations.steps, chosen))
        st.rerun()
