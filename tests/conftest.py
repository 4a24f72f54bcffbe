"""Fixtures that the tests of several packages share."""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.store.artifacts import Artifact, Store
from tests import models

os.environ["PALM_STARTER"] = os.devnull  # tests must not depend on a bundled starter model


# Packages whose tests share a server, a browser or a whole graph: each runs in one process.
TOGETHER = ("tests/e2e", "tests/pipelines", "tests/faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Distribute tests over processes by file, and those of `TOGETHER` by package.

    If PALM_TEST_ORDER is a seed, they run in a random order, on which none may depend: modules are shuffled,
    and the tests in each; fixtures of a module are made once, as in the usual order.
    """
    for item in items:
        file = item.nodeid.split("::")[0]
        group = next((package for package in TOGETHER if file.startswith(package)), file)
        item.add_marker(pytest.mark.xdist_group(group))
    seed = os.environ.get("PALM_TEST_ORDER")
    if seed is None:
        return
    shuffled = random.Random(seed)
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    order = list(modules.values())
    shuffled.shuffle(order)
    for tests in order:
        shuffled.shuffle(tests)
    items[:] = [item for tests in order for item in tests]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "home")


@pytest.fixture
def publish_model(store: Store) -> Callable[..., Artifact]:
    """See `tests.models.publish_model`."""
    return functools.partial(models.publish_model, store)


@pytest.fixture
def release(store: Store) -> Callable[[Artifact], None]:
    """See `tests.models.release`."""
    return functools.partial(models.release, store)


@pytest.fixture
def model(publish_model: Callable[..., Artifact]) -> PalmModel:
    """A small model with random weights, loaded."""
    artifact = publish_model()
    return load_model(artifact.folder, artifact.version)
