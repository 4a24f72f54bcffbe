"""What all visitors of one server share."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import streamlit as st

from app.jobs import JobQueue
from app.sets import Shelf
from app.yardstick import Yardsticks
from palm_assets.release.serving import STARTER, ModelWatcher
from palm_assets.store.artifacts import Store


def store() -> Store:
    """All that the pipeline made, in PALM_HOME."""
    return Store(Path(os.environ.get("PALM_HOME", "palm_home")))


@st.cache_resource(show_spinner=False)
def watcher() -> ModelWatcher:
    """Follows the release; until the first one PALM_STARTER, or what comes with the program, draws."""
    found = ModelWatcher(store(), Path(os.environ.get("PALM_STARTER", STARTER)))
    found.look()
    # With the model came torch: to search all of it for garbage would stop the server for a moment each time.
    gc.freeze()
    return found


@st.cache_resource(show_spinner=False)
def yardsticks() -> Yardsticks:
    """What sets are measured with, loaded once for all."""
    return Yardsticks(store())


@st.cache_resource(show_spinner=False)
def queue() -> JobQueue:
    """The one line that everybody waits in."""
    return JobQueue()


@st.cache_resource(show_spinner=False)
def shelf() -> Shelf:
    """Bounds what all sets together hold."""
    return Shelf()


JOBS = ("job", "walk_job", "judge_job", "like_job")
"""Where a visitor's session holds what the visitor waits for."""


def busy() -> bool:
    """Whether this visitor waits for something: another wish would end it."""
    return any(st.session_state.get(name) is not None for name in JOBS)
