"""The generation of a set: submitted to the queue, and shown while it runs."""

from __future__ import annotations

import logging

import streamlit as st

from app.i18n.words import Words
from app.ui.images import show_thumbnails
from app.ui.job_panel import JobPanel
from app.views import comparison, interpolation, variations
from app.work.generation import Preview, generation_job
from app.work.links import link_parameters
from app.work.palm_sets import PalmSet
from app.work.request_form import FormError, parse_request
from app.work.resources import set_cache
from palm_assets.release.serving import Served

log = logging.getLogger(__name__)

PANEL: JobPanel[PalmSet] = JobPanel("generation", stopped_text="generation_stopped_empty", can_stop=True)
state = st.session_state


def clear() -> None:
    """Forget the set, and what was computed from it."""
    PANEL.clear()
    state.preview = Preview()
    _clear_results()


def submit(words: Words, served: Served) -> None:
    """Put the request in the form into the queue; a problem with it stays visible until the next request."""
    state.form_error = None
    PANEL.set_message(None)
    try:
        request = parse_request(state.count, state.seed, f"{state.truncation:g}", state.min_score)
    except FormError as error:
        state.form_error = error
        return
    if served.model is None:
        state.submit_pending = True  # it is submitted as soon as there is a model
        return
    preview = Preview()
    if not PANEL.submit(generation_job(served.model, request, set_cache(), preview)):
        return
    state.preview, state.page = preview, 1
    _clear_results()
    st.query_params.from_dict(link_parameters(request, words.language))
    fields = {"count": request.count, "seed": request.seed, "truncation": request.truncation}
    context = {"visitor": state.visitor[:8], "model": served.model.version, "language": words.language}
    log.info("requested", extra={**fields, "min_score": request.min_score, **context})


def show_progress(words: Words) -> None:
    """The progress of the set, and its latest palms."""
    PANEL.show_progress(words, below=lambda: show_thumbnails(state.preview.pngs))


def _clear_results() -> None:
    for feature in (comparison, interpolation, variations):
        feature.clear()
