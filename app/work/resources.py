"""What all visitors of one server share."""

from __future__ import annotations

import gc

import streamlit as st

from app.work.generation import ExampleSets
from app.work.jobs import JobQueue
from app.work.palm_sets import SetCache
from app.work.reference import ReferenceCache
from palm_assets.release.serving import ModelWatcher
from palm_assets.store.artifacts import Store
from palm_assets.store.starter import starter_folder


@st.cache_resource(show_spinner=False)
def model_watcher() -> ModelWatcher:
    """Follows the release; until there is one it serves the starter, or the model that PALM_STARTER names."""
    watcher = ModelWatcher(Store(), starter_folder())
    watcher.served()
    # The model has brought torch: garbage collections that traverse it would stop the server each time.
    gc.freeze()
    return watcher


@st.cache_resource(show_spinner=False)
def reference_cache() -> ReferenceCache:
    """Loads what sets are compared with, once for all visitors."""
    return ReferenceCache(Store())


@st.cache_resource(show_spinner=False)
def job_queue() -> JobQueue:
    """The queue of all visitors' jobs."""
    return JobQueue()


@st.cache_resource(show_spinner=False)
def set_cache() -> SetCache:
    """Bounds the memory of all visitors' sets."""
    return SetCache()


@st.cache_resource(show_spinner=False)
def example_sets() -> ExampleSets:
    """The palms that visitors see first."""
    return ExampleSets()
