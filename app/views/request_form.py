"""The form that requests a set, filled in from the link."""

from __future__ import annotations

import uuid
from functools import partial

import streamlit as st

from app.i18n.words import Words, escape_markdown
from app.ui.invalid_field import mark_invalid
from app.views import generation, model_choice
from app.work.links import Link, View, is_same_place, read_view
from app.work.request_form import MAX_COUNT, MIN_TRUNCATION, FormError, parse_request
from palm_assets.gan.hand_labels import ANY, ANY_HAND, LABELS, HandLabels
from palm_assets.generation.png_metadata import PngMetadata

TRUNCATIONS = {step / 20 for step in range(2, 21)}
ERROR_KEY = "request_error"
state = st.session_state


def initialize_session() -> None:
    """Begin the session of a new visitor."""
    if "visitor" in state:
        return
    state.form_error = None
    state.drawn_seeds = set()
    state.recent = []
    generation.clear()
    state.count, state.seed, state.min_score = "24", "", ""
    state.truncation = state.linked_truncation = 1.0
    state.more_expanded = False
    _set_labels(ANY_HAND)
    state.visitor = uuid.uuid4().hex  # last, so that a run that is interrupted before is repeated


def follow(link: Link, words: Words) -> None:
    """Show what a link names that the visitor has just come to, unless it is shown already."""
    here = generation.shown_parameters(words.language)
    there = {**link.parameters, "lang": words.language}
    model_choice.choose(link.model)
    state.pending_request = None  # of an address that was left before it was shown
    if is_same_place(there, here, {"model": model_choice.default_version()}):
        return
    state.view = read_view(link)
    state.form_error = None
    if link.is_empty:
        generation.clear()
        return
    state.count = link.count or "24"
    state.seed = "" if link.seed in state.drawn_seeds else link.seed  # the next set gets a new one again
    state.min_score = link.min_score
    state.truncation = state.linked_truncation = 1.0
    _set_labels(link.labels)
    try:
        request = parse_request(link.count or "1", link.seed, link.truncation, link.min_score, link.labels)
    except FormError as error:
        state.form_error = error
        state.more_expanded = error.field in ("truncation", "min_score")  # where nobody has typed yet
        return
    state.truncation = state.linked_truncation = request.truncation
    if link.is_complete:
        state.pending_request = request


def fill_in_pending() -> None:
    """Fill the form with the palm of a PNG that is to be generated again, and show it large."""
    metadata: PngMetadata | None = state.get("pending_png")
    if metadata is None:
        return
    request = metadata.request
    state.count, state.seed, state.min_score = str(request.count), str(request.seed), ""
    state.truncation = state.linked_truncation = max(request.truncation, MIN_TRUNCATION)
    _set_labels(metadata.labels)
    if model_choice.is_available(metadata.model):
        model_choice.choose(metadata.model)
    state.view = View(palm=1, like=metadata.steps or None)
    state.form_error = None
    state.pending_request = request
    state.pending_png = None  # last, so that a run that is interrupted before is repeated


def show(words: Words) -> None:
    """Show the form, with the problem of a field beside it."""
    error: FormError | None = state.form_error
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
            _show_labels(words)
            st.form_submit_button(words("generate"), type="primary", on_click=generation.request_form_set)
        if error is not None:
            _show_error(words, error)
        with (
            st.expander(words("more"), expanded=state.more_expanded),
            st.container(horizontal=True, gap="large"),
        ):
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
    mark_invalid("" if error is None else words(error.field), ERROR_KEY)


def _set_labels(labels: HandLabels) -> None:
    for name, value in labels.items():
        state[name] = value


def _show_labels(words: Words) -> None:
    """What the hands are to show, as far as the model can be asked for it."""
    for name in model_choice.labels():
        values: list[str] = [ANY, *LABELS[name]]
        st.selectbox(
            words(name),
            values,
            format_func=partial(_label_text, words, name),
            key=name,
            filter_mode=None,
            width=130,
        )


def _label_text(words: Words, name: str, value: str) -> str:
    return words(f"{name}_{value}")


def _show_error(words: Words, error: FormError) -> None:
    typed = escape_markdown(error.values.get("typed", ""))
    with st.container(key=ERROR_KEY):
        st.error(words(error.key, **{**error.values, "typed": typed}))
