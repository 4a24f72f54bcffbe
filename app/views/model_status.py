"""Notices about the served model, and the rerun of the page when it changes."""

from __future__ import annotations

import streamlit as st

from app.i18n.words import Words
from app.ui.job_panel import unfinished_jobs
from app.views.model_choice import served_to_visitor
from app.work.resources import model_watcher
from palm_assets.errors import ArtifactMissingError
from palm_assets.release.model_choices import ModelChoice
from palm_assets.release.serving import Served

POLL_SECONDS = 2


def show_model_status(words: Words, served: Served) -> None:
    """Say so if the model has never seen photographs, or if the newest release cannot be used."""
    if served.origin == "synthetic":
        st.info(words("synthetic_model"))
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
def follow_releases(shown: Served, choices: list[ModelChoice]) -> None:
    """Rerun the page when another model is released or removed, or a problem appears or disappears."""
    now = served_to_visitor()
    for job in unfinished_jobs():  # a visitor may wait on the other page, too
        job.keep_alive()
    is_same = now.model is shown.model and (now.problem is None) == (shown.problem is None)
    if not is_same or model_watcher().choices() != choices:
        st.rerun(scope="app")
