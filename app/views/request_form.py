"""The form that requests a set, filled in from the link at first."""

from __future__ import annotations

import uuid

import streamlit as st

from app.i18n.words import Words
from app.views import generation
from app.work.links import read_link
from app.work.request_form import MAX_COUNT, MIN_TRUNCATION, FormError, parse_request
from palm_assets.generation.generate import GenerationRequest

TRUNCATIONS = {step / 20 for step in range(2, 21)}
state = st.session_state


def initialize_session() -> None:
    """Fill a new visitor's session from the link; fill the form with a set that is to be generated again."""
    if "visitor" not in state:
        _start_session()
    request: GenerationRequest | None = state.pop("pending_request", None)
    if request is not None:
        state.count, state.seed, state.min_score = str(request.count), str(request.seed), ""
        state.truncation = state.linked_truncation = max(request.truncation, MIN_TRUNCATION)
        state.submit_pending = True


def _start_session() -> None:
    link = read_link(st.query_params)
    state.visitor = uuid.uuid4().hex
    state.form_error = None
    generation.clear()
    state.order = "number"
    state.count, state.seed = link.count or "24", link.seed
    state.truncation = state.linked_truncation = 1.0
    state.min_score = link.min_score
    try:
        request = parse_request(link.count or "1", link.seed, link.truncation, link.min_score)
        state.truncation = state.linked_truncation = request.truncation
        state.submit_pending = link.is_complete
    except FormError as error:
        state.form_error = error


def show(words: Words) -> bool:
    """Show the form; return whether it was just submitted."""
    with st.form("request", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input(
                words("count"), key="count", help=words("count_help", max=MAX_COUNT), max_chars=40, width=155
            )
            st.text_input(
                words("seed"),
                key="seed",
                help=words("seed_help"),
                placeholder=words("seed_placeholder"),
                max_chars=40,
                width=155,
            )
            submitted = st.form_submit_button(words("generate"), type="primary")
        with st.expander(words("more")), st.container(horizontal=True, gap="large"):
            st.select_slider(
                words("truncation"),
                sorted({*TRUNCATIONS, state.linked_truncation}),  # a link or PNG may have one in between
                key="truncation",
                format_func=words.decimal,  # a plain slider has decimal points in every language
                help=words("truncation_help"),
                width=320,
            )
            st.text_input(
                words("min_score"),
                key="min_score",
                help=words("min_score_help"),
                placeholder=words("min_score_placeholder"),
                max_chars=40,
                width=220,
            )
    return submitted
