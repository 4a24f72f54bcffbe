from __future__ import annotations

import threading
from itertools import count
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.jobs import Job, JobQueue, Steps
from app.shared import queue
from app.texts import Words

EN = Words("en")


def three_steps(_: Job[str]) -> Steps[str]:
    for done in range(1, 4):
        yield done, 3
    return "all of it"


def told(job: Job[Any]) -> tuple[str, int]:
    """The words and the percentage that a visitor sees."""

    def page(words, job):  # type: ignore[no-untyped-def]  # it is run as a file of its own
        from app.progress import tell_progress

        tell_progress(words, job, last="walk_last")

    shown = AppTest.from_function(page, args=(EN, job)).run()
    assert not shown.exception
    (bar,) = shown.get("progress")
    return bar.proto.text, bar.proto.value


def begun(steps: int) -> Job[str]:
    """A job that took so many steps."""
    ticks = count()  # a second between two looks at the clock
    job = Job("a", three_steps, lambda: float(next(ticks)))
    for _ in range(steps):
        job._take_turn(0)
    return job


def test_before_the_first_step_there_is_nothing_to_count() -> None:
    assert told(begun(0)) == (EN("starting"), 0)


def test_steps_are_counted_and_the_rest_is_estimated() -> None:
    text, percent = told(begun(1))
    assert text.startswith(EN("drawing", done=1, total=3) + " · ")
    assert percent == 33


def test_when_all_is_done_but_the_end_that_is_said() -> None:
    assert told(begun(3)) == (EN("walk_last"), 100)


def test_who_waits_in_the_line_is_told_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    line, let_go = JobQueue(), threading.Event()
    monkeypatch.setattr("app.progress.queue", lambda: line)

    def held_up(_: Job[None]) -> Steps[None]:
        let_go.wait(60)
        yield 1, 1

    jobs = [line.submit(visitor, held_up) for visitor in "abc"]
    try:
        assert told(jobs[2]) == (EN.counted("waiting", 2), 0)
    finally:
        let_go.set()


def test_what_was_told_to_stop_says_so() -> None:
    job = begun(1)
    queue().cancel(job)
    assert told(job) == (EN("cancelling"), 33)
