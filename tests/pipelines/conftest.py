import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from palm_assets.store.artifacts import Store
from pipelines.definitions import definitions
from tests.tiny import LENIENT, TINY


@dataclass
class Graph:
    """The real graph over a store and a Dagster instance of its own."""

    home: Path
    instance: dg.DagsterInstance
    gate: dict[str, Any] = field(default_factory=lambda: dict(LENIENT))

    @property
    def store(self) -> Store:
        return Store(self.home)

    def materialize(self, *selection: str, **changes: dict[str, Any]) -> dg.ExecuteInProcessResult:
        config = copy.deepcopy(TINY)
        for asset, values in changes.items():
            config[asset] |= values
        definitions_here = definitions(self.home)
        job = definitions_here.resolve_implicit_global_asset_job_def()
        keys = [dg.AssetKey(name) for name in selection] or None
        selected = {name: {"config": config[name]} for name in config if keys is None or name in selection}
        return job.execute_in_process(
            run_config={"ops": selected, "resources": {"gate": {"config": self.gate}}},
            instance=self.instance,
            asset_selection=keys,
            raise_on_error=False,
        )

    def versions(self) -> dict[str, str]:
        names = [*TINY]
        return {name: self.store.current(name).version for name in names}

    def listing(self) -> list[tuple[str, int, int]]:
        files = sorted(path for path in self.home.rglob("*") if path.is_file())
        return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance with a history of its own."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """The whole graph, materialized once on synthetic hands."""
    with dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(tmp_path_factory.mktemp("palm_home"), instance)
        result = graph.materialize()
        assert result.success, failures(result)
        yield graph


@pytest.fixture(autouse=True)
def _the_shared_graph_stays_as_made(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that makes another artifact leaves the pointers of the graph `made` as they were."""
    if "made" not in request.fixturenames:
        yield
        return
    graph: Graph = request.getfixturevalue("made")
    pointers = {path: path.read_bytes() for path in (graph.home / "current").glob("*.json")}
    yield
    for path, content in pointers.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """The error of each failed step."""
    return [
        str(event.step_failure_data.error.message if event.step_failure_data.error else "")
        for event in result.all_events
        if event.is_step_failure
    ]


def reused_by_asset(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Whether each materialized artifact was reused."""
    return {
        event.asset_key.to_user_string(): bool(event.materialization.metadata["reused"].value)
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None and "reused" in event.materialization.metadata
    }
