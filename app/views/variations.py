"""Palms like one of the set, on the page: look around it, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.jobs import Job, TooBusyError
from app.likeness import MOST_STEPS, Likeness, Start, resembling
from app.look import Card, gallery, large
from app.progress import tell_progress
from app.sets import PalmSet
from app.shared import busy, queue
from app.texts import Words
from palm_assets.release.serving import Served

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel

POLL_SECONDS = 0.4
state = st.session_state


def forget() -> None:
    """For another set: what was like a palm of the last one."""
    state.likeness = state.like_job = state.like_trouble = None


def look_around(model: PalmModel, start: Start, steps: tuple[int, ...]) -> None:
    """Send the wish to the worker."""
    state.like_trouble = None
    try:
        state.like_job = queue().submit(state.visitor, resembling(model, start, steps))
    except TooBusyError:
        state.like_trouble = "too_busy"


def show_likeness(words: Words, palms: PalmSet, served: Served) -> None:
    """What was looked at last, if that is still this set's; only with the model that drew it."""
    model = served.model
    if model is None or model.version != palms.model_version:
        return
    if (steps := state.pop("steps_wait", ())) and len(palms.entries) == 1:
        look_around(model, Start(1, palms.request.seed, palms.request.truncation), steps)
    if state.like_job is not None:
        wait(words)
    if state.like_trouble is not None:
        st.error(words(state.like_trouble))
    likeness: Likeness | None = state.likeness
    if likeness is None:
        return
    with st.container(border=True, key="likeness"):
        st.subheader(words("like_title", n=likeness.start.number), anchor=False)
        st.caption(words("like_what"))
        here, around = st.columns([2, 5], gap="medium")
        with here:
            show_here(words, model, likeness)
        with around:
            show_around(words, model, likeness)


def show_here(words: Words, model: PalmModel, likeness: Likeness) -> None:
    """The palm that was reached, the way to it, and what there is to keep."""
    start, steps = likeness.start, likeness.steps
    score = words.decimal(likeness.here.score)
    large(likeness.here.png, words("like_here", n=start.number, steps=len(steps), score=score))
    way = " → ".join([words("card", n=start.number), *map(str, steps)])
    st.markdown(f"{words('like_way')}: **{way}**  \n{words('score')}: **{score}**")
    name = "-".join(["palm", str(start.seed), *map(str, steps)]) + ".png"
    with st.container(horizontal=True):
        st.download_button(
            words("download_png"), likeness.here.png, name, "image/png", on_click="ignore", key="like_png"
        )
        if steps:
            st.button(
                words("like_back"),
                on_click=look_around,
                args=(model, start, steps[:-1]),
                disabled=busy(),
                key="like_back",
            )


def show_around(words: Words, model: PalmModel, likeness: Likeness) -> None:
    """The palms a step away; one that is chosen becomes the middle."""
    cards = []
    for number, variant in enumerate(likeness.around, 1):
        score = words.decimal(variant.score)
        alt, opens = (words(key, n=number, score=score) for key in ("like_alt", "like_open"))
        cards.append(Card(number, str(number), score, alt, opens, variant.png))
    chosen = gallery(cards, key="likeness_gallery", image_size=model.image_size, about=100)
    if chosen is not None and not busy() and len(likeness.steps) < MOST_STEPS:
        look_around(model, likeness.start, (*likeness.steps, chosen))
        st.rerun()


@st.fragment(run_every=POLL_SECONDS)
def wait(words: Words) -> None:
    """Until the palms around are drawn."""
    job: Job[Likeness] | None = state.like_job
    if job is None:
        return
    job.look()
    if job.over:
        state.like_job, state.likeness = None, job.result or state.likeness
        if job.state == "failed":
            state.like_trouble = "failed"
        st.rerun(scope="app")
    tell_progress(words, job)
