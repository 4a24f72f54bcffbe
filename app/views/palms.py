"""The main page: ask for palms, watch them being drawn, look at them, keep them."""

from __future__ import annotations

import logging
import uuid

import streamlit as st

from app import comparing, exploring, resembling
from app.asking import LEAST_TRUNCATION, MOST, AskingError, link_parameters, read_link, read_request
from app.jobs import Job, TooBusyError
from app.look import strip
from app.progress import tell_progress
from app.recognising import recognize
from app.seeing import see
from app.sets import PalmSet, Preview, making
from app.shared import JOBS, queue, shelf, watcher
from app.texts import Words, harmless
from palm_assets.errors import ArtifactMissingError
from palm_assets.generation.generate import Request
from palm_assets.release.serving import Served

log = logging.getLogger(__name__)

POLL_SECONDS = 0.4
VARIETIES = {step / 20 for step in range(2, 21)}
WATCH_SECONDS = 2
state = st.session_state


def show(words: Words) -> None:
    """The page, top to bottom."""
    st.html(f'<p class="palm-lead">{words("lead")}</p>')
    notes = st.container()
    remember_visit()
    asked = ask(words)
    with st.spinner(words("loading"), show_time=False):
        served = watcher().served()
    with notes:
        tell_about_model(words, served)
        follow_releases(served)
    if asked or state.pop("link_waits", False):
        start(words, served)
    if state.error is not None:
        typed = harmless(state.error.values.get("typed", ""))
        st.error(words(state.error.key, **{**state.error.values, "typed": typed}))
    if state.job is not None:
        watch(words)
    elif state.palms is not None:
        see(words, state.palms, served)
        resembling.show_likeness(words, state.palms, served)
        exploring.explore(words, state.palms, served)
    elif served.model is not None and state.error is None:
        st.html(f'<div class="palm-empty"><strong>{words("empty_title")}</strong>{words("empty")}</div>')
    recognize(words, served)


def remember_visit() -> None:
    """What a visitor's session holds, filled in from the link at first."""
    if "visitor" not in state:
        link = read_link(st.query_params)
        state.visitor = uuid.uuid4().hex
        state.job = state.palms = state.error = None
        forget_the_set()
        state.preview = Preview()
        state.sorting = "number"
        state.count, state.seed = link.count or "24", link.seed
        state.truncation = state.own_variety = 1.0
        state.min_score = link.min_score
        try:
            request = read_request(link.count or "1", link.seed, link.truncation, link.min_score)
            state.truncation = state.own_variety = request.truncation
            state.link_waits = link.is_complete
        except AskingError as error:
            state.error = error
    again: Request | None = state.pop("again", None)
    if again is not None:
        state.count, state.seed, state.min_score = str(again.count), str(again.seed), ""
        state.truncation = state.own_variety = max(again.truncation, LEAST_TRUNCATION)
        state.link_waits = True


def ask(words: Words) -> bool:
    """The form; whether it was just sent."""
    with st.form("ask", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input(
                words("count"), key="count", help=words("count_help", most=MOST), max_chars=40, width=155
            )
            st.text_input(
                words("seed"),
                key="seed",
                help=words("seed_help"),
                placeholder=words("seed_placeholder"),
                max_chars=40,
                width=155,
            )
            sent = st.form_submit_button(words("make"), type="primary")
        with st.expander(words("more")), st.container(horizontal=True, gap="large"):
            st.select_slider(
                words("truncation"),
                sorted({*VARIETIES, state.own_variety}),  # a link or PNG may name one in between
                key="truncation",
                format_func=words.decimal,  # a plain slider knows the decimal point only
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
    return sent


def tell_about_model(words: Words, served: Served) -> None:
    """In words, if there is no model of this place's own, or if the newest cannot be used."""
    if served.is_starter:
        st.info(words("starter"))
    if served.problem is None:
        return
    if served.is_starter:
        st.warning(words("broken_model_starter"))
    elif served.model is not None:
        st.warning(words("broken_new_model"))
    elif isinstance(served.problem, ArtifactMissingError):
        st.info(words("no_model"))
    else:
        st.error(words("broken_model"))


@st.fragment(run_every=WATCH_SECONDS)
def follow_releases(shown: Served) -> None:
    """Draw the page anew when another model is released, or trouble comes or goes."""
    now = watcher().served()
    for name in JOBS:  # the other page is a place to wait, too
        if state.get(name) is not None:
            state[name].look()
    if (now.model is not shown.model) or (now.problem is None) != (shown.problem is None):
        st.rerun(scope="app")


def forget_the_set() -> None:
    """For another one: what was made of the last."""
    for part in (comparing, exploring, resembling):
        part.forget()


def start(words: Words, served: Served) -> None:
    """Send what the visitor asks for to the worker; an error is remembered until the next time."""
    state.error = None
    try:
        request = read_request(state.count, state.seed, f"{state.truncation:g}", state.min_score)
    except AskingError as error:
        state.error = error
        return
    if served.model is None:
        state.link_waits = True  # it is made as soon as there is a model
        return
    preview = Preview()
    try:
        job = queue().submit(state.visitor, making(served.model, request, shelf(), preview))
    except TooBusyError:
        state.error = AskingError("too_busy")
        return
    state.job, state.preview, state.palms, state.page = job, preview, None, 1
    forget_the_set()
    st.query_params.from_dict(link_parameters(request, words.language))
    asked = {"count": request.count, "seed": request.seed, "truncation": request.truncation}
    who = {"visitor": state.visitor[:8], "model": served.model.version, "language": words.language}
    log.info("asked", extra={**asked, "min_score": request.min_score, **who})


@st.fragment(run_every=POLL_SECONDS)
def watch(words: Words) -> None:
    """How far the job is, with a way to stop it."""
    job: Job[PalmSet] = state.job
    if job is None:
        return
    job.look()
    if job.over:
        state.job, state.palms = None, job.result
        if job.state == "failed":
            state.error = AskingError("failed")
        elif job.result is None:
            state.error = AskingError("was_cancelled_empty")
        st.rerun(scope="app")
    tell_progress(words, job)
    strip(state.preview.pngs)
    if st.button(words("cancel"), disabled=job.cancelled):
        queue().cancel(job)
        st.rerun(scope="fragment")
