"""Visits to the real page, without a browser."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

APP = Path(__file__).parents[2] / "app"
JOBS = ("generation_job", "interpolation_job", "variations_job")


def visited(count: int) -> AppTest:
    """A visitor's page with so many palms."""
    page = AppTest.from_file(str(APP / "main.py"), default_timeout=60)
    page.query_params.update({"n": str(count), "seed": "1", "lang": "en"})
    page.run()
    wait(page)
    assert len(page.session_state.generation_result.entries) == count
    return page


def field(fields: Iterable[Any], name: str) -> Any:
    """The widget of this name that is shown; others may have been shown in its place before."""
    (found,) = (field for field in fields if field.key is not None and field.key.split("-")[0] == name)
    return found


def wait(page: AppTest) -> None:
    """Until the visitor waits for nothing more."""
    until = time.monotonic() + 60
    while any(page.session_state[name] is not None for name in JOBS):
        assert time.monotonic() < until
        time.sleep(0.05)
        page.run()
