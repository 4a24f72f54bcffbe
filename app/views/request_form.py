"""The form that requests a set, filled in from the link."""

from __future__ import annotations

import uuid
from functools import partial

import streamlit as st

from app.i18n.words import Words, escape_markdown
from app.ui import held
from app.ui.enter_key import click_on_enter
from app.ui.hand_labels import label_text
from app.ui.invalid_field import mark_invalid
from app.views import address, generation, model_choice
from app.work.links import Link, View, is_same_place, read_view
from app.work.request_form import MAX_COUNT, MIN_TRUNCATION, FormError, parse_request
from palm_assets.gan.hand_labels import ANY, ANY_HAND, LABELS, HandLabels
from palm_assets.generation.png_metadata import PngMetadata

TRUNCATIONS = {step / 20 for step in range(2, 21)}
DEFAULT_COUNT = "24"
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
    _fill_in(DEFAULT_COUNT, "", 1.0, "", ANY_HAND)
    for name in ("more", "origin_check", "smooth"):
        held.put(name, False)
    state.visitor = uuid.uuid4().hex  # last, so that a run that is interrupted before is repeated


def follow(link: Link, words: Words) -> None:
    """Show what a link names that the visitor has just come to, unless it is shown already."""
    here = generation.shown_parameters(words.language)
    there = {**address.with_version(link.parameters), "lang": words.language}
    model_choice.choose(link.model)
    state.pending_request = None  # of an address that was left before it was shown
    is_here = is_same_place(there, here, {"model": model_choice.default_version()})
    if is_here and state.unshown_link is None:
        return
    state.view = read_view(link)
    state.form_error = None
    seed = "" if link.seed in state.drawn_seeds else link.seed  # the next set gets a new one again
    _fill_in(link.count or DEFAULT_COUNT, seed, 1.0, link.min_score, link.labels)
    try:
        request = parse_request(link.count or "1", link.seed, link.truncation, link.min_score, link.labels)
    except FormError as error:
        generation.clear()
        state.form_error = error
        state.unshown_link = link
        if error.field in ("truncation", "min_score"):  # where nobody has typed yet
            held.put("more", True)
        return
    _fill_in_truncation(request.truncation)
    if not link.is_complete:
        generation.clear()
    if not link.is_empty:
        state.unshown_link = link
    if link.is_complete:
        state.pending_request = request


def fill_in_pending() -> None:
    """Fill the form with the palm of a PNG that is to be generated again, and show it large."""
    metadata: PngMetadata | None = state.get("pending_png")
    if metadata is None:
        return
    request = metadata.request
    truncation = max(request.truncation, MIN_TRUNCATION)
    _fill_in(str(request.count), str(request.seed), truncation, "", metadata.labels)
    if model_choice.is_available(metadata.model):
        model_choice.choose(metadata.model)
    state.view = View(palm=1, like=metadata.steps or None)
    state.form_error = None
    state.pending_request = request
    state.pending_png = None  # last, so that a run that is interrupted before is repeated


def show(words: Words) -> None:
    """Show the form, with the problem of a field beside it."""
    error: FormError | None = state.form_error
    with st.container(key="request"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            _show_text(words, "count", explanation=words("count_help", max=MAX_COUNT), width=155)
            _show_text(
                words,
                "seed",
                explanation=words("seed_help"),
                placeholder=words("seed_placeholder"),
                width=155,
            )
            _show_labels(words)
            st.button(words("generate"), type="primary", key="generate", on_click=generation.request_form_set)
        if error is not None:
            _show_error(words, error)
        with (
            held.section(words("more"), "more", words.language),
            st.container(horizontal=True, gap="large"),
        ):
            _show_truncation(words)
            _show_text(
                words,
                "min_score",
                explanation=words("min_score_help"),
                placeholder=words("min_score_placeholder"),
                width=220,
            )
    click_on_enter("request", "generate")
    mark_invalid("" if error is None else words(error.field), ERROR_KEY)


def _fill_in(count: str, seed: str, truncation: float, min_score: str, labels: HandLabels) -> None:
    for name, value in {"count": count, "seed": seed, "min_score": min_score, **dict(labels.items())}.items():
        held.put(name, value)
    _fill_in_truncation(truncation)


def _fill_in_truncation(truncation: float) -> None:
    state.linked_truncation = truncation
    held.put("truncation", truncation)


def _show_text(
    words: Words, name: str, *, explanation: str, width: int, placeholder: str | None = None
) -> None:
    key, text = held.widget(name)
    st.text_input(
        words(name),
        text,
        key=key,
        help=explanation,
        placeholder=placeholder,
        max_chars=40,
        width=width,
        on_change="ignore",  # until the button is clicked, or the page is rerun for another reason
    )


def _show_truncation(words: Words) -> None:
    steps = {words.decimal(step): step for step in (*TRUNCATIONS, state.linked_truncation)}
    options = sorted(steps.values())  # a link or a PNG may have one in between
    key, truncation = held.widget("truncation", words.language, options)
    st.select_slider(
        words("truncation"),
        options,
        truncation if truncation in options else state.linked_truncation,
        key=key,
        format_func=words.decimal,  # a plain slider has decimal points in every language
        help=words("truncation_help"),
        width=320,
        on_change="ignore",
    )


def _show_labels(words: Words) -> None:
    """What the hands are to show, as far as the model can be asked for it."""
    for name in model_choice.labels():
        values: list[str] = [ANY, *LABELS[name]]
        key, value = held.widget(name, words.language, values)
        st.selectbox(
            words(name),
            values,
            index=values.index(value),
            format_func=partial(label_text, words, name),
            key=key,
            filter_mode=None,
            width=160 if name == "aspect" else 130,  # for the longest Russian text
            on_change="ignore",
        )


def _show_error(words: Words, error: FormError) -> None:
    typed = escape_markdown(error.values.get("typed", ""))
    with st.container(key=ERROR_KEY):
        st.error(words(error.key, **{**error.values, "typed": typed}))
