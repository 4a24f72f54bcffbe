"""One browser and one server for all visits."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from palm_assets.gan.config import NetworkConfig
from palm_assets.store.artifacts import Store
from tests.app.real_palms import publish_crops, publish_reference
from tests.e2e.harness import Server, run_server
from tests.models import publish_model, release

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NETWORKS = NetworkConfig(latent=16, generator_width=64, discriminator_width=16, max_width=512)
# Sixteen times the work: 1,000 palms take half a minute on two cores, long enough to watch and stop.
SLOW_NETWORKS = NETWORKS.model_copy(update={"generator_width": 256, "max_width": 2048})

CALIBRATION: dict[str, object] = {"method": "platt", "x": [0.1, 0.0], "y": [], "n_real": 50, "n_fake": 50}

expect.set_options(timeout=60_000)


@pytest.fixture(scope="package")  # its event loop would be in the way of others in this thread
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        message = "No Chromium on this machine: run tests/e2e/install-servers"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A release with all that belongs to it: real palms, their statistics, and a model of random weights."""
    store = Store(tmp_path_factory.mktemp("page") / "home")
    crops = publish_crops(store, size=NETWORKS.image_size)
    model = publish_model(store, 1, NETWORKS, CALIBRATION, inputs={"crops": crops.version})
    store.release(model, publish_reference(store, crops))
    return store


@pytest.fixture(scope="session")
def server(home: Store) -> Iterator[Server]:
    with run_server(home.home, PALM_SHOW_REAL="on") as server:
        yield server


@pytest.fixture(scope="session")
def address(server: Server) -> str:
    return server.address


@pytest.fixture(scope="session")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A page whose model is so large that a thousand palms take their time."""
    store = Store(tmp_path_factory.mktemp("slow") / "home")
    release(store, publish_model(store, 1, SLOW_NETWORKS))
    with run_server(store.home) as server:
        yield server
