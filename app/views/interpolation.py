"""A walk between two palms of the set, on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.jobs import Job, TooBusyError
from app.look import moving, strip
from app.progress import tell_progress
from app.sets import PalmSet
from app.shared import busy, queue
from app.texts import Words
from app.walk import Walk, walking
from palm_assets.release.serving import Served

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

POLL_SECONDS = 0.4
state = st.session_state


def forget() -> None:
    """For another set: the last one's walk."""
    state.walk = state.walk_job = state.walk_trouble = None


def explore(words: Words, palms: PalmSet, served: Served) -> None:
    """Choose two palms and see what lies between them; only with the model that drew them."""
    model = served.model
    if len(palms.entries) < 2 or model is None or model.version != palms.model_version:
        return
    begun = (state.walk or state.walk_job or state.walk_trouble) is not None
    with st.expander(words("walk"), expanded=begun):
        st.write(words("walk_what"))
        numbers = [entry.number for entry in palms.entries]
        with st.container(horizontal=True, vertical_alignment="bottom"):
            start = st.selectbox(words("walk_from"), numbers, index=0, filter_mode=None, width=155)
            end = st.selectbox(words("walk_to"), numbers, index=1, filter_mode=None, width=155)
            ends = (palms, model, start - 1, end - 1)
            st.button(words("walk_go"), disabled=busy(), on_click=set_off, args=ends)
        if state.walk_job is not None:
            follow(words)
            return
        if state.walk_trouble is not None:
            st.error(words(state.walk_trouble))
        if state.walk is not None:
            show_walk(words, state.walk)


def set_off(palms: PalmSet, model: PalmModel, start: int, end: int) -> None:
    """Send the walk to the worker."""
    work = walking(model, palms.request.seed, start, end, palms.request.truncation)
    state.walk_trouble = None
    try:
        state.walk, state.walk_job = None, queue().submit(state.visitor, work)
    except TooBusyError:
        state.walk_trouble = "too_busy"


@st.fragment(run_every=POLL_SECONDS)
def follow(words: Words) -> None:
    """Wait for the walk."""
    job: Job[Walk] | None = state.walk_job
    if job is None:
        return
    job.look()
    if job.over:
        state.walk, state.walk_job = job.result, None
        if job.state == "failed":
            state.walk_trouble = "failed"
        st.rerun(scope="app")
    tell_progress(words, job, last="walk_last")


def show_walk(words: Words, walk: Walk) -> None:
    """The strip, the animation, and its download."""
    strip(walk.strip)
    moving(walk.animation, words("walk_alt", start=walk.start, end=walk.end))
    name = f"walk-{walk.start}-{walk.end}.webp"
    st.download_button(words("walk_download"), walk.animation, name, "image/webp", on_click="ignore")
