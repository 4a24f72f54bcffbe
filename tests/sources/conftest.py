"""A Kaggle server on loopback, and the environment in which the real client finds it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources.kaggle_server import KaggleServer, the_port
from tests.sources.kaggle_sets import (
    BOXES,
    HANDS,
    boxes,
    hands,
    zipped,
)


@pytest.fixture(params=["kagglehub-test-environment", "streaming-as-in-production"])
def streaming(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "streaming-as-in-production")


@pytest.fixture
def environment(streaming: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.upper().startswith(("KAGGLE", "COLAB")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("HOME", "KAGGLE_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST" if streaming else "TEST")
    return monkeypatch


@pytest.fixture
def kaggle(environment: pytest.MonkeyPatch, streaming: bool) -> Iterator[KaggleServer]:
    sets = {HANDS: {1: zipped(hands(1)), 2: zipped(hands(2))}, BOXES: {5: zipped(boxes())}}
    port = 0 if streaming else 7777
    with the_port(port), KaggleServer(port=port, archives=sets) as server:
        if streaming:
            environment.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
        yield server


@pytest.fixture
def nobody_there(environment: pytest.MonkeyPatch, streaming: bool) -> Iterator[None]:
    """A port that is taken, so that nobody else serves on it, and on which nobody listens."""
    port = 0 if streaming else 7777
    with the_port(port), socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        if streaming:
            environment.setenv("http_proxy", f"http://127.0.0.1:{taken.getsockname()[1]}")
        yield


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
