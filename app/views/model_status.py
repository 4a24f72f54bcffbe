"""Notices about the served model, and the rerun of the page when it changes."""

from __future__ import annotations

import streamlit as st

from app.i18n.words import Words
from app.ui.job_panel import unfinished_jobs
from app.work.resources import model_watcher
from palm_assets.errors import ArtifactMissingError
from palm_assets.release.serving import Served

POLL_SECONDS = 2


def show_model_status(words: Words, served: Served) -> None:
    """Say so if there is no release yet, or if the newest one cannot be used."""
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


@st.fragment(run_every=POLL_SECONDS)
def follow_releases(shown: Served) -> None:
    """Rerun the page when another model is released, or a problem appears or disappears."""
    now = model_watcher().served()
    for job in unfinished_jobs():  # a visitor may wait on the other page, too
        job.keep_alive()
    if (now.model is not shown.model) or (now.problem is None) != (shown.problem is None):
        st.rerun(scope="app")
