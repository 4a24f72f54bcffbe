from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from palm_assets.store.artifacts import Store
from tests.models import publish_model, release


@pytest.fixture
def a_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page serves a released model of tiny palms."""
    store = Store(tmp_path / "home")
    release(store, publish_model(store, 1))
    monkeypatch.setenv("PALM_HOME", str(store.home))
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()
