from __future__ import annotations

import time
import weakref

import pytest

from app.work import resources


class Session:
    """Refers to itself, as Streamlit's sessions do."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("a_release")
def test_what_a_visitor_had_is_freed_while_nobody_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "COLLECTION_SECONDS", 0.05)
    resources.model_watcher()
    left = weakref.ref(Session())
    until = time.monotonic() + 30
    while left() is not None and time.monotonic() < until:
        time.sleep(0.05)
    assert left() is None
