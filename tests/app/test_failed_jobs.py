"""Work that breaks off is told to the visitor who waits for it: the real page, without a browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.jobs import Job, Steps, TooBusyError
from app.shared import queue
from app.texts import Words
from palm_assets.store.artifacts import Store
from tests.models import publish_model, release

EN = Words("en")
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
    assert len(page.session_state.palms.entries) == count
    return page


def wait(page: AppTest) -> None:
    """Until the visitor waits for nothing more."""
    until = time.monotonic() + 60
    while any(page.session_state[name] is not None for name in ("job", "walk_job", "like_job")):
        assert time.monotonic() < until
        time.sleep(0.05)
        page.run()


def walk(page: AppTest) -> None:
    next(button for button in page.button if button.label == EN("walk_go")).click().run()
    wait(page)


def look_around(page: AppTest) -> None:
    """As after a PNG of such a palm was dropped onto the page."""
    page.session_state.steps_wait = (3,)
    page.run()
    wait(page)


def broken(*_: object) -> Callable[[Job[None]], Steps[None]]:
    def work(_: Job[None]) -> Steps[None]:
        yield 0, 1
        raise RuntimeError("a fault of the program")

    return work


def refused(*_: object) -> None:
    raise TooBusyError


def told(page: AppTest) -> list[str]:
    return [error.value for error in page.error]


@pytest.mark.parametrize(
    ("count", "wish", "work", "result"),
    [(2, walk, "app.exploring.walking", "walk"), (1, look_around, "app.resembling.resembling", "likeness")],
)
def test_what_breaks_off_is_told_until_the_next_time(
    count: int, wish: Callable[[AppTest], None], work: str, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visited(count)
    with monkeypatch.context() as patched:
        patched.setattr(work, broken)
        wish(page)
    assert told(page) == [EN("failed")]
    wish(page)
    assert told(page) == []
    assert page.session_state[result] is not None


@pytest.mark.parametrize(("count", "wish", "result"), [(2, walk, "walk"), (1, look_around, "likeness")])
def test_what_finds_no_place_in_the_line_is_told_beside_what_was_there(
    count: int, wish: Callable[[AppTest], None], result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visited(count)
    wish(page)
    before = page.session_state[result]
    assert before is not None
    monkeypatch.setattr(queue(), "submit", refused)
    wish(page)
    assert told(page) == [EN("too_busy")]
    assert page.session_state[result] is before
