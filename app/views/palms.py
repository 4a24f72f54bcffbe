"""The main page: request palms, watch them being generated, look at them, keep them."""

from __future__ import annotations

import streamlit as st

from app.i18n.words import Words, escape_markdown
from app.views import generation, interpolation, png_origin, request_form, variations
from app.views.gallery import show_set
from app.views.model_status import follow_releases, show_model_status
from app.work.resources import model_watcher

state = st.session_state


def show(words: Words) -> None:
    """The page, top to bottom."""
    st.html(f'<p class="palm-lead">{words("lead")}</p>')
    status = st.container()
    request_form.initialize_session()
    submitted = request_form.show(words)
    with st.spinner(words("loading"), show_time=False):
        served = model_watcher().served()
    with status:
        show_model_status(words, served)
        follow_releases(served)
    if submitted or state.pop("submit_pending", False):
        generation.submit(words, served)
    if state.form_error is not None:
        typed = escape_markdown(state.form_error.values.get("typed", ""))
        st.error(words(state.form_error.key, **{**state.form_error.values, "typed": typed}))
    generation.PANEL.show_message(words)
    palms = generation.PANEL.result
    has_error = (state.form_error or generation.PANEL.message) is not None
    if generation.PANEL.job is not None:
        generation.show_progress(words)
    elif palms is not None:
        show_set(words, palms, served)
        variations.show(words, palms, served)
        interpolation.show(words, palms, served)
    elif served.model is not None and not has_error:
        st.html(f'<div class="palm-empty"><strong>{words("empty_title")}</strong>{words("empty")}</div>')
    png_origin.show(words, served)
