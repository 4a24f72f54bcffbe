"""A visitor sees when a job fails or the queue is full: the real page, without a browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from app.i18n.words import Words
from app.work.jobs import Job, JobFunction, QueueFullError, Steps
from app.work.links import View
from app.work.palm_sets import Entry, PalmSet
from app.work.resources import job_queue
from app.work.set_files import EvictedError
from tests.app.visits import visited, wait

EN = Words("en")
pytestmark = pytest.mark.usefixtures("a_release")


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
