"""The main page: request palms, watch them being generated, look at them, keep them."""

from __future__ import annotations

import streamlit as st

from app.i18n.words import Words
from app.views import address, generation, interpolation, large, model_choice, png_origin, request_form
from app.views.gallery import show_examples, show_set
from app.views.model_status import follow_releases, show_model_status
from app.work.palm_sets import PalmSet
from app.work.resources import example_sets, model_watcher
from palm_assets.gan.hand_labels import subject_of
from palm_assets.release.serving import Served

state = st.session_state


def show(words: Words) -> None:
    """The page, top to bottom."""
    request_form.initialize_session()
    request_form.fill_in_pending()
    link = address.arrived_at("")
    if link is not None:
        request_form.follow(link, words)
        address.followed("")
    subject = subject_of(model_choice.labels())
    lead = st.container(key="lead")
    request_form.show(words.about(subject))
    status = st.container()
    with st.spinner(words("loading"), show_time=False):
        served = model_choice.served_to_visitor()
    with lead, st.container(horizontal=True, vertical_alignment="bottom"):
        text = words.about(subject)(f"lead_{served.origin}")
        st.html(f'<p class="palm-lead">{text}</p>', width="stretch")
        model_choice.show_choice(words, served, generation.redraw)
    with status:
        show_model_status(words, served)
        model_choice.show_missing(words)
        follow_releases(served, model_watcher().choices())
    generation.submit_pending(words, served)
    generation.PANEL.show_message(words)
    palms = _shown_set(words, served)
    png_origin.show(words)
    state.shown = generation.address_parameters(words.language)
    address.write("", state.shown, model=model_choice.default_version())
    if palms is not None:
        large.show(words.about(palms.subject), palms, served)


def _shown_set(words: Words, served: Served) -> PalmSet | None:
    """Show the progress, the set or the examples; return the set whose palms can be shown large."""
    palms = generation.PANEL.result
    if generation.PANEL.job is not None:
        generation.show_progress(words)
        return None
    if palms is not None:
        generation.remember(palms)
        about_set = words.about(palms.subject)
        show_set(about_set, palms, served)
        interpolation.show(about_set, palms, served)
        return palms
    if served.model is None:
        return None
    with st.spinner(words("loading"), show_time=False):
        examples = example_sets().of(served.model)
    show_examples(words.about(examples.subject), examples, served)
    return examples
