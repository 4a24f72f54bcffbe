"""Variations of a palm, in its dialog: choose one, and go on from there, or back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.i18n.words import Words
from app.ui.focus import focus_on
from app.ui.gallery import Card, gallery
from app.ui.images import show_large
from app.ui.job_panel import JobPanel, is_busy
from app.ui.score import score_word, show_score
from app.work.palm_files import file_name
from app.work.palm_sets import Entry, PalmSet
from app.work.score import band
from app.work.variations import Original, Variations, variations_job
from palm_assets.generation.config import MAX_VARIATION_STEPS

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

PANEL: JobPanel[Variations] = JobPanel("variations", keeps_result=True)
CARD_WIDTH = 100
state = st.session_state


def clear() -> None:
    """Forget the variations."""
    PANEL.clear()


def open_variations(steps: tuple[int, ...] | None) -> None:
    """Show the variations that these steps lead to; None shows the palm itself again."""
    PANEL.set_message(None)
    state.view = replace(state.view, like=steps)


def show(words: Words, palms: PalmSet, entry: Entry, model: PalmModel, steps: tuple[int, ...]) -> None:
    """The palm that the steps lead to, and its variations; generated first, if they are not there yet."""
    request = palms.request
    original = Original(entry.number, request.seed + entry.index, request.truncation, request.labels)
    variations = PANEL.result
    are_there = variations is not None and (variations.original, variations.steps) == (original, steps)
    if not are_there and PANEL.message is None and not is_busy():
        PANEL.submit(variations_job(model, original, steps))
    with st.container(key="variations"):
        title = words("variations_title", n=entry.number)
        st.markdown(f"**{title}**  \n" + words("variations_help"))
    PANEL.show_progress(words)
    PANEL.show_message(words)
    if variations is None or variations.original != original:
        st.button(words("variations_close"), on_click=open_variations, args=(None,))
        return
    current, around = st.columns([2, 3], gap="medium")
    with current, st.container(key="variation_current"):
        _show_current(words, palms, variations)
    with around:
        _show_around(words, palms, model, variations)
    if are_there:
        focus_on("variations", f"{original} {steps}")


def _show_current(words: Words, palms: PalmSet, variations: Variations) -> None:
    original, steps, current = variations.original, variations.steps, variations.current
    score = words.decimal(current.score)
    show_large(current.png, words("variations_current", n=original.number, steps=len(steps), score=score))
    show_score(words, current.score, calibrated=palms.calibrated)
    path = " → ".join([words("card", n=original.number), *map(str, steps)])
    st.markdown(f"{words('variations_path')}: **{path}**")
    with st.container(horizontal=True):
        st.download_button(
            words("download_png"),
            current.png,
            file_name(current.png, original.seed, *steps),
            "image/png",
            on_click="ignore",
            key="variation_png",
        )
        st.button(
            words("variations_back" if steps else "variations_close"),
            on_click=open_variations,
            args=(steps[:-1] if steps else None,),
            disabled=is_busy(),
            key="variations_back",
        )


def _show_around(words: Words, palms: PalmSet, model: PalmModel, variations: Variations) -> None:
    cards = []
    for number, variation in enumerate(variations.around, 1):
        score = words.decimal(variation.score)
        word = score_word(words, variation.score, calibrated=palms.calibrated)
        alt, action = (words(key, n=number, score=score) for key in ("variation_alt", "variation_open"))
        color = band(variation.score) if word else ""
        cards.append(Card(number, str(number), score, alt, action, variation.png, band=color))

    def choose(number: int) -> None:
        if not is_busy() and len(variations.steps) < MAX_VARIATION_STEPS:
            open_variations((*variations.steps, number))

    size = model.image_size
    gallery(cards, key="variations_gallery", image_size=size, card_width=CARD_WIDTH, on_open=choose)
