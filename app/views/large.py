"""One palm of a set in a dialog: itself or its variations, with the palms before and after it."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.i18n.words import Words
from app.ui.gallery import Focus
from app.views import address, generation, model_choice, variations
from app.views.palm import show_palm
from app.work.gallery import PAGE_SIZE, sort_entries
from app.work.links import View
from app.work.palm_sets import Entry, PalmSet
from app.work.set_files import EvictedError
from palm_assets.release.serving import Served

state = st.session_state


def open_palm(number: int) -> None:
    """Show a palm large."""
    state.unshown_link = None
    state.view = replace(state.view, palm=number, like=None)


def show(words: Words, palms: PalmSet, served: Served) -> None:
    """The dialog, if a palm is to be shown large."""
    if state.view.palm is None:
        return
    if not palms.available or _place(palms, state.view) is None:
        state.view = replace(state.view, palm=None, like=None)
        return
    dialog = st.dialog(words("large_title"), width="medium", on_dismiss=_close)
    dialog(_show)(words, palms, served)


def focus_after_dialog() -> Focus | None:
    """The card that gets the focus: that of the palm that was shown large last."""
    return state.get("focus_card")


def settle(palms: PalmSet) -> None:
    """Before the gallery is shown: turn to the page of the large palm, or give the focus back to its card."""
    place = _place(palms, state.view)
    if place is not None:
        state.view = replace(state.view, page=1 + place // PAGE_SIZE)
    elif state.view.palm is None:
        _return_focus()


def _return_focus() -> None:
    """Give the keyboard focus to the card of the palm that was shown large until now."""
    previous: Focus | None = state.get("focus_card")
    number: int | None = state.get("large_shown")
    if number is not None:
        state.focus_card = Focus(number - 1, 1 + (previous.token if previous else 0))
        state.large_shown = None


def _close() -> None:
    state.view = replace(state.view, palm=None, like=None)


def _show(words: Words, palms: PalmSet, served: Served) -> None:
    view: View = state.view
    place = _place(palms, view)
    if place is None or not palms.available:
        st.info(words("set_evicted"))
        return
    state.large_shown = view.palm
    address.write("", generation.address_parameters(words.language), model=model_choice.default_version())
    entries = sort_entries(palms.entries, view.order)
    entry = entries[place]
    _show_neighbors(words, palms, place, entry)
    model = served.model if served.model and served.model.version == palms.model_version else None
    if view.like is not None and model is not None:
        variations.show(words, palms, entry, model, view.like)
        return
    try:
        show_palm(words, palms, entry, served)
    except EvictedError:  # just now, by another visitor's set
        st.info(words("set_evicted"))


def _show_neighbors(words: Words, palms: PalmSet, place: int, entry: Entry) -> None:
    """Name of the palm, and the buttons to the previous and the next one."""
    last = len(palms.entries) - 1

    def go(to: int) -> None:
        neighbor = sort_entries(palms.entries, state.view.order)[to]
        page = 1 + to // PAGE_SIZE
        state.view = replace(state.view, palm=neighbor.number, page=page, like=None)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            words("previous"), key="large_previous", on_click=go, args=(place - 1,), disabled=place == 0
        )
        st.button(words("next"), key="large_next", on_click=go, args=(place + 1,), disabled=place == last)
        title = words("palm_title", n=entry.number, total=last + 1)
        st.subheader(title, anchor=False, width="content")


def _place(palms: PalmSet, view: View) -> int | None:
    """Place of the palm that is shown large among those of its set, in their order."""
    entries = sort_entries(palms.entries, view.order)
    return next((place for place, entry in enumerate(entries) if entry.number == view.palm), None)
