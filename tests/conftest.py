"""Fixtures that the tests of several packages share."""

from __future__ import annotations

import functools
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
import torch

from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.store.artifacts import Artifact, Store
from tests import models
from tests.cluster.ray_nodes import Nodes, two_nodes

# Tests must not depend on a bundled starter model: a folder that does not exist.
os.environ["PALM_STARTER"] = str(Path(tempfile.gettempdir()) / "palms-tests-without" / "starter")
# The self-made certificate of the tests, made once for all processes, beside nobody's own.
os.environ["XDG_STATE_HOME"] = str(Path(tempfile.gettempdir()) / f"palms-tests-{os.getuid()}")


class _HasPath(Protocol):
    @property
    def path(self) -> Path: ...


Item = TypeVar("Item", bound=_HasPath)

ALONE = "tests/e2e"  # real servers and a real browser: their waits are bounded


@pytest.fixture(autouse=True)
def _denormal_numbers() -> Iterator[None]:
    """Trainings flush denormal numbers from then on, in the whole process: not in the next test, too."""
    yield
    torch.set_flush_denormal(False)


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Distribute the tests over processes, and run them in a random order if PALM_TEST_ORDER is a seed."""
    for item in items:
        file = item.nodeid.split("::")[0]
        item.add_marker(pytest.mark.xdist_group(file))
        if file.startswith(ALONE):
            item.add_marker(pytest.mark.alone)
    seed = os.environ.get("PALM_TEST_ORDER")
    if seed is not None:
        items[:] = shuffled(items, seed)


def shuffled(items: Sequence[Item], seed: str) -> list[Item]:
    """The tests in a random order, on which none may depend.

    Modules are shuffled, and the tests in each: fixtures of a module are made once, as in the usual order.
    """
    random_order = random.Random(seed)
    modules: dict[Path, list[Item]] = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    order = list(modules.values())
    random_order.shuffle(order)
    for tests in order:
        random_order.shuffle(tests)
    return [item for tests in order for item in tests]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "home")


@pytest.fixture(scope="session")
def started_nodes() -> Iterator[Nodes]:
    """See `nodes`."""
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def nodes(started_nodes: Nodes) -> Nodes:
    """A Ray cluster of two nodes; one that an earlier test killed is started again."""
    started_nodes.start_lost()
    return started_nodes


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
