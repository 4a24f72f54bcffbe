"""A set compared with real palms, on the page: the button, the progress, the figures and what they mean."""

from __future__ import annotations

import streamlit as st

from app.jobs import Job, TooBusyError
from app.judging import LEAST, Judgement, judging, meaning, reservations, table, trouble
from app.look import figures
from app.progress import tell_progress
from app.sets import PalmSet
from app.shared import busy, queue, yardsticks
from app.texts import Words

POLL_SECONDS = 0.4
state = st.session_state


def forget() -> None:
    """For another set: what was known about the last one."""
    state.judge_job = state.judgement = state.judge_trouble = None
    state.nearest = {}


def compare_button(words: Words, palms: PalmSet) -> None:
    """Ask for the figures; gone once they are there."""
    if state.judgement is None:
        st.button(
            words("judge"),
            help=words("judge_help"),
            disabled=busy(),
            on_click=set_off,
            args=(palms,),
            key="judge",
        )


def set_off(palms: PalmSet) -> None:
    """Send the set to the worker."""
    state.judge_trouble = None
    if len(palms.entries) < LEAST:
        state.judge_trouble = "judge_too_few"
        return
    try:
        state.judge_job = queue().submit(state.visitor, judging(palms, yardsticks()))
    except TooBusyError:
        state.judge_trouble = "too_busy"


def compared(words: Words) -> None:
    """The progress, the figures, or why there are none."""
    if state.judge_job is not None:
        with st.container(border=True):
            watch(words)
    elif state.judge_trouble is not None:
        st.info(words(state.judge_trouble))
    elif state.judgement is not None:
        tell(words, state.judgement)


@st.fragment(run_every=POLL_SECONDS)
def watch(words: Words) -> None:
    """How far the job is, with a way to stop it."""
    job: Job[Judgement] | None = state.judge_job
    if job is None:
        return
    job.look()
    if job.over:
        state.judge_job, state.judgement = None, job.result
        if job.state == "failed":
            state.judge_trouble = trouble(job.error)
        elif job.result is None:
            state.judge_trouble = "judge_cancelled"
        st.rerun(scope="app")
    tell_progress(words, job, "judge_looked", last="judge_last")
    if st.button(words("cancel"), disabled=job.cancelled, key="judge_cancel"):
        queue().cancel(job)
        st.rerun(scope="fragment")


def tell(words: Words, judgement: Judgement) -> None:
    """The figures beside those of real palms, and what they mean."""
    with st.container(border=True):
        st.subheader(words("judge_title"), anchor=False)
        st.markdown(meaning(words, judgement), width=760)
        head = ("", words("judge_this"), words("judge_real"))
        figures(head, table(words, judgement), words("judge_title"))
        notes = reservations(words, judgement)
        score = judgement.score
        notes.append(
            words(
                "judge_against",
                n=score.frechet_result.reference_n,
                extractor=score.extractor,
                version=judgement.reference,
            )
        )
        st.caption("\n".join(f"- {note}" for note in notes), width=760)
