"""How far a visitor's work is, in words and as a bar."""

from __future__ import annotations

from typing import TypeVar

import streamlit as st

from app.jobs import Job
from app.shared import queue
from app.texts import Words

Result = TypeVar("Result")


def tell_progress(words: Words, job: Job[Result], doing: str = "drawing", last: str = "") -> None:
    """The bar, the place in the line or what is done, and how long it takes yet.

    Args:
        words: the visitor's language.
        job: the work.
        doing: key of the text that says how many of how many are done.
        last: key of the text for when all are done and the work goes on, if it then takes a while.
    """
    ahead = queue().ahead(job)
    if job.cancelled:
        told = words("cancelling")
    elif job.state == "waiting" and ahead:
        told = words.counted("waiting", ahead)
    elif job.done == 0:
        told = words("starting")
    elif last and job.done == job.total:
        told = words(last)
    else:
        told = words(doing, done=job.done, total=job.total)
        if job.seconds_left is not None:
            told += " · " + words("left", time=words.duration(job.seconds_left))
    st.progress(job.done / job.total if job.total else 0.0, told)
