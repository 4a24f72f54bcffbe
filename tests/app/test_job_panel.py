from __future__ import annotations

import threading
from itertools import count
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.i18n.words import Words
from app.work.jobs import Job, JobQueue, Steps
from app.work.resources import job_queue

EN = Words("en")


def three_steps(_: Job[str]) -> Steps[str]:
    for done in range(1, 4):
        yield done, 3
    return "all of it"


def shown_progress(job: Job[Any]) -> tuple[str, int]:
    """The words and the percentage that a visitor sees."""

    def page(words, job):  # type: ignore[no-untyped-def]  # it is run as a file of its own
        from app.ui.job_panel import show_progress

        show_progress(words, job, "progress_generated", "interpolation_finishing")

    app = AppTest.from_function(page, args=(EN, job)).run()
    assert not app.exception
    (bar,) = app.get("progress")
    return bar.proto.text, bar.proto.value


def started(steps: int) -> Job[str]:
    """A job that took so many steps."""
    ticks = count()  # a second between two looks at the clock
    job = Job("a", three_steps, lambda: float(next(ticks)))
    for _ in range(steps):
        job._run_slice(0)
    return job


def test_before_the_first_step_there_is_nothing_to_count() -> None:
    assert shown_progress(started(0)) == (EN("starting"), 0)


def test_steps_are_counted_and_the_rest_is_estimated() -> None:
    text, percent = shown_progress(started(1))
    assert text.startswith(EN("progress_generated", done=1, total=3) + " · ")
    assert percent == 33


def test_after_the_last_step_the_finishing_text_is_shown() -> None:
    assert shown_progress(started(3)) == (EN("interpolation_finishing"), 100)


def test_a_waiting_job_shows_its_place_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    queue, released = JobQueue(), threading.Event()
    monkeypatch.setattr("app.ui.job_panel.job_queue", lambda: queue)

    def held_up(_: Job[None]) -> Steps[None]:
        released.wait(60)
        yield 1, 1

    submitted = [queue.submit(visitor, held_up) for visitor in "abc"]
    try:
        assert shown_progress(submitted[2]) == (EN.counted("waiting", 2), 0)
    finally:
        released.set()


def test_a_job_that_was_stopped_says_so() -> None:
    job = started(1)
    job_queue().cancel(job)
    assert shown_progress(job) == (EN("stopping"), 33)


@pytest.mark.parametrize(
    ("outcome", "result", "message"),
    [("finishes", "all of it", None), ("stops", "before", "compare_stopped"), ("fails", "before", "failed")],
)
def test_a_job_that_ends_leaves_its_result_or_a_message(
    outcome: str, result: str, message: str | None
) -> None:
    def page(outcome):  # type: ignore[no-untyped-def]  # it is run as a file of its own
        import time

        import streamlit as st

        from app.i18n.words import Words
        from app.ui.job_panel import JobPanel, is_busy
        from app.work.resources import job_queue

        def work(job):  # type: ignore[no-untyped-def]
            yield 0, 1
            if outcome == "fails":
                raise ValueError
            while outcome == "stops" and not job.cancelled:
                time.sleep(0.001)
                yield 0, 1
            return None if outcome == "stops" else "all of it"

        panel = JobPanel("test", stopped_text="compare_stopped", keeps_result=True)
        if "visitor" not in st.session_state:
            st.session_state.visitor, st.session_state.test_result = "a", "before"
            assert panel.submit(work)
            assert is_busy()
            if outcome == "stops":
                job_queue().cancel(panel.job)
            while not panel.job.is_over:
                time.sleep(0.001)
        panel.show_progress(Words("en"))
        panel.show_message(Words("en"))
        st.text(panel.result)
        assert not is_busy()

    app = AppTest.from_function(page, args=(outcome,), default_timeout=30).run()
    assert not app.exception
    assert [text.value for text in app.text] == [result]
    assert [error.value for error in app.error] == ([] if message is None else [EN(message)])
