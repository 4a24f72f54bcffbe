"""A visitor sees when a job fails or the queue is full: the real page, without a browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.i18n.words import Words
from app.work.jobs import Job, JobFunction, QueueFullError, Steps
from app.work.links import View
from app.work.palm_sets import Entry, PalmSet
from app.work.resources import job_queue
from app.work.set_files import EvictedError
from palm_assets.store.artifacts import Store
from tests.models import publish_model, release

EN = Words("en")
JOBS = ("generation_job", "interpolation_job", "variations_job")
PAGE = Path(__file__).parents[2] / "app" / "main.py"


@pytest.fixture(autouse=True)
def a_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    store = Store(tmp_path / "home")
    release(store, publish_model(store, 1))
    monkeypatch.setenv("PALM_HOME", str(store.home))
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def visited(count: int) -> AppTest:
    """A visitor's page with so many palms."""
    page = AppTest.from_file(str(PAGE), default_timeout=60)
    page.query_params.update({"n": str(count), "seed": "1", "lang": "en"})
    page.run()
    wait(page)
    assert len(page.session_state.generation_result.entries) == count
    return page


def wait(page: AppTest) -> None:
    """Until the visitor waits for nothing more."""
    until = time.monotonic() + 60
    while any(page.session_state[name] is not None for name in JOBS):
        assert time.monotonic() < until
        time.sleep(0.05)
        page.run()


def interpolate(page: AppTest) -> None:
    next(button for button in page.button if button.label == EN("interpolation_start")).click().run()
    wait(page)


def vary(page: AppTest) -> None:
    """In the dialog of the first palm: one variation after the other."""
    steps = page.session_state.view.like or ()
    page.session_state.view = View(palm=1, like=(*steps, 1))
    page.session_state.variations_message = None  # as any button of the dialog does
    page.run()
    wait(page)


def broken(*_: object) -> JobFunction[None]:
    def work(_: Job[None]) -> Steps[None]:
        yield 0, 1
        raise RuntimeError("a fault of the program")

    return work


def refused(*_: object) -> None:
    raise QueueFullError


def errors(page: AppTest) -> list[str]:
    return [error.value for error in page.error]


@pytest.mark.parametrize(
    ("count", "feature", "work", "result"),
    [
        (2, interpolate, "app.views.interpolation.interpolation_job", "interpolation_result"),
        (1, vary, "app.views.variations.variations_job", "variations_result"),
    ],
)
def test_a_failed_job_is_reported_until_the_next_one(
    count: int, feature: Callable[[AppTest], None], work: str, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visited(count)
    with monkeypatch.context() as patched:
        patched.setattr(work, broken)
        feature(page)
    assert errors(page) == [EN("failed")]
    feature(page)
    assert errors(page) == []
    assert page.session_state[result] is not None


@pytest.mark.parametrize(
    ("count", "feature", "result"), [(2, interpolate, "interpolation_result"), (1, vary, "variations_result")]
)
def test_a_full_queue_is_reported_beside_the_last_result(
    count: int, feature: Callable[[AppTest], None], result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visited(count)
    feature(page)
    before = page.session_state[result]
    assert before is not None
    monkeypatch.setattr(job_queue(), "submit", refused)
    feature(page)
    assert errors(page) == [EN("too_busy")]
    assert page.session_state[result] is before


@pytest.mark.parametrize("large", [False, True])
def test_a_set_that_is_evicted_while_it_is_shown_is_reported(
    large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visited(2)
    palms = page.session_state.generation_result
    monkeypatch.setattr(PalmSet, "available", True)  # another thread evicts it after the question
    if large:
        page.session_state.view = View(palm=1)
    with monkeypatch.context() as patched:
        evicted = iter([palms.png] * 2 if large else [])  # the cards of the gallery are read before

        def png(self: PalmSet, entry: Entry) -> bytes:
            for read in evicted:
                return read(entry)
            raise EvictedError

        patched.setattr(PalmSet, "png", png)
        page.run()
    assert [info.value for info in page.info] == [EN("set_evicted")]
    assert not page.exception
