"""What all visitors of one server share."""

from __future__ import annotations

import functools
import gc
import threading
import time

import streamlit as st

from app.work.generation import ExampleSets
from app.work.jobs import JobQueue
from app.work.palm_sets import SetCache
from app.work.reference import ReferenceCache
from palm_assets.release.serving import ModelWatcher
from palm_assets.store.artifacts import Store
from palm_assets.store.starter import starter_folder

COLLECTION_SECONDS = 15.0


@st.cache_resource(show_spinner=False)
def model_watcher() -> ModelWatcher:
    """Follows the release; until there is one it serves the starter, or the model that PALM_STARTER names."""
    watcher = ModelWatcher(Store(), starter_folder())
    watcher.served()
    # The model has brought torch: garbage collections that traverse it would stop the server each time.
    gc.freeze()
    _start_collecting()
    return watcher


@functools.cache
def _start_collecting() -> None:
    threading.Thread(target=_collect_garbage, name="garbage", daemon=True).start()


def _collect_garbage() -> None:
    """Free what visitors who left had, again and again.

    Streamlit's sessions are reference cycles. Python looks for these only after many new objects, so a
    server that nobody visits any more would keep the last visitors' sets and downloads. What was frozen is
    skipped: a search takes milliseconds.
    """
    while True:
        time.sleep(COLLECTION_SECONDS)
        gc.collect()


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
